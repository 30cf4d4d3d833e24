"""What `recomart load` and `dbt build` do, tests included."""

from collections.abc import Iterator

from orchestration.steps import build_marts
from warehouse.loading.loader import load
from warehouse.settings import Settings


def run(settings: Settings) -> Iterator[str]:
    """Bring the warehouse up to date with its landing folder."""
    load(settings)
    yield "load"
    build_marts(settings)
    yield "build and test"
