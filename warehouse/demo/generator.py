"""Generates the demo shop's landing zone and its truth."""

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

# Starting a process costs as much as generating this many events.
EVENTS_PER_WORKER = 1_000_000

# Written last, so that a landing folder that has it is complete.
MARKER_FILE = ".demo.json"
FEED_FOLDERS = ("clickstream", "purchases", "catalog")


class DemoSummary(BaseModel):
    """What lies in the landing folder after a run."""

    files: int
    events: int
    """Lines of the clickstream, repeated files included."""
    purchases: int
    """Lines of the purchase files, headers not counted."""
    products: int
    """Records of the catalog pages."""
    seconds: float
    is_new: bool
    """False when the very same shop was there already and nothing was written."""


def generate_shop(
    config: DemoConfig,
    landing: Path,
    truth: Path,
    *,
    overwrite: bool = False,
    workers: int | None = None,
    on_day: Callable[[date, int], None] | None = None,
) -> DemoSummary:
    """Write the shop of `config` to the folder `landing` and what was planted in it to the folder `truth`.

    The same configuration gives the same bytes with any number of `workers` (processes; by default as many as the
    size is worth and the machine has cores). `on_day` is told each finished day and its clickstream lines. Both
    folders appear complete or not at all.

    Raises RecomartError when `landing` holds anything but this very shop; `overwrite` replaces another demo shop, but
    never files that this generator did not write.
    """
    began = time.monotonic()
    landing, truth = landing.resolve(), truth.resolve()
    found = _read_marker(landing)
    planted = _read_truth(truth)
    if planted and found == planted.config == config:
        return _make_summary(planted, began, is_new=False)
    _check_no_foreign_files(landing, found)
    if found not in (None, config) and not overwrite:
        raise RecomartError(
            f"another demo shop is in {landing}; choose another landing folder, or have this one overwritten"
        )

    new_landing, new_truth = (path.with_name(f".{path.name}.writing") for path in (landing, truth))
    try:
        for folder in (new_landing, new_truth):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        for feed in FEED_FOLDERS:
            (new_landing / feed).mkdir()
        ledger = TruthCounter(config)
        for tally in _write_days(config, new_landing, workers):
            ledger.add(tally)
            if on_day:
                on_day(config.start_date + timedelta(days=tally.day), int(tally.event_counts.sum()))
        world = open_shop(config).world
        planted = ledger.build_truth(write_catalog(config, world, new_landing))
        write_truth(new_truth, planted, world)
        (new_landing / MARKER_FILE).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
        _replace_folder(truth, new_truth)
        _replace_folder(landing, new_landing)
    finally:
        for folder in (new_landing, new_truth):
            shutil.rmtree(folder, ignore_errors=True)
    return _make_summary(planted, began, is_new=True)


def _write_days(config: DemoConfig, landing: Path, workers: int | None) -> Iterator[DayTally]:
    """Write the files of all days; their tallies in the order of the days."""
    number = workers or min(os.cpu_count() or 1, 1 + config.events // EVENTS_PER_WORKER)
    write = partial(write_day, config, landing)
    if number == 1:
        yield from map(write, range(config.days))
        return
    # Spawned, because forking a process that runs threads (Dagster, torch) may hang.
    with ProcessPoolExecutor(number, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(write, range(config.days))


def _read_marker(landing: Path) -> DemoConfig | None:
    """Configuration of the demo shop in `landing`, if there is one."""
    try:
        return DemoConfig.model_validate_json((landing / MARKER_FILE).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def _check_no_foreign_files(landing: Path, marker: DemoConfig | None) -> None:
    """Raise RecomartError when `landing` has anything that this generator did not write."""
    if landing.exists() and not landing.is_dir():
        raise RecomartError(f"{landing} is a file; choose a folder for the landing files")
    there = {path.name for path in landing.iterdir()} if landing.exists() else set()
    strangers = there - {*FEED_FOLDERS, MARKER_FILE} if marker else there
    if strangers:
        raise RecomartError(
            f"{landing} holds {min(strangers)}, which the demo generator did not write; "
            "move it away or choose another landing folder"
        )


def _read_truth(truth: Path) -> DemoTruth | None:
    try:
        return DemoTruth.model_validate_json((truth / "planted.json").read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def _replace_folder(folder: Path, new_folder: Path) -> None:
    """Put `new` in the place of `folder`."""
    if folder.exists():
        old = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
        new_folder.rename(folder)
        shutil.rmtree(old)
    else:
        new_folder.rename(folder)


def _make_summary(planted: DemoTruth, started: float, *, is_new: bool) -> DemoSummary:
    feeds = planted.feeds
    return DemoSummary(
        files=sum(feed.files for feed in feeds.values()),
        events=feeds["events"].lines,
        purchases=feeds["purchases"].lines,
        products=feeds["products"].lines,
        seconds=round(time.monotonic() - started, 3),
        is_new=is_new,
    )
