"""RecoMart as a contender: the steps of `recomart run` that load, build and test."""

from collections.abc import Iterator

from orchestration.dbt_runner import start_dbt
from orchestration.steps import build_marts
from warehouse.loading.loader import load
from warehouse.settings import Settings


def run(settings: Settings) -> Iterator[str]:
    """Load the landing folder, then build and test the marts."""
    with start_dbt(settings) as dbt:
        load(settings)
        yield "load"
        build_marts(settings, started_process=dbt)
        yield "build and test"
