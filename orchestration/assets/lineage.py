"""Column lineage of the dbt models, for Dagster to show: read off the SQL that dbt ran."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from orchestration.assets.common import TableFacts, described_or_warned, table_key
from orchestration.assets.dbt_graph import MANIFEST, TRANSLATOR
from orchestration.column_lineage import LineageMemory, Table
from orchestration.dbt_manifest import compiled_sql
from warehouse.settings import Settings

MODELS = {
    TRANSLATOR.get_asset_key(node): node for node in MANIFEST["nodes"].values() if node["resource_type"] == "model"
}


def lineage_metadata(
    context: dg.AssetExecutionContext,
    settings: Settings,
    keys: Iterable[dg.AssetKey],
    facts: Mapping[dg.AssetKey, TableFacts],
) -> dict[dg.AssetKey, dict[str, Any]]:
    """Metadata that says from which columns those of freshly built tables are made, given what all tables are like.

    Less, and a warning, when it cannot be read or remembered.
    """
    metadata: dict[dg.AssetKey, dict[str, Any]] = {}
    with described_or_warned(context):
        memory = LineageMemory(settings.dbt_target_dir / "column_lineage.json")
        for key in keys:
            if key not in MODELS:
                continue
            node = MODELS[key]
            # An incremental model also reads what it was before, which is no news.
            read = {key, *(_key(name) for name in node["depends_on"]["nodes"])}
            tables = {Table(*name.path): facts[name].types for name in read if name in facts}
            made_from = memory.lineage(compiled_sql(settings, MANIFEST, node), tables)
            deps = {
                column: [
                    dg.TableColumnDep(table_key(*table), name) for *table, name in sources if table_key(*table) != key
                ]
                for column, sources in made_from.items()
            }
            metadata[key] = {"dagster/column_lineage": dg.TableColumnLineage(deps)}
        memory.save()
    return metadata


def _key(unique_id: str) -> dg.AssetKey:
    return TRANSLATOR.get_asset_key(MANIFEST["sources" if unique_id.startswith("source.") else "nodes"][unique_id])
