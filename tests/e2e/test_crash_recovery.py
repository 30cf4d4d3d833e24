"""The loader and dbt are killed at 200 random times; every table ends as in an undisturbed run."""

import random
from pathlib import Path

import pytest

from orchestration.steps import build_marts
from tests.crash_recovery import count_differences, deliver, kill_build, kill_load, make_deliveries
from warehouse.loading.loader import load
from warehouse.settings import Settings

KILL_COUNT = 200

BUILT_SCHEMAS = ("raw", "seeds", "snapshots", "staging", "intermediate", "marts")


@pytest.mark.slow
def test_killed_loads_and_builds_lose_nothing(tmp_path: Path) -> None:
    rng = random.Random(200)
    undisturbed_settings, killed_settings = (
        Settings(warehouse=tmp_path / name, settle_seconds=0) for name in ("undisturbed", "killed")
    )
    deliveries = make_deliveries(tmp_path / "source", seed=200)
    kill_count = 0
    for number, delivery in enumerate(deliveries, start=1):
        deliver(delivery, undisturbed_settings)
        load_seconds = load(undisturbed_settings).seconds
        build_seconds = build_marts(undisturbed_settings).seconds
        deliver(delivery, killed_settings)
        # Not every attempt counts: some processes end before the kill.
        target_count = KILL_COUNT * number // len(deliveries)
        while kill_count < target_count:
            if rng.random() < 0.5:
                kill_count += kill_load(killed_settings, rng.uniform(0, load_seconds))
            else:
                load(killed_settings)
                kill_count += kill_build(killed_settings, rng.uniform(0, build_seconds))
        load(killed_settings)
        build_marts(killed_settings)
        assert count_differences(undisturbed_settings.database, killed_settings.database, BUILT_SCHEMAS) == {}
    assert kill_count >= KILL_COUNT
