"""A database without free blocks: they keep deleted rows until other rows replace them."""

import duckdb

from warehouse.atomic_files import flush_to_disk
from warehouse.database import CATALOG, STORAGE_VERSION, get_resource_limits, retry_while_locked
from warehouse.disk_full import raise_on_full_disk
from warehouse.settings import Settings
from warehouse.sql_text import quote_literal


@raise_on_full_disk
def rewrite_database(settings: Settings) -> None:
    """Copy all tables and views into a new file that takes the place of the database.

    Raises:
        WarehouseBusyError: Another process is using the warehouse.
        DiskFullError: The disk has no space for a second copy.
    """
    copy = settings.database.with_name(f"{settings.database.name}.rewritten")
    copy_wal = copy.with_name(f"{copy.name}.wal")
    try:
        with duckdb.connect(config=get_resource_limits(settings)) as connection:
            retry_while_locked(
                settings, lambda: connection.execute(f"attach {quote_literal(str(settings.database))} as {CATALOG}")
            )
            for unfinished in (copy, copy_wal):
                unfinished.unlink(missing_ok=True)
            connection.execute(f"force checkpoint {CATALOG}")
            connection.execute(f"attach {quote_literal(str(copy))} as copy (storage_version '{STORAGE_VERSION}')")
            connection.execute(f"copy from database {CATALOG} to copy")
            connection.execute("detach copy")
            flush_to_disk(copy)
            # The lock on the old file still keeps other writers away.
            copy.replace(settings.database)
    finally:
        for unfinished in (copy, copy_wal):
            unfinished.unlink(missing_ok=True)
