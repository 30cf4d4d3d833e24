"""Commands for incoming data: fetch, load, reload, and reports on the loaded rows."""

from collections.abc import Callable
from typing import Annotated

import typer

from apps.cli import audit_reports, console, data_tables
from apps.cli.options import Json, Landing, SourcesFile, Warehouse, load_settings
from apps.cli.rejects import read_rejects
from orchestration.feed_accounting import read_feed_status
from orchestration.progress import describe_fetch, describe_load
from orchestration.refusals import describe_refusals, find_refusals
from warehouse.errors import RecomartError
from warehouse.fetching.fetch_run import fetch_feeds, find_api_feeds
from warehouse.loading.loader import load as load_landing_files
from warehouse.loading.reloading import parse_date_range, reload_files
from warehouse.loading.reports import LoadProgress, LoadReport
from warehouse.publishing.publisher import log_live_lists

app = typer.Typer()

FeedName = Annotated[str | None, typer.Option("--feed", help="Only this feed.")]


@app.command()
def fetch(
    sources: SourcesFile = None, landing: Landing = None, warehouse: Warehouse = None, as_json: Json = False
) -> None:
    """Fetch each feed that declares a web API into a new landing file.

    An interrupted fetch continues where it stopped.
    """
    settings = load_settings(sources=sources, landing=landing, warehouse=warehouse)
    if not find_api_feeds(settings):
        raise RecomartError(f"nothing to fetch: {settings.sources}: no feed declares an api. See docs/catalog_api.md")
    with console.StepProgress() as progress:
        progress.on_step("fetch")
        report = fetch_feeds(settings, progress.on_fetch)
        progress.on_step_done("fetch", describe_fetch(report), report.seconds)
    if as_json:
        console.print_json(report)
    else:
        data_tables.print_fetch(report)


@app.command()
def load(
    sources: SourcesFile = None, landing: Landing = None, warehouse: Warehouse = None, as_json: Json = False
) -> None:
    """Load new and changed landing files into the raw tables."""
    settings = load_settings(sources=sources, landing=landing, warehouse=warehouse)
    # A killed publication may not have logged its lists.
    log_live_lists(settings)
    _run_load(lambda on_progress: load_landing_files(settings, on_progress), as_json)


@app.command()
def reload(
    file: Annotated[str | None, typer.Option(help="Glob of paths in the landing folder; * also matches /.")] = None,
    date: Annotated[
        str | None, typer.Option(help="Date or range of dates: YYYY-MM-DD or YYYY-MM-DD..YYYY-MM-DD.")
    ] = None,
    sources: SourcesFile = None,
    landing: Landing = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Load files again, selected by path, by date, or both.

    A file matches a date when its path contains the date or its rows are of that date.
    """
    if file is None and date is None:
        raise RecomartError("no files selected. Give --file GLOB, --date YYYY-MM-DD, or both")
    settings = load_settings(sources=sources, landing=landing, warehouse=warehouse)
    days = parse_date_range(date) if date is not None else None
    _run_load(lambda on_progress: reload_files(settings, file, days, on_progress), as_json)


def _run_load(action: Callable[[Callable[[LoadProgress], None]], LoadReport], as_json: bool) -> None:
    with console.StepProgress() as progress:
        progress.on_step("load")
        report = action(progress.on_files)
        progress.on_step_done("load", describe_load(report), report.seconds)
    if as_json:
        console.print_json(report)
        return
    console.print_table("Loaded", [{"feed": name, **vars(feed)} for name, feed in report.feeds.items()])
    data_tables.print_load(report)


@app.command("rejected")
def show_rejected(
    feed: FeedName = None,
    file: Annotated[str | None, typer.Option(help="Only paths that match this glob.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Maximum number of lines and of files.")] = 20,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show the lines and files that the loader rejected, with the reasons.

    Lines of the newest files come first.
    """
    rejects = read_rejects(load_settings(warehouse=warehouse), feed, file, n)
    if as_json:
        console.print_json(rejects)
    else:
        data_tables.print_rejects(rejects)


@app.command("status")
def show_status(warehouse: Warehouse = None, as_json: Json = False) -> None:
    """Show the rows of each feed by status: clean, duplicate, excluded, quarantined, rejected."""
    settings = load_settings(warehouse=warehouse)
    rows, refusals = read_feed_status(settings), find_refusals(settings)
    if as_json:
        console.print_json({"feeds": rows, "refusals": refusals})
        return
    data_tables.print_status(rows)
    if refusals:
        actions = ", ".join(data_tables.list_refused_actions(refusals))
        console.print_line(f"refused: {actions}: {describe_refusals(refusals)}\n")


@app.command("audit")
def show_audit(
    days: Annotated[int, typer.Option(help="Number of days, ending with the newest delivery.", min=1)] = 7,
    feed: FeedName = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show the rows of the newest days, compared with the usual figures.

    The usual figures are those of the same weekday. Warnings come first.
    """
    report = audit_reports.read_audit(load_settings(warehouse=warehouse), days, feed)
    if as_json:
        console.print_json(report)
    else:
        data_tables.print_audit(report)


@app.command("quarantined")
def show_quarantined(
    feed: FeedName = None,
    reason: Annotated[str | None, typer.Option(help="Only rows with this reason.")] = None,
    n: Annotated[int, typer.Option("-n", help="Maximum number of rows.", min=1)] = 20,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show quarantined rows with the reasons and remedies."""
    quarantine = audit_reports.read_quarantine(load_settings(warehouse=warehouse), n, feed, reason)
    if as_json:
        console.print_json(quarantine)
    else:
        data_tables.print_quarantine(quarantine)
