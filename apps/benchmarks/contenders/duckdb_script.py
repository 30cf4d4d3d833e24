"""Runs duckdb_script.sql in a separate database."""

from collections.abc import Iterator
from pathlib import Path

import duckdb

from apps.benchmarks.contenders import EVENT_WEIGHTS_FILE
from warehouse.database import get_duckdb_config
from warehouse.settings import Settings

SCRIPT_FILE = Path(__file__).with_suffix(".sql")
STEP_MARKER = "\n-- step: "


def run(settings: Settings) -> Iterator[str]:
    """Make the tables with RecoMart's limits of memory and threads."""
    with duckdb.connect(str(settings.database), config=get_duckdb_config(settings)) as connection:
        connection.execute("set preserve_insertion_order = false")
        connection.execute("set variable landing = ?", [str(settings.landing_dir)])
        connection.execute("set variable weights = ?", [str(EVENT_WEIGHTS_FILE)])
        _, *steps = SCRIPT_FILE.read_text(encoding="utf-8").split(STEP_MARKER)
        for step in steps:
            name, statements = step.split("\n", 1)
            connection.execute(statements)
            yield name
