"""Dagster schedule that runs the full pipeline every night."""

import dagster as dg

from orchestration.jobs import full_pipeline

nightly_schedule = dg.ScheduleDefinition(
    name="nightly_schedule",
    job=full_pipeline,
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Runs the full pipeline every night: fetches feeds from their APIs, and trains if a training is due.",
)
