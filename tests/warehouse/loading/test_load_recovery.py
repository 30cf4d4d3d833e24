"""Loads that are killed at random times, followed by a complete load."""

import random
from pathlib import Path

import pytest

from tests.crash_recovery import count_differences, deliver, kill_load, make_deliveries
from warehouse.database import open_reader, open_writer
from warehouse.loading.loader import load
from warehouse.settings import Settings

KILLS_PER_DELIVERY = 2


@pytest.mark.slow
def test_killed_loads_end_in_same_state(tmp_path: Path) -> None:
    rng = random.Random(3)
    undisturbed_settings, killed_settings = (
        Settings(warehouse=tmp_path / name, settle_seconds=0) for name in ("undisturbed", "killed")
    )
    first, second, *others = make_deliveries(tmp_path / "source", seed=3)
    last = {path: data for delivery in others for path, data in delivery.items()}
    kill_count = 0
    for delivery in (first, second, last):
        deliver(delivery, undisturbed_settings)
        seconds = load(undisturbed_settings).seconds
        deliver(delivery, killed_settings)
        for _ in range(KILLS_PER_DELIVERY):
            kill_count += kill_load(killed_settings, rng.uniform(0, seconds))
        load(killed_settings)
        assert count_differences(undisturbed_settings.database, killed_settings.database, ["raw"]) == {}
    assert kill_count > 0


def test_writer_deletes_old_spill_files(tmp_path: Path) -> None:
    settings = Settings(warehouse=tmp_path)
    with open_writer(settings):
        pass
    spill_folder = tmp_path / "recomart.duckdb.tmp"
    spill_folder.mkdir()
    (spill_folder / "duckdb_temp_storage_DEFAULT-0.tmp").touch()
    with open_reader(settings):
        assert spill_folder.exists()
    with open_writer(settings):
        assert not spill_folder.exists()
