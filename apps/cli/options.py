"""Options that several commands share, and the settings built from them."""

from pathlib import Path
from typing import Annotated

import typer

from apps.cli import console
from warehouse.settings import Settings, find_unknown_variables

Warehouse = Annotated[
    Path | None, typer.Option(help="Folder of the database, models and published copies [RECOMART_WAREHOUSE].")
]
Landing = Annotated[Path | None, typer.Option(help="Folder of the landing files [RECOMART_LANDING].")]
SourcesFile = Annotated[Path | None, typer.Option(help="YAML file that declares the feeds [RECOMART_SOURCES].")]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="JSON file of training settings; by default the adopted settings, if any, else the built-in ones.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def load_settings(**options: Path | str | int | None) -> Settings:
    """Return the settings of the environment, overridden by the options given on the command line.

    Prints a warning for each variable that looks like a setting but is none.
    """
    for name in find_unknown_variables():
        console.print_warning(f"{name} is no setting: it has no effect. docs/operations/settings.md lists all settings")
    return Settings(**{name: value for name, value in options.items() if value is not None})  # type: ignore[arg-type]
