"""The command that writes the profile page."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from apps.cli import console
from apps.cli.options import Json, Warehouse, load_settings
from apps.profile.page import write_profile
from orchestration.dbt_manifest import compile_analyses

app = typer.Typer()


@app.command("profile")
def write_profile_page(
    output: Annotated[
        Path | None, typer.Option(help="HTML file to write; by default `profile.html` in the warehouse folder.")
    ] = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
) -> None:
    """Write an HTML page of charts that describe the shop's data."""
    with console.StepProgress() as progress:
        progress.on_step("profile")
        settings = load_settings(warehouse=warehouse)
        page = write_profile(settings, partial(compile_analyses, settings, "profile"), output)
        progress.on_step_done("profile", str(page.path), page.seconds)
    if as_json:
        console.print_json(page)
    else:
        console.print_line(f"{page.path}: {len(page.sentences)} sections; open the file in a browser")
