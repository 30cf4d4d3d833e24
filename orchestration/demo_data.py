"""The step that writes the demo shop's landing files."""

from orchestration.pipeline import PipelineListener
from warehouse.demo.config import DemoConfig
from warehouse.demo.generator import DemoSummary, generate_shop
from warehouse.formatting import format_count
from warehouse.settings import Settings


def generate_demo_shop(
    settings: Settings, config: DemoConfig, listener: PipelineListener, *, overwrite: bool = False
) -> DemoSummary:
    """Write the demo shop's landing files and truth; nothing when that very shop is there already.

    Raises:
        RecomartError: The landing folder holds something else.
    """
    listener.on_step("demo data")
    days_done = 0

    def on_day(*_: object) -> None:
        nonlocal days_done
        days_done += 1
        listener.on_days(days_done, config.days)

    summary = generate_shop(config, settings.landing_dir, settings.demo_truth_dir, overwrite=overwrite, on_day=on_day)
    how = "written" if summary.is_new else "there already"
    listener.on_step_done(
        "demo data",
        f"{format_count(summary.files, 'file')} {how} in {settings.landing_dir}: {format_count(summary.events, 'event')}, "
        f"{format_count(summary.purchases, 'purchase')}, {format_count(summary.products, 'product record')}",
        summary.seconds,
    )
    return summary
