"""The disk fills up in each step of a run: a clear error, the old copy goes on, and the next run makes it good."""

import importlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from models_ml.config import TrainConfig
from orchestration.batch_scoring import score
from orchestration.pipeline import (
    PipelineListener,
    build_marts,
    build_recommendations,
    learn,
    publish_copy,
    run_pipeline,
)
from tests.e2e.two_days_later import TwoDaysLater, unexpected, what_differs
from warehouse.errors import DiskFullError
from warehouse.loading.loader import load
from warehouse.locks import alone
from warehouse.publishing.live_copy import current
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

STEPS: dict[str, Callable[[Settings], Any]] = {
    "load": load,
    "build": build_marts,
    "train": lambda settings: learn(settings, TrainConfig()),
    "score": score,
    "recommend": build_recommendations,
    "publish": publish_copy,
}

ALMOST_NOTHING = 16 << 10
"""Bytes that are left on the disk: enough to begin, not to end."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a disk that can be filled needs the right to mount one: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Leave almost nothing of the disk; returns the file that takes the rest."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - ALMOST_NOTHING)
    return ballast


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_disk_that_fills_up_in_a_step_is_named_and_harms_nobody(
    two_days_later: TwoDaysLater, disk: Path, step: str
) -> None:
    shop = two_days_later.copy(disk / "shop")
    before = current(shop)
    for name, work in STEPS.items():
        if name == step:
            break
        work(shop)
    ballast = fill(disk)
    with pytest.raises(DiskFullError, match=rf"{shop.warehouse}: .* No space left on device .*Make room"):
        STEPS[step](shop)
    with ServingCopy(shop) as copy:
        assert copy.published == before
        assert not copy.popular_products().empty
    ballast.unlink()
    run_pipeline(shop, TrainConfig(), PipelineListener())
    assert what_differs(two_days_later.calm, shop) == {}
    assert unexpected(shop) == []


def test_whose_turn_it_is_needs_no_room(disk: Path) -> None:
    lock = disk / "building.lock"
    lock.touch()
    with (disk / "ballast").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free)
    with pytest.raises(DiskFullError, match="the work's own"), alone(lock, "build", 0):
        raise DiskFullError("the work's own")


@pytest.mark.slow
def test_a_step_of_dagster_says_so_in_the_same_line(
    two_days_later: TwoDaysLater, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = two_days_later.copy(disk / "shop")
    monkeypatch.setenv("RECOMART_WAREHOUSE", str(shop.warehouse))
    job = importlib.import_module("orchestration.definitions").defs.resolve_job_def("everything")
    load(shop)
    fill(disk)
    with dg.DagsterInstance.ephemeral() as instance:
        events = [dg.AssetKey(["intermediate", "int_events_classified"])]
        run = job.execute_in_process(instance=instance, raise_on_error=False, asset_selection=events)
    (failure,) = run.get_step_failure_events()
    assert failure.step_failure_data.user_failure_data is not None
    said = failure.step_failure_data.user_failure_data.description or ""
    assert re.match(rf"{shop.warehouse}: no more can be written there: No space left on device .*Make room", said)
