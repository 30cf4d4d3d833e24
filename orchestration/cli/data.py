"""Commands about what arrived: load it, and say what became of it."""

from pathlib import Path
from typing import Annotated

import typer

from orchestration import console, steps
from orchestration.cli.options import Json, Landing, SourcesFile, Warehouse, app, settings_from
from orchestration.profile.page import write_profile
from orchestration.status import feed_status
from warehouse.loading.loader import load as load_landing


@app.command()
def load(
    sources: SourcesFile = None, landing: Landing = None, warehouse: Warehouse = None, as_json: Json = False
) -> None:
    """Load new and changed landing files into the raw tables."""
    settings = settings_from(sources=sources, landing=landing, warehouse=warehouse)
    with console.StepProgress() as progress:
        progress.on_step("load")
        report = load_landing(settings, progress.on_files)
        progress.on_step_done("load", steps.describe_load(report), report.seconds)
    if as_json:
        console.print_json(report)
        return
    console.print_table("Loaded", [{"feed": name, **vars(feed)} for name, feed in report.feeds.items()])
    console.print_load(report)


@app.command()
def status(warehouse: Warehouse = None, as_json: Json = False) -> None:
    """Show what arrived and what became of it, for each feed."""
    rows = feed_status(settings_from(warehouse=warehouse))
    if as_json:
        console.print_json({"feeds": rows})
    else:
        console.print_status(rows)


@app.command()
def profile(
    output: Annotated[
        Path | None, typer.Option(help="The HTML file to write; `profile.html` in the warehouse folder if not given.")
    ] = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Write a page of pictures that says what the shop's data are like, in one HTML file."""
    with console.StepProgress() as progress:
        progress.on_step("profile")
        page = write_profile(settings_from(warehouse=warehouse), output)
        progress.on_step_done("profile", str(page.path), page.seconds)
    if as_json:
        console.print_json(page)
    else:
        console.say(f"{page.path}: {len(page.sentences)} sections; open it in a browser")
