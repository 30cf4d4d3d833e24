"""The seconds of `recomart run` on the demo shop: all days, nothing new, and one more day."""

import subprocess
import sys
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from apps.benchmarks.daily_deliveries import DailyDeliveries
from orchestration.demo_data import generate_demo_shop
from orchestration.progress import PipelineListener
from warehouse.demo.config import DemoConfig
from warehouse.errors import RecomartError
from warehouse.settings import Settings


class DemoShopSeconds(BaseModel):
    """Seconds of three runs, one after another, from the start of the command to its end."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    all_days: float
    """All days but the last, with a training."""

    nothing_new: float
    """No new file since the run before."""

    one_more_day: float
    """The last day's files, without a training."""


def measure_demo_shop(settings: Settings, listener: PipelineListener) -> DemoShopSeconds:
    """Generate the shop of `recomart demo` and measure the three runs.

    Raises:
        RecomartError: A run failed.
    """
    shop = DemoConfig()
    source = settings.model_copy(update={"warehouse": settings.warehouse / "source", "landing": None})
    own_settings = settings.model_copy(update={"landing": None})
    generate_demo_shop(source, shop, listener)
    deliveries = DailyDeliveries(shop, source.landing_dir, own_settings)
    deliveries.deliver_until(shop.days - 1)
    all_days = _measure_run(own_settings, "all days", listener)
    nothing_new = _measure_run(own_settings, "nothing new", listener)
    deliveries.deliver_until(shop.days)
    one_more_day = _measure_run(own_settings, "one more day", listener, "--no-train")
    return DemoShopSeconds(all_days=all_days, nothing_new=nothing_new, one_more_day=one_more_day)


def _measure_run(settings: Settings, name: str, listener: PipelineListener, *options: str) -> float:
    listener.on_step(name)
    start_seconds = time.perf_counter()
    command = [str(Path(sys.executable).with_name("recomart")), "run", *options]
    run = subprocess.run(command, env=settings.build_environment(), capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start_seconds
    if run.returncode:
        raise RecomartError(f"benchmark failed: {' '.join(command)}: {run.stderr.strip()}")
    listener.on_step_done(name, "recomart run", seconds)
    return seconds
