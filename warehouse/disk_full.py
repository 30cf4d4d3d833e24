"""A full disk, whichever library meets it: one error that says where no more can be written, and what to do."""

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
    # DuckDB's, when it finds no room to spill what its memory cannot hold.
    "failed to offload data block",
)
"""What the system and the libraries say when no more can be written, because of the disk, a quota or a size limit."""

P = ParamSpec("P")
T = TypeVar("T")


def describe_disk_full_error(error_text: str, folder: Path) -> str | None:
    """Say that no more can be written in the folder, if that is what the error is about; None otherwise."""
    said = next((words for words in DISK_FULL_TEXTS if words in error_text), None)
    if said is None:
        return None
    disk = shutil.disk_usage(folder)
    return (
        f"{folder}: no more can be written there: {said} ({disk.free >> 20:,} of {disk.total >> 20:,} MiB are free on "
        "its disk). Make room (what may go: docs/operations/disk_space.md), and run it again; nothing is "
        "half-written, and what was published stays live"
    )


def raise_on_full_disk(work: Callable[Concatenate[Settings, P], T]) -> Callable[Concatenate[Settings, P], T]:
    """Let `work`, which writes into a warehouse's folder, end in a DiskFullError when no more can be written there."""

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
    """What an error says, and those that led to it: rolling back after it may fail as well, for another reason."""
    while error is not None:
        yield str(error)
        error = error.__cause__ or error.__context__
