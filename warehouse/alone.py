"""One process at a time: a lock on a file, which goes with the process however that ends."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from warehouse.errors import RecomartError

LOOK_AGAIN_SECONDS = 0.1


@contextmanager
def alone(lock: Path, what: str, patience: float) -> Iterator[None]:
    """Hold the file `lock`, made when it is missing; `what` is what messages call the work that it guards.

    Raises:
        RecomartError: Another process still held it after `patience` seconds.
    """
    end = time.monotonic() + patience
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise RecomartError(
                        f"another {what} in {lock.parent} is going on; wait until it has ended, or stop it"
                    ) from None
            time.sleep(LOOK_AGAIN_SECONDS)
        yield
