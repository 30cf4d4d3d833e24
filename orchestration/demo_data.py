"""Pipeline step that writes the demo shop's landing files."""

from orchestration.progress import PipelineListener
from warehouse.demo.config import DemoConfig
from warehouse.demo.generator import DemoSummary, generate_shop
from warehouse.formatting import format_count
from warehouse.settings import Settings


def generate_demo_shop(
    settings: Settings, config: DemoConfig, listener: PipelineListener, *, overwrite: bool = False
) -> DemoSummary:
    """Write the demo shop's landing files and truth, unless the same shop exists already.

    Raises:
        RecomartError: The landing folder contains other files.
    """
    listener.on_step("demo data")
    written_days = 0

    def on_day(*_: object) -> None:
        nonlocal written_days
        written_days += 1
        listener.on_days(written_days, config.days)

    summary = generate_shop(config, settings.landing_dir, settings.demo_truth_dir, overwrite=overwrite, on_day=on_day)
    if summary.is_new:
        settings.demo_experiments_file.unlink(missing_ok=True)
    state = "written" if summary.is_new else "already present"
    listener.on_step_done(
        "demo data",
        f"{format_count(summary.files, 'file')} {state} in {settings.landing_dir}: "
        f"{format_count(summary.events, 'event')}, {format_count(summary.purchases, 'purchase line')}, "
        f"{format_count(summary.products, 'product record')}",
        summary.seconds,
    )
    return summary
