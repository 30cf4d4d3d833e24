"""Generator of the demo shop's landing folder and its ground truth."""

import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ValidationError

from warehouse.demo.catalog import write_catalog
from warehouse.demo.config import DemoConfig
from warehouse.demo.days import open_shop
from warehouse.demo.feeds import DayTally, write_day
from warehouse.demo.truth import DemoTruth, TruthCounter, write_truth
from warehouse.errors import RecomartError
from warehouse.settings import LOG_FOLDER

# Starting a process takes as long as generating this many events.
EVENTS_PER_WORKER = 1_000_000

# The marker is written last, so that a landing folder with a marker is complete.
MARKER_FILE = ".demo.json"
FEED_FOLDERS = ("clickstream", "purchases", "catalog")

IMPRESSION_FOLDER = "impressions"
SHOP_FOLDERS = (*FEED_FOLDERS, IMPRESSION_FOLDER)
"""Folders of the landing files; only further days have impressions."""


class DemoSummary(BaseModel):
    """Counts of the generated landing folder."""

    files: int
    events: int
    """Lines of the clickstream, including repeated files."""
    purchases: int
    """Lines of the purchase files, excluding headers."""
    products: int
    """Records of the catalog pages."""
    seconds: float
    is_new: bool
    """False if the same shop already existed and no file was written."""


def generate_shop(
    config: DemoConfig,
    landing: Path,
    truth: Path,
    *,
    overwrite: bool = False,
    on_day: Callable[[date, int], None] | None = None,
) -> DemoSummary:
    """Write the landing files of a demo shop and its ground truth; a folder is complete when it appears.

    The same configuration gives the same bytes with any number of workers.

    Args:
        config: Size, dirt and seed of the shop.
        landing: Folder of the landing files.
        truth: Folder of the ground truth.
        overwrite: Replace another demo shop in `landing`. Files that this generator did not write are never replaced.
        on_day: Called with each finished day and its number of clickstream lines.

    Raises:
        RecomartError: `landing` has other files, or another demo shop and `overwrite` is not set.
    """
    start_seconds = time.monotonic()
    landing, truth = landing.resolve(), truth.resolve()
    existing_config = read_marker(landing)
    demo_truth = _read_truth(truth)
    if demo_truth and config.is_same_shop(existing_config) and config.is_same_shop(demo_truth.config):
        return _make_summary(demo_truth, start_seconds, is_new=False)
    _check_no_foreign_files(landing, existing_config)
    if existing_config and not config.is_same_shop(existing_config) and not overwrite:
        raise RecomartError(
            f"{landing}: the folder has another demo shop. Choose another landing folder, or replace the shop with "
            "`recomart demo-data --overwrite`"
        )

    new_landing, new_truth = (path.with_name(f".{path.name}.writing") for path in (landing, truth))
    try:
        for folder in (new_landing, new_truth):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        for feed in FEED_FOLDERS:
            (new_landing / feed).mkdir()
        counter = TruthCounter(config)
        for tally in _write_days(config, new_landing):
            counter.add(tally)
            if on_day:
                on_day(config.start_date + timedelta(days=tally.day), int(tally.event_counts.sum()))
        world = open_shop(config).world
        demo_truth = counter.build_truth(write_catalog(config, world, new_landing))
        write_truth(new_truth, demo_truth, world)
        (new_landing / MARKER_FILE).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
        _replace_folder(truth, new_truth)
        _replace_folder(landing, new_landing)
    finally:
        for folder in (new_landing, new_truth):
            shutil.rmtree(folder, ignore_errors=True)
    return _make_summary(demo_truth, start_seconds, is_new=True)


def _write_days(config: DemoConfig, landing: Path) -> Iterator[DayTally]:
    """Write the files of all days; yield the tallies in the order of the days."""
    worker_count = min(os.cpu_count() or 1, 1 + config.events // EVENTS_PER_WORKER)
    write = partial(write_day, config, landing)
    if worker_count == 1:
        yield from map(write, range(config.days))
        return
    # "spawn", because a fork of a process with threads (Dagster, torch) can hang.
    with ProcessPoolExecutor(worker_count, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(write, range(config.days))


def read_marker(landing: Path) -> DemoConfig | None:
    """Read the configuration of the demo shop in the folder, if any."""
    try:
        return DemoConfig.model_validate_json((landing / MARKER_FILE).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def _check_no_foreign_files(landing: Path, marker: DemoConfig | None) -> None:
    """Raise RecomartError if the folder has files that this generator did not write."""
    if landing.exists() and not landing.is_dir():
        raise RecomartError(f"{landing} is a file. Choose a folder for the landing files")
    names = {path.name for path in landing.iterdir()} if landing.exists() else set()
    foreign_names = names - {*SHOP_FOLDERS, LOG_FOLDER, MARKER_FILE} if marker else names
    if foreign_names:
        raise RecomartError(
            f"{landing}: the folder has {min(foreign_names)}, which the demo generator did not write. "
            "Move it away, or choose another landing folder"
        )


def _read_truth(truth: Path) -> DemoTruth | None:
    try:
        return DemoTruth.model_validate_json((truth / "planted.json").read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def _replace_folder(folder: Path, new_folder: Path) -> None:
    """Replace a folder by a new one."""
    if folder.exists():
        old_folder = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(old_folder, ignore_errors=True)
        folder.rename(old_folder)
        new_folder.rename(folder)
        shutil.rmtree(old_folder)
    else:
        new_folder.rename(folder)


def _make_summary(demo_truth: DemoTruth, start_seconds: float, *, is_new: bool) -> DemoSummary:
    feeds = demo_truth.feeds
    return DemoSummary(
        files=sum(feed.files for feed in feeds.values()),
        events=feeds["events"].lines,
        purchases=feeds["purchases"].lines,
        products=feeds["products"].lines,
        seconds=round(time.monotonic() - start_seconds, 3),
        is_new=is_new,
    )
