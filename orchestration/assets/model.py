"""Assets of the tables of schema ml: dataset versions, model runs, ranking metrics, gate results and candidates."""

import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd

from models_ml.evaluation.metric_names import REPORTED_METRICS
from orchestration.assets.common import (
    WAREHOUSE_POOL,
    as_dagster_failure,
    build_table_key,
    build_table_metadata,
    read_table_info,
    report_tables,
)
from orchestration.assets.dbt_graph import MANIFEST, build_source_specs, require_inputs
from orchestration.assets.warehouse_resource import WarehouseResource
from orchestration.batch_scoring import score_customers
from orchestration.config_files import read_gate_policy, read_train_config
from orchestration.dataset_versions import MART_TABLES
from orchestration.model_features import find_declarations
from orchestration.model_steps import describe_scoring, describe_training, train_if_due
from orchestration.training_run import TrainingSummary
from warehouse.settings import Settings

DATASET_VERSIONS_KEY, MODEL_RUNS_KEY, RANKING_METRICS_KEY = (
    build_table_key("ml", name) for name in ("dataset_versions", "model_runs", "ranking_metrics")
)

TRAINING_TABLES = dict.fromkeys(
    [*MART_TABLES.values(), *(str(declaration.table) for declaration in find_declarations(MANIFEST))]
)
"""The tables that a training reads, those of declared features included, as `schema.name`."""

SPECS = build_source_specs(
    "ml",
    {"torch", "duckdb"},
    deps={
        "dataset_versions": [build_table_key(*table.split(".")) for table in TRAINING_TABLES],
        "model_runs": [DATASET_VERSIONS_KEY],
        "candidates": [MODEL_RUNS_KEY, build_table_key("marts", "ml_interactions")],
    },
    default_deps=[MODEL_RUNS_KEY],
)


@dg.multi_asset(name="model_tables", specs=SPECS, can_subset=True, pool=WAREHOUSE_POOL)
def model_tables(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource
) -> Iterator[dg.MaterializeResult[None]]:
    """Train if a training is due, evaluate the new model, and score all customers with the serving model.

    Training and scoring are one step: dbt tests these tables after both.
    """
    settings = warehouse.settings
    start_seconds = time.perf_counter()
    with as_dagster_failure():
        require_inputs(context, settings)
        config = read_train_config(settings)
        # Every run reports a wrong policy, not only the next run that trains.
        read_gate_policy(settings, config)
        training = train_if_due(settings, config, context.log.info)
        scoring = score_customers(settings, context.log.info)
    outcome = {"training": describe_training(training), "scoring": describe_scoring(scoring)}
    table_info = read_table_info(context, settings, {spec.key for spec in SPECS})
    training_metadata = {} if training is None else _build_training_metadata(settings, training)
    metadata = {
        spec.key: {
            **build_table_metadata(table_info.get(spec.key), spec.metadata),
            **outcome,
            "seconds": time.perf_counter() - start_seconds,
            **training_metadata.get(spec.key, {}),
        }
        for spec in SPECS
    }
    yield from report_tables(context, metadata)


def _build_training_metadata(settings: Settings, training: TrainingSummary) -> dict[dg.AssetKey, dict[str, Any]]:
    """Return a training's figures as metadata of its tables; Dagster plots the numbers over the runs."""
    test = training.metrics[training.metrics["cutoff"] == "test"]
    ranking = {
        f"{row['method']}_{name}_at_{row['k']}": float(row[name])
        for row in test.to_dict("records")
        for name in REPORTED_METRICS
        if pd.notna(row[name])
    }
    return {
        DATASET_VERSIONS_KEY: {
            "dataset_hash": training.dataset_hash,
            "users": training.users,
            "products": training.products,
            "interactions": training.interactions,
        },
        MODEL_RUNS_KEY: {
            "run_id": training.run_id,
            "rejection_reason": training.rejection_reason or "none: the model passed every gate",
            "model_card": dg.MetadataValue.path(str(settings.models_dir / training.run_id / "card.json")),
            "epochs": training.epochs,
            "fit_seconds": training.fit_seconds,
            "training_seconds": training.seconds,
            **ranking,
        },
        RANKING_METRICS_KEY: ranking,
    }
