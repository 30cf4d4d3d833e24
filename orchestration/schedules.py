"""TODO."""

import dagster as dg

from orchestration.jobs import everything

nightly = dg.ScheduleDefinition(
    name="nightly",
    job=everything,
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Fetches what comes from web services, and lets the policy look at the model's age.",
)
