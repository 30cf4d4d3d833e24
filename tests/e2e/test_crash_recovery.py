"""The loader and dbt are killed at two hundred random instants, and every table ends as in an undisturbed run."""

import random
from pathlib import Path

import pytest

from orchestration.pipeline import build_marts
from tests.crash_recovery import deliver, find_differences, kill_build, kill_load, make_deliveries
from warehouse.loading.loader import load
from warehouse.settings import Settings

KILL_COUNT = 200

BUILT_SCHEMAS = ("raw", "seeds", "snapshots", "staging", "intermediate", "marts")


@pytest.mark.slow
def test_killed_loads_and_builds_lose_nothing(tmp_path: Path) -> None:
    chance = random.Random(200)
    calm, killed = (Settings(warehouse=tmp_path / name, settle_seconds=0) for name in ("undisturbed", "killed"))
    arriving = make_deliveries(tmp_path / "source", seed=200)
    kills = 0
    for place, delivery in enumerate(arriving):
        deliver(delivery, calm)
        load_seconds = load(calm).seconds
        build_seconds = build_marts(calm).seconds
        deliver(delivery, killed)
        # An attempt comes too late now and then; the next deliveries make up for it.
        aim = KILL_COUNT * (place + 1) // len(arriving)
        while kills < aim:
            if chance.random() < 0.5:
                kills += kill_load(killed, chance.uniform(0, load_seconds))
            else:
                load(killed)
                kills += kill_build(killed, chance.uniform(0, build_seconds))
        load(killed)
        build_marts(killed)
        assert find_differences(calm.database, killed.database, BUILT_SCHEMAS) == {}
    assert kills >= KILL_COUNT
