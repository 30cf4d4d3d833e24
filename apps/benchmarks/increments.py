"""The cost of one more day for a warehouse with a third of the history and for one with all of it."""

import gzip
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from apps.benchmarks.daily_deliveries import DailyDeliveries
from apps.benchmarks.measurement import ResourceUsage, measure_contender
from orchestration.progress import PipelineListener
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
    own_settings = settings.model_copy(update={"landing": settings.warehouse / "landing"})
    deliveries = DailyDeliveries(shop, settings.landing_dir, own_settings)

    def deliver_and_measure(day_count: int) -> DayIncrement:
        days_before = deliveries.delivered_days
        files = deliveries.deliver_until(day_count)
        name = f"day {day_count}" if day_count == days_before + 1 else f"to day {day_count}"
        listener.on_step(name)
        usage = measure_contender(
            "recomart", own_settings, lambda step, seconds: listener.on_stage(f"{step}: {seconds:.1f} s")
        )
        listener.on_step_done(name, f"{days_before} days before", usage.seconds)
        return DayIncrement(days_before=days_before, line_count=sum(map(_count_lines, files)), usage=usage)

    deliver_and_measure(shop.days // 3)
    early = deliver_and_measure(shop.days // 3 + 1)
    deliver_and_measure(shop.days - 1)
    return Increments(early=early, late=deliver_and_measure(shop.days))


def _count_lines(path: Path) -> int:
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        return sum(1 for _ in file)
