"""TODO."""

import dagster as dg

from orchestration.jobs import full_pipeline

nightly_schedule = dg.ScheduleDefinition(
    name="nightly_schedule",
    job=full_pipeline,
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Fetches what comes from web services, and lets the policy look at the model's age.",
)
