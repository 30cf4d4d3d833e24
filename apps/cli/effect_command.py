"""The command that shows what recommendations did."""

from pathlib import Path
from typing import Annotated

import typer

from apps.cli import console, effect_tables
from apps.cli.options import Json, Warehouse, load_settings
from orchestration.refusals import describe_refusals, find_refusals
from warehouse.effect_report import DEFAULT_DAYS, read_warehouse_effect

app = typer.Typer()


@app.command("effect")
def show_effect(
    experiment: Annotated[
        str | None, typer.Option(help="Name of an experiment; by default all declared ones are shown.")
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, help="Number of the newest days in the figures of the recommendations.")
    ] = DEFAULT_DAYS,
    html: Annotated[
        Path | None, typer.Option(help="HTML file to write instead of tables, with weeks side by side and charts.")
    ] = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show what recommendations did: impressions, clicks, sales, and the verdicts of experiments.

    docs/effect.md explains the figures.
    """
    settings = load_settings(warehouse=warehouse)
    report = read_warehouse_effect(settings, days, experiment)
    refusals = [refusal for refusal in find_refusals(settings) if "publishing" in refusal.steps]
    if refusals:
        console.print_warning(f"the figures are of tables that are not published: {describe_refusals(refusals)}")
    if html is not None:
        # Imported here, because matplotlib takes longer to import than the tables to print.
        from apps.profile.effect_page import write_effect_page

        write_effect_page(report, html)
    if as_json:
        console.print_json(report)
    elif html is not None:
        console.print_line(f"{html}: the page is written; open the file in a browser")
    else:
        effect_tables.print_effect(report)
