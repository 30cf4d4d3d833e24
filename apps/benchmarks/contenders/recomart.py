"""The first steps of `recomart run`: load, build and test."""

from collections.abc import Iterator

from orchestration.dbt_runner import start_dbt
from orchestration.pipeline import build_marts
from warehouse.loading.loader import load
from warehouse.settings import Settings


def run(settings: Settings) -> Iterator[str]:
    """Bring the warehouse up to date with its landing folder."""
    with start_dbt(settings) as dbt:
        load(settings)
        yield "load"
        build_marts(settings, started_process=dbt)
        yield "build and test"
