"""Every column of a built warehouse is described in the dbt project."""

from typing import Any

from orchestration.dbt_manifest import load_manifest
from warehouse.database import open_reader
from warehouse.settings import Settings

COLUMNS_QUERY = "select schema_name, table_name, column_name from duckdb_columns() where not internal order by all"


def find_undescribed_columns(manifest: dict[str, Any], columns: list[tuple[str, str, str]]) -> list[str]:
    """Return the columns without a description, or with one that only repeats the column's name.

    `columns` are schema, table and column of a built warehouse.
    """
    nodes = [
        node
        for node in (*manifest["nodes"].values(), *manifest["sources"].values())
        if node["resource_type"] in ("model", "seed", "snapshot", "source")
    ]
    descriptions = {
        (node["schema"], node.get("identifier") or node["alias"], name): column["description"].strip().rstrip(".")
        for node in nodes
        for name, column in node["columns"].items()
    }
    tables = {(node["schema"], node.get("identifier") or node["alias"]) for node in nodes}
    return [
        ".".join(column)
        for column in columns
        if column[:2] in tables
        and descriptions.get(column, "").lower() in ("", column[2], column[2].replace("_", " ").strip())
    ]


def test_built_columns_are_described(demo_warehouse: Settings) -> None:
    with open_reader(demo_warehouse) as connection:
        columns = connection.execute(COLUMNS_QUERY).fetchall()

    assert len(columns) > 1000
    assert find_undescribed_columns(load_manifest(demo_warehouse), columns) == []


def test_undescribed_columns_are_found() -> None:
    def build_node(resource_type: str, **descriptions: str) -> dict[str, Any]:
        columns = {name: {"description": text} for name, text in descriptions.items()}
        return {"resource_type": resource_type, "schema": "s", "alias": resource_type, "columns": columns}

    manifest = {
        "nodes": {"m": build_node("model", described="Text.", named_so="Named so.", empty=" ")},
        "sources": {"x": build_node("source") | {"identifier": "files"}},
    }
    columns = [("s", "model", name) for name in ("described", "named_so", "empty", "missing")]
    columns += [("s", "files", "path"), ("other", "table", "unknown")]
    expected = ["s.model.named_so", "s.model.empty", "s.model.missing", "s.files.path"]
    assert find_undescribed_columns(manifest, columns) == expected
