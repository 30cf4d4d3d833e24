"""Dagster's definitions: the asset graph from landing files to the apps, the jobs, the sensors and the schedule."""

import dagster as dg
from dagster_dbt import DbtCliResource

from orchestration.alerts import failed_check_alert_sensor, failed_run_alert_sensor
from orchestration.assets.consumers import CONSUMER_SPECS
from orchestration.assets.dbt import marts, recommendations
from orchestration.assets.landing import LANDING_SPECS
from orchestration.assets.landing_days import landing_days
from orchestration.assets.merchandising import RULE_SPECS
from orchestration.assets.model import model_tables
from orchestration.assets.publishing import published_copy
from orchestration.assets.raw import raw_tables
from orchestration.assets.warehouse_resource import WarehouseResource
from orchestration.dbt_runner import PROJECT_DIR, find_dbt_executable
from orchestration.jobs import JOBS, nightly_schedule
from orchestration.sensors import landing_files_sensor

defs = dg.Definitions(
    assets=[
        *LANDING_SPECS,
        landing_days,
        raw_tables,
        marts,
        model_tables,
        recommendations,
        published_copy,
        *CONSUMER_SPECS,
        *RULE_SPECS,
    ],
    jobs=JOBS,
    sensors=[landing_files_sensor, failed_run_alert_sensor, failed_check_alert_sensor],
    schedules=[nightly_schedule],
    resources={
        "warehouse": WarehouseResource(),
        "dbt": DbtCliResource(
            project_dir=str(PROJECT_DIR), profiles_dir=str(PROJECT_DIR), dbt_executable=find_dbt_executable()
        ),
    },
    # Steps in separate processes would compete for DuckDB's write lock.
    executor=dg.in_process_executor,
)
