"""Runs duckdb_script.sql."""

from collections.abc import Iterator
from pathlib import Path

import duckdb

from apps.benchmarks.contenders import WEIGHTS
from warehouse.database import configuration
from warehouse.settings import Settings

SCRIPT = Path(__file__).with_suffix(".sql")
STEP = "\n-- step: "


def run(settings: Settings) -> Iterator[str]:
    """Make the tables in a database of their own, within our memory and threads."""
    with duckdb.connect(str(settings.database), config=configuration(settings)) as connection:
        connection.execute("set preserve_insertion_order = false")
        connection.execute("set variable landing = ?", [str(settings.landing_dir)])
        connection.execute("set variable weights = ?", [str(WEIGHTS)])
        _, *steps = SCRIPT.read_text(encoding="utf-8").split(STEP)
        for step in steps:
            name, statements = step.split("\n", 1)
            connection.execute(statements)
            yield name
