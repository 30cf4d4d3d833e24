"""The disk becomes full in each step of a run: the error is clear, the old copy serves, and the next run succeeds."""

import importlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from models_ml.config import TrainConfig
from orchestration.assets import common
from orchestration.batch_scoring import score_customers
from orchestration.model_steps import train_if_due
from orchestration.pipeline import run_pipeline
from orchestration.progress import PipelineListener
from orchestration.steps import build_marts, build_recommendations, publish_copy
from tests.e2e.pending_days_shop import PendingDaysShop, count_differences_between, find_unexpected_files
from tests.small_disk import fill_disk, mount_small_disk
from warehouse.errors import DiskFullError
from warehouse.loading.loader import load
from warehouse.locks import exclusive_lock
from warehouse.publishing.live_copy import read_pointer
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

STEPS: dict[str, Callable[[Settings], Any]] = {
    "load": load,
    "build": build_marts,
    "train": lambda settings: train_if_due(settings, TrainConfig()),
    "score": score_customers,
    "recommend": build_recommendations,
    "publish": publish_copy,
}

FREE_BYTES = 16 << 10
"""Free bytes that remain on the disk: enough to start a step, but not to finish it."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system in memory."""
    with mount_small_disk(tmp_path / "disk", "200m") as disk:
        yield disk


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_full_disk_is_reported_and_repaired(pending_days_shop: PendingDaysShop, small_disk: Path, step: str) -> None:
    """Readers keep the old copy, and the next run ends like an undisturbed run."""
    settings = pending_days_shop.copy_pending(small_disk / "shop")
    previous_copy = read_pointer(settings)
    for name, run_step in STEPS.items():
        if name == step:
            break
        run_step(settings)
    ballast = fill_disk(small_disk, FREE_BYTES)
    with pytest.raises(DiskFullError, match=rf"{settings.warehouse}: .* No space left on device .*Free some space"):
        STEPS[step](settings)
    with ServingCopy(settings) as copy:
        assert copy.published == previous_copy
        assert not copy.get_popular_products().empty
    ballast.unlink()
    run_pipeline(settings, TrainConfig(), PipelineListener())
    assert count_differences_between(pending_days_shop.undisturbed_settings, settings) == {}
    assert find_unexpected_files(settings) == []


def test_exclusive_lock_needs_no_disk_space(small_disk: Path) -> None:
    lock = small_disk / "building.lock"
    lock.touch()
    with (small_disk / "ballast").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(small_disk).free)
    with pytest.raises(DiskFullError, match="raised inside the lock"), exclusive_lock(lock, "build", 0):
        raise DiskFullError("raised inside the lock")


@pytest.mark.slow
def test_dagster_step_reports_full_disk(
    pending_days_shop: PendingDaysShop, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = pending_days_shop.copy_pending(small_disk / "shop")
    monkeypatch.setenv("RECOMART_WAREHOUSE", str(settings.warehouse))
    monkeypatch.setattr(common, "RETRY_DELAY_SECONDS", 0)
    job = importlib.import_module("orchestration.definitions").defs.resolve_job_def("full_pipeline")
    load(settings)
    fill_disk(small_disk, FREE_BYTES)
    with dg.DagsterInstance.ephemeral() as instance:
        selection = [dg.AssetKey(["intermediate", "int_events_classified"])]
        run = job.execute_in_process(instance=instance, raise_on_error=False, asset_selection=selection)
    (failure,) = run.get_step_failure_events()
    assert failure.step_failure_data.user_failure_data is not None
    message = failure.step_failure_data.user_failure_data.description or ""
    assert re.match(rf"{settings.warehouse}: cannot write: No space left on device .*Free some space", message)
