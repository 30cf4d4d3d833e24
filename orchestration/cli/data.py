"""Commands about what arrived: load it, load it again, and say what became of it."""

from collections.abc import Callable
from typing import Annotated

import typer

from orchestration import console, steps
from orchestration.cli.options import Json, Landing, SourcesFile, Warehouse, app, settings_from
from orchestration.rejects import rejects
from orchestration.status import feed_status
from warehouse.errors import RecomartError
from warehouse.loading.loader import load as load_landing
from warehouse.loading.reloading import parse_days
from warehouse.loading.reloading import reload as reload_files
from warehouse.loading.reports import LoadReport, Progress


@app.command()
def load(
    sources: SourcesFile = None, landing: Landing = None, warehouse: Warehouse = None, as_json: Json = False
) -> None:
    """Load new and changed landing files into the raw tables."""
    settings = settings_from(sources=sources, landing=landing, warehouse=warehouse)
    _show_load(lambda on_progress: load_landing(settings, on_progress), as_json)


@app.command()
def reload(
    file: Annotated[str | None, typer.Option(help="Glob of paths in the landing folder; * also stands for /.")] = None,
    date: Annotated[str | None, typer.Option(help="YYYY-MM-DD, or YYYY-MM-DD..YYYY-MM-DD.")] = None,
    sources: SourcesFile = None,
    landing: Landing = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Load files again that are loaded already, by their path, by the date in it or of their rows, or both."""
    if file is None and date is None:
        raise RecomartError("say which files to load again: --file GLOB, --date YYYY-MM-DD, or both")
    settings = settings_from(sources=sources, landing=landing, warehouse=warehouse)
    days = parse_days(date) if date is not None else None
    _show_load(lambda on_progress: reload_files(settings, file, days, on_progress), as_json)


def _show_load(action: Callable[[Callable[[Progress], None]], LoadReport], as_json: bool) -> None:
    with console.StepProgress() as progress:
        progress.on_step("load")
        report = action(progress.on_files)
        progress.on_step_done("load", steps.describe_load(report), report.seconds)
    if as_json:
        console.print_json(report)
        return
    console.print_table("Loaded", [{"feed": name, **vars(feed)} for name, feed in report.feeds.items()])
    console.print_load(report)


@app.command()
def rejected(
    feed: Annotated[str | None, typer.Option(help="Only this feed.")] = None,
    file: Annotated[str | None, typer.Option(help="Only paths that match this glob.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Lines, and files, to show at the most.")] = 20,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show the lines and the files that could not be loaded, and why."""
    found = rejects(settings_from(warehouse=warehouse), feed, file, n)
    if as_json:
        console.print_json(found)
    else:
        console.print_rejects(found)


@app.command()
def status(warehouse: Warehouse = None, as_json: Json = False) -> None:
    """Show what arrived and what became of it, for each feed."""
    rows = feed_status(settings_from(warehouse=warehouse))
    if as_json:
        console.print_json({"feeds": rows})
    else:
        console.print_status(rows)
