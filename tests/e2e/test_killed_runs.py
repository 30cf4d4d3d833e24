"""A run is killed in each of its steps; the next run repairs the warehouse and gives the undisturbed result."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models_ml.config import TrainConfig
from orchestration.pipeline import run_pipeline
from orchestration.progress import PipelineListener
from tests.crash_recovery import read_logged_lists
from tests.e2e.pending_days_shop import PendingDaysShop, count_differences_between, find_unexpected_files
from warehouse.publishing.live_copy import read_pointer
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

KILLS_PER_STEP = 3

STEPS = ("load", "build", "train", "score", "recommend", "publish")

RUN_SCRIPT = """
from models_ml.config import TrainConfig
from orchestration.pipeline import run_pipeline
from orchestration.progress import PipelineListener
from warehouse.settings import Settings

class StepPrinter(PipelineListener):
    def on_step(self, name):
        print(name, flush=True)

run_pipeline(Settings(), TrainConfig(), StepPrinter())
"""


def kill_run(settings: Settings, step: str, seconds: float, *, is_alone: bool) -> bool:
    """Kill a run, alone or with its dbt, `seconds` after it began a step; return whether the step was still running."""
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
        later_steps = run.stdout.read()
        return run.wait() == -signal.SIGKILL and not later_steps


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_next_run_repairs_killed_run(pending_days_shop: PendingDaysShop, step: str, tmp_path: Path) -> None:
    rng = random.Random(step)
    shop = pending_days_shop.copy_pending(tmp_path / "killed")
    # A run's dbt process ends with the run, so a short wait is enough for the next run.
    settings = Settings(warehouse=shop.warehouse, settle_seconds=0, wait_seconds=5)
    previous_copy = read_pointer(settings)
    kill_count = 0
    for attempt in range(KILLS_PER_STEP):
        is_killed = kill_run(settings, step, rng.uniform(0, pending_days_shop.seconds[step]), is_alone=attempt % 2 == 0)
        kill_count += is_killed
        with ServingCopy(settings) as copy:
            assert copy.published == previous_copy or step == "publish" or not is_killed
            assert not copy.get_popular_products().empty
    assert kill_count > 0
    run_pipeline(settings, TrainConfig(), PipelineListener())
    assert count_differences_between(pending_days_shop.undisturbed_settings, settings) == {}
    # No list is logged twice or not at all.
    assert read_logged_lists(settings) == read_logged_lists(pending_days_shop.undisturbed_settings)
    assert find_unexpected_files(settings) == []
