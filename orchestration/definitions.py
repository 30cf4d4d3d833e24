"""What Dagster loads: the graph from landing files to those who read the published copy, its jobs, what starts them."""

import dagster as dg
from dagster_dbt import DbtCliResource

from orchestration.alerts import tell_of_failed_checks, tell_of_failed_runs
from orchestration.assets.consumers import CONSUMER_SPECS
from orchestration.assets.dbt import marts, recommendations
from orchestration.assets.landing import LANDING_SPECS
from orchestration.assets.model import model
from orchestration.assets.published_copy import published_copy
from orchestration.assets.raw import raw_tables
from orchestration.assets.warehouse_resource import WarehouseResource
from orchestration.dbt_runner import PROJECT_DIR, dbt_executable
from orchestration.jobs import JOBS
from orchestration.schedules import nightly
from orchestration.sensors import landing_files

defs = dg.Definitions(
    assets=[*LANDING_SPECS, raw_tables, marts, model, recommendations, published_copy, *CONSUMER_SPECS],
    jobs=JOBS,
    sensors=[landing_files, tell_of_failed_runs, tell_of_failed_checks],
    schedules=[nightly],
    resources={
        "warehouse": WarehouseResource(),
        "dbt": DbtCliResource(
            project_dir=str(PROJECT_DIR), profiles_dir=str(PROJECT_DIR), dbt_executable=dbt_executable()
        ),
    },
    # Steps in processes of their own would collide on DuckDB's write lock.
    executor=dg.in_process_executor,
)
