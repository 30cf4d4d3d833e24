"""Parts of the graph that are run on their own."""

import dagster as dg

from orchestration.assets.dbt import marts, recommendations
from orchestration.assets.model import model_tables
from orchestration.assets.publishing import published_copy
from orchestration.assets.raw import raw_tables

full_pipeline = dg.define_asset_job(
    "full_pipeline",
    selection=dg.AssetSelection.all(),
    description="Fetch, load, build, train, score, evaluate and publish: the same steps as `recomart run`.",
)

data_only = dg.define_asset_job(
    "data_only",
    selection=dg.AssetSelection.assets(raw_tables, marts),
    description="Fetch, load, and build everything that the model is trained from; what is published stays.",
)

model_only = dg.define_asset_job(
    "model_only",
    selection=dg.AssetSelection.assets(model_tables, recommendations),
    description="Train on the marts as they are, judge, score, and build the lists; what is published stays.",
)

publish_only = dg.define_asset_job(
    "publish_only",
    selection=dg.AssetSelection.assets(published_copy),
    description="Publish the lists as they are in the warehouse.",
)

backfill = dg.define_asset_job(
    "backfill",
    selection=dg.AssetSelection.all(),
    description="Load files again, by path or date (run config of raw_tables), then everything that comes of them.",
)

JOBS = [full_pipeline, data_only, model_only, publish_only, backfill]
