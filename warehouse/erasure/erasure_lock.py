"""One erasure at a time; work that read the rows of a customer before writes nothing after it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from warehouse.errors import RecomartError
from warehouse.locks import exclusive_lock
from warehouse.settings import Settings

LOG = logging.getLogger(__name__)

LOCK_FILE = "erasing.lock"


@contextmanager
def lock_erasure(settings: Settings) -> Iterator[None]:
    """Keep other processes from rewriting landing files and the list of forgotten customers.

    Raises:
        WarehouseBusyError: Another process still erases rows after the settings' `wait_seconds`.
    """
    with exclusive_lock(settings.warehouse / LOCK_FILE, "erasure of rows", settings.wait_seconds, LOG.warning):
        yield


def wait_for_erasure(settings: Settings) -> int:
    """Wait until no other process forgets a customer; return a number that changes when one is forgotten.

    A process that read rows of customers compares it, with the write lock of the warehouse, before it writes them.

    Raises:
        WarehouseBusyError: Another process still erases rows after the settings' `wait_seconds`.
    """
    with lock_erasure(settings):
        return get_erasure_number(settings)


def get_erasure_number(settings: Settings) -> int:
    """Return a number that changes at the start of each call that forgets a customer."""
    try:
        return settings.forgotten_customers_file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def check_erasure_number(settings: Settings, erasure_number: int, action: str) -> None:
    """Check that no customer was forgotten since the number was read; `action` is the work's name for the message.

    Raises:
        RecomartError: A customer was forgotten.
    """
    if get_erasure_number(settings) != erasure_number:
        raise RecomartError(f"{action} failed: a customer was forgotten after it read the rows. Start it again")
