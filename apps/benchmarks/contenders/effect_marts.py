"""The effect marts as a contender: their build and tests on tables that the benchmark wrote."""

from collections.abc import Iterator

from orchestration.dbt_runner import run_dbt
from warehouse.settings import Settings


def run(settings: Settings) -> Iterator[str]:
    """Build and test all models of the group `effect` in full."""
    run_dbt(settings, "build", "--full-refresh", "--exclude-resource-type", "unit_test", "--select", "group:effect")
    yield "build and test"
