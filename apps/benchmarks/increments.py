"""The cost of one more day for a warehouse with a third of the history and for one with all of it."""

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
    """Usage for one day's files in a warehouse with the days before."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    days_before: int
    line_count: int
    """Lines of the day's files, including headers and catalog pages."""

    usage: ResourceUsage


class Increments(BaseModel):
    """Usage for one day after a third of the history and at its end."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    early: DayIncrement
    late: DayIncrement


def measure_increments(settings: Settings, shop: DemoConfig, listener: PipelineListener) -> Increments:
    """Deliver the shop's landing files to a second landing folder in four deliveries and measure two of them.

    The deliveries are the first third of the days, one day, all other days but the last, and the last day.

    Raises:
        RecomartError: The shop has fewer than six days.
    """
    if shop.days < 6:
        raise RecomartError(f"cannot measure one more day: the shop has only {shop.days} days. Use at least six days")
    files_by_date = _group_files_by_date(settings.landing_dir)
    own_settings = settings.model_copy(update={"landing": settings.warehouse / "landing"})
    delivered_days = 0

    def deliver(day_count: int) -> DayIncrement:
        nonlocal delivered_days
        days_before = delivered_days
        days = [shop.start_date + timedelta(days=day) for day in range(days_before, day_count)]
        files = [file for day in days for file in files_by_date.get(day, [])]
        for file in files:
            target = own_settings.landing_dir / file.relative_to(settings.landing_dir)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        # The loader ignores files that were just written, so this wait is not part of the measurement.
        time.sleep(own_settings.settle_seconds)
        name = f"day {day_count}" if len(days) == 1 else f"to day {day_count}"
        listener.on_step(name)
        usage = measure_contender(
            "recomart", own_settings, lambda step, seconds: listener.on_stage(f"{step}: {seconds:.1f} s")
        )
        listener.on_step_done(name, f"{days_before} days before", usage.seconds)
        delivered_days = day_count
        return DayIncrement(days_before=days_before, line_count=sum(map(_count_lines, files)), usage=usage)

    deliver(shop.days // 3)
    early = deliver(shop.days // 3 + 1)
    deliver(shop.days - 1)
    return Increments(early=early, late=deliver(shop.days))


def _count_lines(path: Path) -> int:
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        return sum(1 for _ in file)


def _group_files_by_date(landing: Path) -> dict[date, list[Path]]:
    """Return the landing files by the date in their path."""
    files_by_date: dict[date, list[Path]] = {}
    for path in sorted(landing.rglob("*")):
        date_match = re.search(r"\d{4}-\d{2}-\d{2}", str(path.relative_to(landing)))
        if path.is_file() and date_match:
            files_by_date.setdefault(date.fromisoformat(date_match[0]), []).append(path)
    return files_by_date
