"""Asset of the published copy, which the apps read."""

import time
from datetime import timedelta

import dagster as dg

from orchestration.assets.common import (
    WAREHOUSE_POOL,
    as_dagster_failure,
    build_docs_metadata,
    build_row_count_metadata,
)
from orchestration.assets.dbt_graph import MANIFEST
from orchestration.assets.warehouse_resource import WarehouseResource
from orchestration.dbt_manifest import find_published_models
from orchestration.run_state import complete_run
from orchestration.steps import publish_and_load_log


@dg.asset(
    name="published_copy",
    key_prefix="serving",
    deps=[dg.AssetKey([model["schema"], model["alias"]]) for model in find_published_models(MANIFEST)],
    group_name="serving",
    kinds={"duckdb"},
    owners=["team:data_engineering"],
    metadata=build_docs_metadata("docs/serving.md"),
    # Every day has a complete run, which publishes.
    freshness_policy=dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=26), fail_window=timedelta(hours=50)),
    pool=WAREHOUSE_POOL,
)
def published_copy(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
    """Publish a versioned, verified, read-only copy of the tables that the app and the service read.

    The pointer moves to the new copy by an atomic rename. The lists that the publication changed are logged.
    """
    start_seconds = time.perf_counter()
    with as_dagster_failure():
        published = publish_and_load_log(warehouse.settings)
        # A run of some assets only is not complete.
        if context.run.job_name == "full_pipeline" and not context.run.asset_selection:
            complete_run(warehouse.settings, context.run.run_id)
    return dg.MaterializeResult(
        metadata={
            **build_row_count_metadata(sum(published.rows.values())),
            "file": published.file,
            "run_id": published.run_id or "none: popular products only",
            "rows": dg.MetadataValue.json(published.rows),
            "seconds": time.perf_counter() - start_seconds,
        }
    )
