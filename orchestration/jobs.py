"""Dagster jobs: the full pipeline, its parts, and a backfill; and the schedule that runs the full pipeline."""

import dagster as dg

from orchestration.assets.dbt import marts, recommendations
from orchestration.assets.landing_days import landing_days
from orchestration.assets.model import model_tables
from orchestration.assets.publishing import published_copy
from orchestration.assets.raw import raw_tables
from warehouse.settings import Settings

full_pipeline = dg.define_asset_job(
    "full_pipeline",
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets(landing_days),
    description="Fetch, load, build, train, score, evaluate and publish. The steps are those of `recomart run`.",
)

data_only = dg.define_asset_job(
    "data_only",
    selection=dg.AssetSelection.assets(raw_tables, marts),
    description="Fetch, load, and build the tables that the model is trained on. The published copy does not change.",
)

model_only = dg.define_asset_job(
    "model_only",
    selection=dg.AssetSelection.assets(model_tables, recommendations),
    description="Train on the current marts, evaluate, score, and build the lists. The published copy does not change.",
)

publish_only = dg.define_asset_job(
    "publish_only",
    selection=dg.AssetSelection.assets(published_copy),
    description="Publish the current recommendations.",
)

backfill = dg.define_asset_job(
    "backfill",
    selection=dg.AssetSelection.all(),
    description="Load the files of landing days again, then run all later steps.",
)

JOBS = [full_pipeline, data_only, model_only, publish_only, backfill]

nightly_schedule = dg.ScheduleDefinition(
    name="nightly_schedule",
    job=full_pipeline,
    cron_schedule=f"0 {Settings().nightly_hour} * * *",
    execution_timezone="UTC",
    description="Runs the full pipeline every night: fetches feeds from their APIs, and trains if a training is due.",
)
