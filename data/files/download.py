"""Downloads: resumed where they broke off, verified, and there either whole or not at all."""

import contextlib
import functools
import io
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from data.errors import DataUnavailable

log = logging.getLogger("data")

MAX_BYTES = 500_000_000
_WORTH_ANOTHER_TRY = {None, 408, 416, 429, 500, 502, 503, 504}  # None: the connection failed


def download(
    url: str,
    target: Path,
    md5: str | None,
    sought: Path,
    *,
    attempts: int = 4,
    pause: float = 1.0,
    timeout: float = 15.0,
) -> Path:
    """Fetch ``url`` to ``target`` and return that.

    What has arrived so far is kept in ``<target>.part`` and resumed, also by a later call.

    Args:
        url: http or https; proxies are those of the environment.
        target: where the whole file goes; its folder is made.
        md5: the file's known MD5, as 32 hexadecimal digits.
        sought: where the user may have meant the file to be, for the message.
        attempts: how often to try before giving up.
        pause: seconds before the second try; doubled each time.
        timeout: seconds without a byte after which a try has failed.

    Raises:
        DataUnavailable: the download failed; the message has the URL, the cause, and what to do.
    """
    import pooch
    from requests import RequestException

    pooch.get_logger().setLevel(logging.WARNING)
    part, lock = (target.with_name(f"{target.name}.{end}") for end in ("part", "lock"))
    resume = functools.partial(_resume, part=part, timeout=timeout)
    trouble: Exception | str = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock), _tidied(part, lock):
            for attempt in range(attempts):
                if target.exists():  # another process was faster
                    return target
                if attempt:
                    time.sleep(pause * 2 ** (attempt - 1))
                log.info("downloading %s", url)
                resumed, hash_ = part.exists(), md5 and f"md5:{md5}"
                try:
                    pooch.retrieve(url, hash_, target.name, target.parent, downloader=resume)
                    return target
                except (RequestException, ValueError) as error:
                    trouble = _cause(error)
                    log.debug("%s: try %d of %d: %s", url, attempt + 1, attempts, trouble)
                    status = getattr(getattr(error, "response", None), "status_code", None)
                    wrong = isinstance(error, ValueError)
                    if wrong or status == 416:  # not to be resumed
                        part.unlink(missing_ok=True)
                    # Wrong content that came in one piece would come again.
                    if not resumed if wrong else status not in _WORTH_ANOTHER_TRY:
                        break
    except OSError as error:
        # Without an errno it is one of requests, such as of certificates that are not there.
        unwritable = f"{target.parent} cannot be written: {error.strerror}"
        trouble = unwritable if error.errno else error
    raise DataUnavailable(
        f"{target.name} is not under {sought}, and {url} could not be downloaded: {trouble}. "
        f"Fetch it by hand and put it at {target}"
    )


def _cause(error: Exception) -> str:
    """Return what went wrong, without the layers of libraries that pass it on."""
    while isinstance(inner := getattr(error, "reason", error.args and error.args[0]), Exception):
        error = inner
    # urllib3 puts its connection before the cause, within the text or beside it.
    said = str(error.args[-1] if error.args else error).rstrip(".")
    return said.partition("): ")[2] or said


@contextlib.contextmanager
def _tidied(part: Path, lock: Path) -> Iterator[None]:
    """Leave neither an empty ``part`` nor the lock's file."""
    try:
        yield
    finally:
        if part.exists() and not part.stat().st_size:
            part.unlink()
        with contextlib.suppress(OSError):  # Windows removes no open file
            lock.unlink()


class _Part(io.FileIO):
    """A file that refuses to grow beyond ``MAX_BYTES``."""

    def write(self, block: Any) -> int:
        self.check_room(len(block))
        return super().write(block)

    def check_room(self, more: int) -> None:
        if self.tell() + more > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")


def _resume(url: str, output: str, _: object, *, part: Path, timeout: float) -> None:
    """Download what ``part`` lacks, or all where the server cannot resume, and call it ``output``.

    Own code around pooch's downloader, which neither resumes nor limits the size.
    """
    import pooch

    with _Part(part, "a") as file:
        have = file.seek(0, os.SEEK_END)
        headers = {"User-Agent": "siamese-hpo", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"

        def begin(response: Any, **_: object) -> None:
            if response.status_code == 200:
                file.truncate(0)
                file.seek(0)
            file.check_room(int(response.headers.get("Content-Length", 0)))

        pooch.HTTPDownloader(
            progressbar=sys.stderr.isatty(),
            timeout=timeout,
            headers=headers,
            hooks={"response": begin},
        )(url, file, None)
    os.replace(part, output)
