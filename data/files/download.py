"""Fetching one file: resumed where it broke off, checked, and there either whole or not at all."""

import contextlib
import hashlib
import http.client
import logging
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from io import BufferedRandom
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from data.errors import DataUnavailable

log = logging.getLogger("data")

BLOCK = 1 << 16
MAX_BYTES = 500_000_000
_WORTH_ANOTHER_TRY = {408, 416, 429, 500, 502, 503, 504}


def download(
    url: str,
    target: Path,
    md5: str | None = None,
    *,
    attempts: int = 4,
    pause: float = 1.0,
    timeout: float = 15.0,
) -> Path:
    """Fetch ``url`` to ``target`` and return that.

    What has come so far lies in ``<target>.part`` and is gone on from, also by a later call.

    Args:
        url: http or https.
        target: where the whole file goes; its folder is made.
        md5: the file's known MD5, as 32 hexadecimal digits.
        attempts: how often to try before giving up.
        pause: seconds before the second try; doubled each time.
        timeout: seconds without a byte after which a try has failed.

    Raises:
        DataUnavailable: it cannot be had: the message has the URL, the cause, and the way by hand.
    """
    part = target.with_name(target.name + ".part")
    trouble: Exception | str = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab+") as file, _alone(file):
            if target.exists():  # another process was faster
                part.unlink(missing_ok=True)
                return target
            for attempt in range(attempts):
                if attempt:
                    time.sleep(pause * 2 ** (attempt - 1))
                resumed = file.tell()
                try:
                    _fetch(url, file, target.name, timeout)
                except urllib.error.HTTPError as error:
                    trouble = error
                    if error.code == 416:  # the rest asked for does not exist: begin again
                        file.truncate(0)
                    if error.code not in _WORTH_ANOTHER_TRY:
                        break
                except (urllib.error.URLError, http.client.HTTPException, _BrokenOffError) as error:
                    trouble = error
                except (ConnectionError, TimeoutError) as error:
                    trouble = error
                else:
                    found = _md5(file)
                    if md5 is None or found == md5:
                        file.flush()
                        os.replace(part, target)
                        return target
                    trouble = f"its MD5 is {found}, not {md5}"
                    file.truncate(0)
                    if not resumed:  # it came in one piece: asking again gives the same
                        break
                log.debug("%s: try %d of %d: %s", url, attempt + 1, attempts, trouble)
            if file.seek(0, os.SEEK_END) == 0:
                part.unlink(missing_ok=True)
    except OSError as error:
        trouble = f"{target.parent} cannot be written: {error.strerror or error}"
    raise DataUnavailable(
        f"{url} could not be downloaded: {trouble}. Fetch it by hand and put it at {target}"
    )


class _BrokenOffError(Exception):
    """The connection ended before the file did."""


def _fetch(url: str, file: BufferedRandom, name: str, timeout: float) -> None:
    """Append to ``file`` what it lacks, or write it anew where the server cannot resume."""
    have = file.seek(0, os.SEEK_END)
    request = urllib.request.Request(url, headers={"User-Agent": "siamese-hpo"})
    if not url.startswith(("http://", "https://")):
        raise urllib.error.URLError("only http and https are fetched")
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        resuming = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(
            f"bytes {have}-"
        )
        if not resuming:
            file.truncate(0)
            file.seek(0)
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else None
        if total is not None and total > MAX_BYTES:
            raise urllib.error.URLError(f"{total:,} bytes announced; at most {MAX_BYTES:,} taken")
        with _progress(name, have, total) as bar:
            while block := answer.read(BLOCK):
                file.write(block)
                have += len(block)
                if have > MAX_BYTES:
                    raise urllib.error.URLError(f"more than {MAX_BYTES:,} bytes came")
                bar(len(block))
        if total is not None and have != total:
            raise _BrokenOffError(f"broke off after {have:,} of {total:,} bytes")


@contextlib.contextmanager
def _progress(name: str, have: int, total: int | None) -> Iterator[Callable[[int], None]]:
    """Give a function to tell of new bytes: a bar on a terminal, a line in a log."""
    if not sys.stderr.isatty():
        log.info("downloading %s%s", name, f" ({total:,} bytes)" if total else "")
        yield lambda count: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(f"Downloading {name}", total=total, completed=have)
        yield lambda count: progress.advance(task, count)


@contextlib.contextmanager
def _alone(file: BufferedRandom) -> Iterator[None]:
    """Let one process at a time fill the file, where the system has such locks."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _md5(file: BufferedRandom) -> str:
    file.seek(0)
    return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
