"""What one more day costs a warehouse that holds a month of days, and one that holds a quarter of a year."""

import gzip
import re
import shutil
import time
from datetime import date, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from apps.benchmarks.measurement import ResourceUsage, measure_contender
from orchestration.pipeline import PipelineListener
from warehouse.demo.config import DemoConfig
from warehouse.errors import RecomartError
from warehouse.settings import Settings


class DayIncrement(BaseModel):
    """One day's files brought to a warehouse that holds the days before."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    days_before: int
    line_count: int
    """Of the day's files: headers and catalog pages are lines too."""

    usage: ResourceUsage


class Increments(BaseModel):
    """The same early in the shop's time and at its end."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    early: DayIncrement
    late: DayIncrement


def measure_increments(settings: Settings, shop: DemoConfig, listener: PipelineListener) -> Increments:
    """Deliver the shop's landing files to a second landing folder, day by day where it is measured.

    Its first third comes at once, then one day, then all but the last, then the last.

    Raises:
        RecomartError: The shop has less than six days.
    """
    if shop.days < 6:
        raise RecomartError(f"{shop.days} days: too few to add one more to; take six or more")
    deliveries = _group_files_by_date(settings.landing_dir)
    own = settings.model_copy(update={"landing": settings.warehouse / "landing"})
    delivered = 0

    def deliver(until: int) -> DayIncrement:
        nonlocal delivered
        before = delivered
        days = [shop.start_date + timedelta(days=day) for day in range(before, until)]
        files = [file for day in days for file in deliveries.get(day, [])]
        for file in files:
            copy = own.landing_dir / file.relative_to(settings.landing_dir)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        # What has just been written is left alone for a moment: no part of the work.
        time.sleep(own.settle_seconds)
        name = f"day {until}" if len(days) == 1 else f"to day {until}"
        listener.on_step(name)
        measured = measure_contender(
            "recomart", own, lambda step, seconds: listener.on_stage(f"{step}: {seconds:.1f} s")
        )
        listener.on_step_done(name, f"{before} days were there", measured.seconds)
        delivered = until
        return DayIncrement(days_before=before, line_count=sum(map(_count_lines, files)), usage=measured)

    deliver(shop.days // 3)
    early = deliver(shop.days // 3 + 1)
    deliver(shop.days - 1)
    return Increments(early=early, late=deliver(shop.days))


def _count_lines(path: Path) -> int:
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        return sum(1 for _ in file)


def _group_files_by_date(landing: Path) -> dict[date, list[Path]]:
    """Landing files by the date in their path."""
    deliveries: dict[date, list[Path]] = {}
    for path in sorted(landing.rglob("*")):
        named = re.search(r"\d{4}-\d{2}-\d{2}", str(path.relative_to(landing)))
        if path.is_file() and named:
            deliveries.setdefault(date.fromisoformat(named[0]), []).append(path)
    return deliveries
