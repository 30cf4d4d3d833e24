"""The command that shows what recommendations did."""

from typing import Annotated

import typer

from apps.cli import console, effect_tables
from apps.cli.options import Json, Warehouse, load_settings
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
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Show what recommendations did: impressions, clicks, sales, and the verdicts of experiments.

    docs/effect.md explains the figures.
    """
    settings = load_settings(warehouse=warehouse)
    report = read_warehouse_effect(settings, days, experiment)
    if as_json:
        console.print_json(report)
    else:
        effect_tables.print_effect(report)
