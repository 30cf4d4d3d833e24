"""What the commands share: the application, its common options, and how they become settings."""

from pathlib import Path
from typing import Annotated

import typer

from warehouse.settings import Settings

Warehouse = Annotated[
    Path | None, typer.Option(help="Folder of the database, models and serving copies [RECOMART_WAREHOUSE].")
]
Landing = Annotated[Path | None, typer.Option(help="Folder of raw files [RECOMART_LANDING].")]
SourcesFile = Annotated[Path | None, typer.Option(help="YAML file that declares the feeds [RECOMART_SOURCES].")]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="JSON file of training settings; else the adopted ones, or the defaults."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def load_settings(**paths: Path | None) -> Settings:
    """Settings as the environment gives them, with what was named on the command line in their place."""
    return Settings(**{name: path for name, path in paths.items() if path is not None})  # type: ignore[arg-type]
