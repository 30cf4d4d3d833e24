"""Shops nobody has seen before: a YAML file of their own, and every figure is right."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestration.dbt import run_dbt
from tests.e2e.conftest import Recomart
from warehouse.database import reader
from warehouse.settings import PROJECT_ROOT, Settings

GERMAN_SHOP = PROJECT_ROOT / "tests" / "e2e" / "german_shop.yml"
RETAILROCKET = PROJECT_ROOT / "warehouse" / "examples" / "retailrocket.yml"

Accounts = tuple[int, int, int, int, int]
"""Lines, rejected, clean, duplicates, quarantined."""


def build(recomart: Recomart, settings: Settings) -> dict[str, Accounts]:
    """Load and build a shop's tables; what became of each feed's lines."""
    where = ("--sources", settings.sources, "--landing", settings.landing_dir, "--warehouse", settings.warehouse)
    done = recomart("load", *where)
    assert done.returncode == 0, done.stderr
    run_dbt(["build", "--exclude", "tag:needs_model"], settings)
    feeds = recomart.json("status", "--warehouse", settings.warehouse)["feeds"]
    names = ("lines", "rejected", "clean", "duplicates", "quarantined")
    return {feed["feed"]: tuple(feed[name] for name in names) for feed in feeds}


def rows(settings: Settings, query: str) -> Sequence[tuple[Any, ...]]:
    """What a query finds in the warehouse."""
    with reader(settings) as connection:
        return connection.execute(query).fetchall()
