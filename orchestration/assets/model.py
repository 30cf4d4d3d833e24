"""The model: what it learned from, how well it ranks, whether it may serve, and what the one that serves suggests."""

import time
from collections.abc import Iterator
from typing import Any

import dagster as dg

from orchestration.assets.common import WAREHOUSE_POOL, clear_failures, table_facts, table_key, table_metadata
from orchestration.assets.dbt_graph import source_specs
from orchestration.assets.warehouse_resource import WarehouseResource
from orchestration.scoring import score
from orchestration.steps import describe_scoring, describe_training, learn
from orchestration.train_config import train_config
from orchestration.training import TrainingSummary
from warehouse.settings import Settings

DATASET, RUNS, METRICS = (table_key("ml", name) for name in ("dataset_versions", "model_runs", "ranking_metrics"))

SPECS = source_specs(
    "ml",
    {"torch", "duckdb"},
    deps={
        "dataset_versions": [
            table_key("marts", name) for name in ("ml_interactions", "ml_product_features", "ml_evaluation_pairs")
        ],
        "model_runs": [DATASET],
        "candidates": [RUNS, table_key("marts", "ml_interactions")],
    },
    others=[RUNS],
)


@dg.multi_asset(name="model", specs=SPECS, pool=WAREHOUSE_POOL)
def model(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult[None]]:
    """Train where the policy asks for it, judge what came of it, and score everybody with the model that serves.

    One step: dbt's tests of these tables come after it, and they would have to come in between.
    """
    settings = warehouse.settings
    started = time.perf_counter()
    with clear_failures():
        training = learn(settings, train_config(settings), context.log.info)
        scoring = score(settings, context.log.info)
    outcome = {"training": describe_training(training), "scoring": describe_scoring(scoring)}
    facts = table_facts(context, settings, {spec.key for spec in SPECS})
    told = {} if training is None else _told(settings, training)
    for spec in SPECS:
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                **table_metadata(facts.get(spec.key), spec.metadata),
                **outcome,
                "seconds": time.perf_counter() - started,
                **told.get(spec.key, {}),
            },
        )


def _told(settings: Settings, training: TrainingSummary) -> dict[dg.AssetKey, dict[str, Any]]:
    """What a training tells of its tables; numbers are plotted over the runs."""
    test = training.metrics[training.metrics["cutoff"] == "test"]
    ranking = {
        f"{row['method']}_{name}_at_{row['k']}": float(row[name])
        for row in test.to_dict("records")
        for name in ("precision", "recall", "ndcg", "map", "hit_rate", "coverage", "novelty", "long_tail_share")
    }
    return {
        DATASET: {
            "dataset_hash": training.dataset_hash,
            "users": training.users,
            "products": training.products,
            "interactions": training.interactions,
        },
        RUNS: {
            "run_id": training.run_id,
            "held_back_because": training.held_back_because or "nothing: it passed every gate",
            "model_card": dg.MetadataValue.path(str(settings.models_dir / training.run_id / "card.json")),
            "sweeps": training.sweeps,
            "fit_seconds": training.fit_seconds,
            "training_seconds": training.seconds,
            **ranking,
        },
        METRICS: ranking,
    }
