"""Words for the process that keeps a build of the lists waiting."""

import os
from pathlib import Path

import pytest

from apps.merchandiser.rules.busy_message import replace_lock_holder
from warehouse.database import describe_lock_error
from warehouse.errors import WarehouseBusyError
from warehouse.locks import exclusive_lock


def test_lock_holder_is_in_words(tmp_path: Path) -> None:
    lock_file = tmp_path / "a folder" / "building.lock"
    notes: list[str] = []
    with (
        exclusive_lock(lock_file, "dbt build", 0),
        pytest.raises(WarehouseBusyError) as error,
        exclusive_lock(lock_file, "dbt build", 0.2, notes.append),
    ):
        pass
    start = "Another run of RecoMart uses the warehouse, since 20"
    for message, end in [
        (f"recomart: {error.value}", " UTC. Wait until it has finished, or stop it, and try again"),
        (notes[0], " UTC (waiting up to 0.2 s for it)"),
    ]:
        text = replace_lock_holder(message)
        assert text.startswith(start)
        assert text.endswith(end)
        assert "folder" not in text


def test_database_lock_is_in_words(tmp_path: Path) -> None:
    message = describe_lock_error(f"Could not set lock on file: PID {os.getpid()}", tmp_path / "warehouse.duckdb")
    assert message is not None
    assert replace_lock_holder(message).startswith("Another program uses the warehouse, since 20")


def test_other_message_is_kept() -> None:
    assert replace_lock_holder("dbt build failed: a test: 3 rows") == "dbt build failed: a test: 3 rows"
