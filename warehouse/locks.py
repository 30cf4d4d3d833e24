"""One process at a time: a lock on a file, which goes with the process however that ends."""

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

RETRY_INTERVAL_SECONDS = 0.1


@contextmanager
def exclusive_lock(
    lock_file: Path, work_name: str, timeout_seconds: float, on_wait: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Hold the file `lock`, made when it is missing; `what` is what messages call the work that it guards.

    `on_wait` hears who holds it when that is another process.

    Raises:
        WarehouseBusyError: Another process still held it after `patience` seconds; names it.
    """
    end = time.monotonic() + timeout_seconds
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("a+") as file:
        waits = False
        while not _try_lock(file):
            is_over = time.monotonic() > end
            if is_over or not waits:
                busy = f"{lock_file.parent}: {_describe_lock_holder(file)} is at another {work_name}"
            if is_over:
                raise WarehouseBusyError(f"{busy}; wait until it has finished, or stop it, and try again")
            if not waits:
                waits = True
                on_wait(f"{busy} (waiting up to {timeout_seconds:.3g} s for it)")
            time.sleep(RETRY_INTERVAL_SECONDS)
        # The number is for the message alone: a disk too full for it stops nothing.
        with suppress(OSError):
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), str(os.getpid()).encode())
        yield


def _try_lock(file: TextIO) -> bool:
    """Lock the file, unless somebody else has; whether it is ours now."""
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
    """A process by its number, its command and the instant that it started at, as far as it still runs."""
    described = f"process {process_id}"
    with suppress(psutil.Error):
        process = psutil.Process(process_id)
        since = datetime.fromtimestamp(process.create_time(), UTC)
        command = " ".join(" ".join(process.cmdline()).split())
        described += f" ({command[:80]}, running since {since:%Y-%m-%d %H:%M:%S} UTC)"
    return described
