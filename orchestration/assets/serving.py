"""The door out: the published copy that people read."""

import time

import dagster as dg

from orchestration.assets.common import WAREHOUSE_POOL, clear_failures, row_count_metadata
from orchestration.assets.transformed import MANIFEST
from orchestration.assets.warehouse_resource import WarehouseResource
from orchestration.dbt import APP_EXPOSURE
from orchestration.steps import publish_copy


def _published_models() -> list[dg.AssetKey]:
    nodes = MANIFEST["exposures"][APP_EXPOSURE]["depends_on"]["nodes"]
    return [dg.AssetKey([MANIFEST["nodes"][node]["schema"], MANIFEST["nodes"][node]["alias"]]) for node in nodes]


@dg.asset(
    name="published_copy",
    key_prefix="serving",
    deps=_published_models(),
    group_name="serving",
    kinds={"duckdb"},
    pool=WAREHOUSE_POOL,
)
def published_copy(warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
    """A versioned, verified, read-only copy of what the app reads; the pointer moves to it by rename."""
    started = time.perf_counter()
    with clear_failures():
        published = publish_copy(warehouse.settings)
    return dg.MaterializeResult(
        metadata={
            **row_count_metadata(sum(published.rows.values())),
            "file": published.file,
            "run_id": published.run_id or "none: popularity",
            "rows": dg.MetadataValue.json(published.rows),
            "seconds": time.perf_counter() - started,
        }
    )
