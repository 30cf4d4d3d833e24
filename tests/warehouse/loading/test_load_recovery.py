"""The loader is killed at random instants, again and again, and ends where an undisturbed one ends; nothing is left."""

import random
from pathlib import Path

from tests.crash_recovery import deliver, find_differences, kill_load, make_deliveries
from warehouse.database import open_reader, open_writer
from warehouse.loading.loader import load
from warehouse.settings import Settings

KILLS_PER_DELIVERY = 2


def test_a_loader_killed_at_random_instants_ends_where_an_undisturbed_one_ends(tmp_path: Path) -> None:
    chance = random.Random(3)
    calm, killed = (Settings(warehouse=tmp_path / name, settle_seconds=0) for name in ("calm", "killed"))
    first, second, *others = make_deliveries(tmp_path / "source", seed=3)
    last = {path: data for delivery in others for path, data in delivery.items()}
    kills = 0
    for delivery in (first, second, last):
        deliver(delivery, calm)
        seconds = load(calm).seconds
        deliver(delivery, killed)
        for _ in range(KILLS_PER_DELIVERY):
            kills += kill_load(killed, chance.uniform(0, seconds))
        load(killed)
        assert find_differences(calm.database, killed.database, ["raw"]) == {}
    assert kills > 0


def test_what_a_killed_process_spilled_goes_with_the_next_one_that_writes(tmp_path: Path) -> None:
    settings = Settings(warehouse=tmp_path)
    with open_writer(settings):
        pass
    spilled = tmp_path / "recomart.duckdb.tmp"
    spilled.mkdir()
    (spilled / "duckdb_temp_storage_DEFAULT-0.tmp").touch()
    with open_reader(settings):
        assert spilled.exists()
    with open_writer(settings):
        assert not spilled.exists()
