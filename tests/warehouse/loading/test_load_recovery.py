"""Loads that are killed, at random times and at chosen steps, followed by a complete load."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash_recovery import count_differences, deliver, kill_load, make_deliveries
from tests.three_feed_shop import Shop
from tests.warehouse.loading.test_loader import make_events, make_purchases
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


LOAD_SCRIPT = """
import os, signal, sys
from warehouse.loading import loader
from warehouse.settings import Settings

loader.MAX_BATCH_FILES = 3
count, point = 0, int(sys.argv[1])

def kill_at(name):
    step = getattr(loader, name)
    def counted(*args):
        global count
        count += 1
        if count == point:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*args)
    setattr(loader, name, counted)

for name in ("insert_records", "save_column_names"):
    kill_at(name)
loader.load(Settings())
"""


def test_load_repairs_killed_load(shop: Shop) -> None:
    for number in range(12):
        shop.put(f"events/{number:02}.jsonl", make_events(300) + "broken\n")
        shop.put(f"purchases/{number:02}.csv", make_purchases(f"p{i},2026-01-01,u{i},1" for i in range(300)))
    loaded_after_kill = []
    for point in (1, 2, 4, 6):
        command = [sys.executable, "-c", LOAD_SCRIPT, str(point)]
        done = subprocess.run(command, env=shop.settings.build_environment(), check=False)
        assert done.returncode == -signal.SIGKILL
        rows = shop.query("select (select count(*) from raw.events), (select count(*) from raw.purchases)")[0]
        ledger = shop.query("select coalesce(sum(rows_loaded), 0) from raw.loaded_files")[0][0]
        assert sum(rows) == ledger
        loaded_after_kill.append(ledger)
    assert loaded_after_kill[0] == 0
    assert 0 < loaded_after_kill[-1] < 7_200
    load(shop.settings)
    after_kills = shop.read_contents()
    shop.settings.database.unlink()
    load(shop.settings)
    assert after_kills == shop.read_contents()
    assert len(after_kills["events"]) == 3_600
