"""What Dagster loads: the graph from landing files to the published copy, and the job that makes all of it."""

import dagster as dg
from dagster_dbt import DbtCliResource

from orchestration.assets.landing import LANDING_SPECS
from orchestration.assets.model import model
from orchestration.assets.raw import raw_tables
from orchestration.assets.serving import published_copy
from orchestration.assets.transformed import marts, recommendations
from orchestration.assets.warehouse_resource import WarehouseResource
from orchestration.dbt import PROJECT_DIR, dbt_executable

everything = dg.define_asset_job(
    "everything",
    selection=dg.AssetSelection.all(),
    description="Fetch, load, build, train, score, evaluate and publish: the same steps as `recomart run`.",
)

defs = dg.Definitions(
    assets=[*LANDING_SPECS, raw_tables, marts, model, recommendations, published_copy],
    jobs=[everything],
    resources={
        "warehouse": WarehouseResource(),
        "dbt": DbtCliResource(
            project_dir=str(PROJECT_DIR), profiles_dir=str(PROJECT_DIR), dbt_executable=dbt_executable()
        ),
    },
    # Steps in processes of their own would collide on DuckDB's write lock.
    executor=dg.in_process_executor,
)
