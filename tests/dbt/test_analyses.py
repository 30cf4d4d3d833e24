"""The dbt analyses: they run as dbt compiles them, and their columns are described."""

import json
from typing import Any

import pytest

from orchestration.dbt_manifest import compile_analyses
from warehouse.database import open_reader
from warehouse.settings import Settings


@pytest.fixture(scope="module")
def compiled_analyses(demo_warehouse: Settings) -> dict[str, str]:
    """SQL of every analysis by name."""
    return compile_analyses(demo_warehouse)


@pytest.fixture(scope="module")
def manifest_analyses(demo_warehouse: Settings, compiled_analyses: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The compiled analyses' nodes in dbt's manifest."""
    manifest = json.loads((demo_warehouse.dbt_target_dir / "manifest.json").read_text(encoding="utf-8"))
    return {node["name"]: node for node in manifest["nodes"].values() if node["name"] in compiled_analyses}


def test_analyses_return_described_columns(
    demo_warehouse: Settings, compiled_analyses: dict[str, str], manifest_analyses: dict[str, dict[str, Any]]
) -> None:
    assert len(compiled_analyses) >= 20
    with open_reader(demo_warehouse) as connection:
        # `recomart off-policy` fills them.
        connection.execute("create temp table off_policy_candidates (user_id text, product_id text, rank integer)")
        connection.execute("create temp table off_policy_window (seen_from timestamp)")
        columns = {name: connection.sql(query).columns for name, query in compiled_analyses.items()}
    assert columns == {name: list(analysis["columns"]) for name, analysis in manifest_analyses.items()}


def test_profile_analyses_count_same_actions(demo_warehouse: Settings, compiled_analyses: dict[str, str]) -> None:
    """Hours, products and categories give the same total."""
    with open_reader(demo_warehouse) as connection:
        totals = [
            connection.execute(f"select sum(actions) from ({compiled_analyses[name]})").fetchall()
            for name in ("profile_week", "profile_long_tail", "profile_categories")
        ]
        returns = connection.execute("select count(*) from marts.fct_transactions where is_return").fetchall()
    assert totals == totals[:1] * 3
    assert returns > [(0,)]


def test_analyses_are_documented(
    manifest_analyses: dict[str, dict[str, Any]],
) -> None:
    """Every analysis begins with a comment and describes its grain and its columns."""
    assert [name for name, analysis in manifest_analyses.items() if not analysis["raw_code"].startswith("-- ")] == []
    assert [name for name, analysis in manifest_analyses.items() if "One row" not in analysis["description"]] == []
    columns = [column for analysis in manifest_analyses.values() for column in analysis["columns"].values()]
    assert [column["name"] for column in columns if not column["description"]] == []
