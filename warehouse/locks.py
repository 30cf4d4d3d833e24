"""Exclusive locks on files; the operating system releases them when a process ends, also when it is killed."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import psutil

from warehouse.errors import WarehouseBusyError

LOCK_RETRY_SECONDS = 0.1


@contextmanager
def exclusive_lock(
    lock_file: Path, work_name: str, timeout_seconds: float, on_wait: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Hold an exclusive lock on a file, which is created if it does not exist.

    Args:
        lock_file: The file to lock.
        work_name: The name, in messages, of the work that the lock protects.
        timeout_seconds: Seconds to wait while another process holds the lock.
        on_wait: Called once, with a message that names the other process, before the wait.

    Raises:
        WarehouseBusyError: Another process still holds the lock after the timeout.
    """
    deadline = time.monotonic() + timeout_seconds
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("a+") as file:
        is_waiting = False
        while not _try_lock(file):
            is_timed_out = time.monotonic() > deadline
            if is_timed_out or not is_waiting:
                message = f"{lock_file.parent}: {_describe_lock_holder(file)} runs another {work_name}"
            if is_timed_out:
                raise WarehouseBusyError(f"{message}. Wait until it has finished, or stop it, and try again")
            if not is_waiting:
                is_waiting = True
                on_wait(f"{message} (waiting up to {timeout_seconds:.3g} s for it)")
            time.sleep(LOCK_RETRY_SECONDS)
        # Only messages use the process id, so a full disk must not fail here.
        with suppress(OSError):
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), str(os.getpid()).encode())
        yield


def _try_lock(file: TextIO) -> bool:
    """Try to lock the file; return whether this process now holds the lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _describe_lock_holder(file: TextIO) -> str:
    file.seek(0)
    process_id = file.read()
    return describe_process(int(process_id)) if process_id.isdecimal() else "another process"


def describe_process(process_id: int) -> str:
    """Describe a process by its id and, while it runs, by its command and start time."""
    description = f"process {process_id}"
    with suppress(psutil.Error):
        process = psutil.Process(process_id)
        started_at = datetime.fromtimestamp(process.create_time(), UTC)
        command = " ".join(" ".join(process.cmdline()).split())
        description += f" ({command[:80]}, running since {started_at:%Y-%m-%d %H:%M:%S} UTC)"
    return description
