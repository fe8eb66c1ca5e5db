"""Where a study is kept: its folder, its database, its lock."""

import errno
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from hpo.study.errors import ConfigError, StudyError

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from sqlalchemy.engine import URL

    from hpo.study.storage.rdb import RetryingStorage

DEFAULT_OUT = Path("studies")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
_SECRET = ("password", "passwd", "secret", "token")
"""A key in a URL's query that holds one of these has a value that is not to be shown."""


@dataclass(frozen=True)
class StudyLocation:
    """Where the study ``name`` is kept.

    Attributes:
        name: the study's.
        out: the folder that holds the study's own folder.
        storage: a database's URL where it is not ``study.db`` in the study's folder.
    """

    name: str
    out: Path = DEFAULT_OUT
    storage: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        self.sqlite_file()

    @property
    def folder(self) -> Path:
        """The study's own folder."""
        return self.out / self.name

    @property
    def checkpoints(self) -> Path:
        """Where running trials save what they need to go on."""
        return self.folder / "checkpoints"

    @property
    def artifacts(self) -> Path:
        """Where the pictures of its trials lie."""
        return self.folder / "artifacts"

    @property
    def url(self) -> str:
        """The database's URL, password and all: not to be shown."""
        return self._url().render_as_string(hide_password=False)

    @property
    def shown_url(self) -> str:
        """The database's URL as it may be printed."""
        url = self._url()
        hidden = {key: "***" if _is_secret(key) else value for key, value in url.query.items()}
        return url.set(query=hidden).render_as_string(hide_password=True)

    def options(self, *, anywhere: bool = False) -> str:
        """Return the options that name this place to another command, without the password.

        ``anywhere``: from whatever folder it is called; else where this one was.
        """
        import shlex

        words, place = ["--study", self.name], self.absolute()
        if anywhere or self.out != DEFAULT_OUT:
            words += ["--out", str(place.out)]
        if self.storage is not None:
            # Left out and not starred, it is taken from ~/.pgpass.
            storage = place._url()._replace(password=None).render_as_string(hide_password=False)
            words += ["--storage", replace(place, storage=storage).shown_url]
        return shlex.join(words)

    def sqlite_file(self) -> Path | None:
        """Return the database's file if it is one of SQLite.

        Raises:
            StudyError: the URL is not one, or of a kind of database that is not supported.
        """
        url = self._url()
        backend = url.get_backend_name()
        if backend == "postgres":
            raise StudyError("--storage postgres://...: begin it with postgresql+psycopg://")
        if backend not in ("sqlite", "postgresql"):
            raise StudyError(f"--storage {self.shown_url}: use a sqlite or a postgresql database")
        if backend == "postgresql":
            if str(self.storage).count("@") > 1:
                # What stands where is a guess then, so nothing of it is shown.
                raise StudyError(
                    '--storage: its URL has more than one "@"; write one that belongs to the user, '
                    "the password or an option as %40"
                )
            return None
        if not url.database or url.database == ":memory:":
            raise StudyError(f"--storage {self.shown_url}: name the database's file")
        if "?" in (self.storage or ""):
            # SQLAlchemy takes the rest for options, and another file for the one that is meant.
            raise StudyError(
                f"--storage {self.shown_url}: a SQLite file has no options here; write a ? of "
                "its name as %3F, or leave out what follows it"
            )
        return Path(url.database)

    def _url(self) -> "URL":
        from sqlalchemy.engine import URL, make_url
        from sqlalchemy.exc import ArgumentError

        if self.storage is None:
            # Any character may be in a folder's name; the URL's text quotes it.
            path = str(self.folder / "study.db")
            if path != path.encode(errors="replace").decode():
                raise StudyError(f"--out {str(self.out)!a} is no text in UTF-8; choose another")
            return URL.create("sqlite", database=path)
        try:
            return make_url(self.storage)
        except (ArgumentError, ValueError):
            raise StudyError(
                "--storage is not a database URL; give one such as "
                "sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE"
            ) from None

    def database(self) -> "RetryingStorage":
        """Return the database, made if it is not there; call it under `exclusive`.

        Raises:
            StudyError: it cannot be reached, opened or read.
        """
        from hpo.study.storage.rdb import open_database

        with self.explained():
            return open_database(self.url, self.sqlite_file())

    def absolute(self) -> "StudyLocation":
        """Return the same place with paths that mean the same in any process."""
        file = self.sqlite_file()
        storage = self.storage
        if storage is not None and file is not None:
            url = self._url().set(database=str(file.absolute()))
            storage = url.render_as_string(hide_password=False)
        return replace(self, out=self.out.absolute(), storage=storage)

    def make_folder(self) -> None:
        """Make the folder of the database's file, if it is a file.

        Raises:
            StudyError: it cannot be made.
        """
        file = self.sqlite_file()
        if file is not None:
            with self.explained():
                file.parent.mkdir(parents=True, exist_ok=True)

    def read_only(self) -> "RDBStorage":
        """Return the database as it is; a file is neither made nor changed.

        Raises:
            StudyError: it is not there, or cannot be reached, opened or read.
        """
        from hpo.study.samplers.table import quiet
        from hpo.study.storage.rdb import open_to_read

        with self.explained(), quiet():
            return open_to_read(self.url, self.sqlite_file())

    def is_read_only(self) -> bool:
        """Return whether its file is there and this process cannot write to it or beside it."""
        from hpo.study.storage.reading import can_write

        file = self.sqlite_file()
        return file is not None and file.exists() and not can_write(file)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the study for oneself among all processes; a process that dies lets go."""
        with self.explained():
            from hpo.study.storage.lock import file_lock, server_lock

            file = self.sqlite_file()
            with file_lock(file) if file is not None else server_lock(self.url, self.name):
                yield

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what a database or a file system complains of into a `StudyError`."""
        from optuna.exceptions import StorageInternalError
        from sqlalchemy.exc import SQLAlchemyError

        from hpo.study.storage.retry import is_crowded

        try:
            yield
        except (SQLAlchemyError, StorageInternalError, sqlite3.Error, ImportError) as error:
            if _interrupted(error):
                raise KeyboardInterrupt from None
            cause: BaseException = error
            while cause.__cause__ is not None:
                cause = cause.__cause__
            reason = " ".join(str(getattr(cause, "orig", None) or cause).split())
            hint = ""
            if isinstance(cause, ImportError):
                hint = '; install the extra for it, pip install -e ".[postgres]", '
                hint += "and name it postgresql+psycopg://"
            elif is_crowded(error):
                hint = "; a command needs 3 connections and each of its workers 2 more: give fewer "
                hint += "--workers, or let the server allow more (ALTER ROLE ... CONNECTION LIMIT, "
                hint += "max_connections)"
            elif "no such table" in reason:
                hint = "; it is empty, of another program, or still being copied: run the command "
                hint += "again once it is whole"
            raise StudyError(
                f"the study's database {self.shown_url} cannot be used: {self._safe(reason)}{hint}"
            ) from None
        except OSError as error:
            what = f"the study's folder {self.folder} cannot be used: {error.strerror or error}"
            if error.errno in _READ_ONLY:
                what += "; it is read-only here, and this command must write to it"
            raise StudyError(what) from None

    def _safe(self, text: str) -> str:
        url = self._url()
        secrets = [str(url.password or "")]
        for key, value in url.query.items():
            if _is_secret(key):
                secrets += [value] if isinstance(value, str) else value
        for secret in secrets:
            for written in {secret, quote(secret, safe=""), quote_plus(secret)} - {""}:
                text = text.replace(written, "***")
        return text


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in _SECRET)


def _interrupted(error: BaseException | None) -> bool:
    """Return whether the error came of tidying up after Ctrl-C, which it hides."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def check_name(name: str) -> None:
    """Refuse a name that a study may not have, so that its folder cannot lie elsewhere.

    Raises:
        ConfigError: it holds anything but ``a-z 0-9 . _ -`` or starts with a sign.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f'"{name}" cannot name a study: use a-z, 0-9, ".", "_" and "-", '
            "with a letter or digit first"
        )
