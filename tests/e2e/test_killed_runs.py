"""A run is killed in each of its steps; the next one repairs it, and ends where an undisturbed one ends."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models_ml.config import TrainConfig
from orchestration.pipeline import PipelineListener, run_pipeline
from tests.e2e.pending_days_shop import PendingDaysShop, find_differences_between, find_unexpected_files
from warehouse.publishing.live_copy import read_pointer
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

KILLS_PER_STEP = 3
"""In each step."""

STEPS = ("load", "build", "train", "score", "recommend", "publish")

RUN_SCRIPT = """
from models_ml.config import TrainConfig
from orchestration.pipeline import PipelineListener, run_pipeline
from warehouse.settings import Settings

class Announcing(PipelineListener):
    def on_step(self, name):
        print(name, flush=True)

run_pipeline(Settings(), TrainConfig(), Announcing())
"""


def kill_run(settings: Settings, step: str, seconds: float, *, is_alone: bool) -> bool:
    """Kill a run so long after it began a step, `alone` or with its dbt; whether it was still in the step."""
    with subprocess.Popen(
        [sys.executable, "-c", RUN_SCRIPT],
        env=settings.build_environment(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as run:
        assert run.stdout is not None
        assert step in map(str.strip, run.stdout)
        time.sleep(seconds)
        if is_alone:
            run.kill()
        else:
            os.killpg(run.pid, signal.SIGKILL)
        later = run.stdout.read()
        return run.wait() == -signal.SIGKILL and not later


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_next_run_repairs_killed_run(
    pending_days_shop: PendingDaysShop, step: str, tmp_path: Path
) -> None:
    chance = random.Random(step)
    shop = pending_days_shop.copy_before(tmp_path / "killed")
    # Whatever a run had started ends with it: nobody who comes next has to wait for long.
    killed = Settings(warehouse=shop.warehouse, settle_seconds=0, wait_seconds=5)
    before = read_pointer(killed)
    kills = 0
    for kill in range(KILLS_PER_STEP):
        in_time = kill_run(killed, step, chance.uniform(0, pending_days_shop.seconds[step]), is_alone=kill % 2 == 0)
        kills += in_time
        with ServingCopy(killed) as copy:
            assert copy.published == before or step == "publish" or not in_time
            assert not copy.get_popular_products().empty
    assert kills > 0
    run_pipeline(killed, TrainConfig(), PipelineListener())
    assert find_differences_between(pending_days_shop.undisturbed, killed) == {}
    assert find_unexpected_files(killed) == []
