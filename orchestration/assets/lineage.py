"""Column lineage of the dbt models as Dagster metadata, parsed from the SQL that dbt ran."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from orchestration.assets.common import TableInfo, build_table_key, warn_on_user_error
from orchestration.assets.dbt_graph import MANIFEST, TRANSLATOR
from orchestration.column_lineage import LineageCache
from orchestration.dbt_manifest import read_compiled_sql
from warehouse.settings import Settings
from warehouse.sql_text import TableName

MODELS_BY_KEY = {
    TRANSLATOR.get_asset_key(node): node for node in MANIFEST["nodes"].values() if node["resource_type"] == "model"
}


def build_lineage_metadata(
    context: dg.AssetExecutionContext,
    settings: Settings,
    keys: Iterable[dg.AssetKey],
    table_info: Mapping[dg.AssetKey, TableInfo],
) -> dict[dg.AssetKey, dict[str, Any]]:
    """Return the column lineage of the tables of `keys` as metadata, given the columns of all tables.

    Logs a warning and returns less when SQL cannot be read or the cache cannot be written.
    """
    metadata: dict[dg.AssetKey, dict[str, Any]] = {}
    with warn_on_user_error(context):
        cache = LineageCache(settings.dbt_target_dir / "column_lineage.json")
        for key in keys:
            if key not in MODELS_BY_KEY:
                continue
            node = MODELS_BY_KEY[key]
            # An incremental model also reads its own table; its lineage leaves that table out.
            read_keys = {key, *(_get_asset_key(name) for name in node["depends_on"]["nodes"])}
            tables = {TableName(*read.path): table_info[read].column_types for read in read_keys if read in table_info}
            lineage = cache.get_lineage(read_compiled_sql(settings, MANIFEST, node), tables)
            deps = {
                column: [
                    dg.TableColumnDep(build_table_key(*table), name)
                    for *table, name in sources
                    if build_table_key(*table) != key
                ]
                for column, sources in lineage.items()
            }
            metadata[key] = {"dagster/column_lineage": dg.TableColumnLineage(deps)}
        cache.save()
    return metadata


def _get_asset_key(unique_id: str) -> dg.AssetKey:
    return TRANSLATOR.get_asset_key(MANIFEST["sources" if unique_id.startswith("source.") else "nodes"][unique_id])
