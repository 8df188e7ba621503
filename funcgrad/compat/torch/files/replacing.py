"""Writing a file so that there is never half of it."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

__all__ = ["replacing"]


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of `path` when all is written.

    If writing fails, because the disk is full for instance, what was there before stays. Memory
    maps of the file that was there before stay valid too. Devices, pipes, files with several names
    and files in folders that take no new ones are written to directly.

    Args:
        path: where to write.
    """
    before = path.stat() if path.exists() else None
    if before is not None and (not stat.S_ISREG(before.st_mode) or before.st_nlink > 1):
        with path.open("wb") as stream:
            yield stream
        return
    target = path.resolve()  # not a link to it
    draft = target.with_name(f".{secrets.token_hex(8)}.part")
    if before is not None:
        with target.open("r+b"):  # an error if it may not be written to
            pass
    try:
        stream = draft.open("xb")
    except PermissionError:
        with target.open("wb") as stream:
            yield stream
        return
    try:
        with stream:
            yield stream
        if before is not None:
            with suppress(OSError, AttributeError):  # Windows has no chown
                os.chown(draft, before.st_uid, before.st_gid)
            draft.chmod(stat.S_IMODE(before.st_mode))
        draft.replace(target)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
