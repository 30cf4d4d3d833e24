"""Detection of a full disk in the errors of all libraries, as one error with one message."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from warehouse.errors import DiskFullError
from warehouse.settings import Settings

DISK_FULL_TEXTS = (
    *(os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)),
    # DuckDB's message when the disk has no space for the data that it spills.
    "failed to offload data block",
)
"""Error texts of the operating system and of DuckDB for a full disk, a quota or a size limit."""

P = ParamSpec("P")
T = TypeVar("T")


def describe_disk_full_error(error_text: str, folder: Path) -> str | None:
    """Describe the error if its cause is a full disk, a quota or a size limit; None otherwise."""
    reason = next((text for text in DISK_FULL_TEXTS if text in error_text), None)
    if reason is None:
        return None
    disk = shutil.disk_usage(folder)
    return (
        f"{folder}: cannot write: {reason} ({disk.free >> 20:,} of {disk.total >> 20:,} MiB are free). Free some "
        "space (docs/operations/disk_space.md lists what can be deleted) and run the command again. No data is "
        "half-written, and the published copy stays live"
    )


def raise_on_full_disk(work: Callable[Concatenate[Settings, P], T]) -> Callable[Concatenate[Settings, P], T]:
    """Decorate a function that writes into the warehouse folder, so that it raises DiskFullError on a full disk."""

    @wraps(work)
    def wrapper(settings: Settings, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(settings, *args, **kwargs)
        except DiskFullError:
            raise
        except Exception as error:
            if message := describe_disk_full_error(" ".join(_collect_messages(error)), settings.warehouse):
                raise DiskFullError(message) from error
            raise

    return wrapper


def _collect_messages(error: BaseException | None) -> Iterator[str]:
    """Yield the message of an error and of its causes: the rollback after a full disk may fail for another reason."""
    while error is not None:
        yield str(error)
        error = error.__cause__ or error.__context__
