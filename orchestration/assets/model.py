"""The model: what it learned from, how well it ranks, whether it may serve, and what the one that serves suggests."""

import time
from collections.abc import Iterator

import dagster as dg

from orchestration.assets.common import (
    WAREHOUSE_POOL,
    clear_failures,
    row_count_metadata,
    row_counts,
    table_key,
)
from orchestration.assets.warehouse_resource import WarehouseResource
from orchestration.scoring import score
from orchestration.steps import describe_scoring, describe_training, learn
from orchestration.train_config import train_config
from orchestration.training import TrainingSummary

TABLES = {
    "dataset_versions": "What a model was trained on, by content hash. One row per dataset version.",
    "model_runs": "Every model with its settings, its artifact, and whether and why it serves or not. One row per run.",
    "gate_results": "How a new model stood before every gate on its way to serve. One row per run and gate.",
    "ranking_metrics": (
        "Ranking metrics as the trainer computed them. "
        "One row per run, window, method, segment, segment value and cut-off."
    ),
    "metric_differences": (
        "How much better the model is than each baseline, with 95 % intervals. "
        "One row per run, window, method, segment, segment value, metric and cut-off."
    ),
    "evaluation_pairs": "What was relevant in evaluations. One row per run, window, customer and product.",
    "evaluation_products": "What evaluations could have listed. One row per run, window and product.",
    "candidates": "What the serving model suggests, with reasons. One row per customer and rank.",
    "evaluation_candidates": "Test lists of evaluations. One row per run, window, method, customer and rank.",
}

TRAINED_FROM = [table_key("marts", name) for name in ("ml_interactions", "ml_product_features", "ml_evaluation_pairs")]

SPECS = [
    dg.AssetSpec(
        table_key("ml", name), deps=TRAINED_FROM, group_name="model", kinds={"torch", "duckdb"}, description=text
    )
    for name, text in TABLES.items()
]


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
    counts = row_counts(settings, (spec.key for spec in SPECS))
    for spec in SPECS:
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                **row_count_metadata(counts.get(spec.key)),
                **outcome,
                "seconds": time.perf_counter() - started,
                **({} if training is None else _metadata(training)),
            },
        )


def _metadata(summary: TrainingSummary) -> dict[str, dg.MetadataValue | str | int | float]:
    test = summary.metrics[summary.metrics["as_of_name"] == "test"]
    plotted = {
        f"{row['method']}_{name}_at_{row['k']}": float(row[name])
        for row in test.to_dict("records")
        for name in ("precision", "recall", "ndcg", "map", "hit_rate", "coverage", "novelty", "long_tail_share")
    }
    return {
        "run_id": summary.run_id,
        "held_back_because": summary.held_back_because or "nothing: it passed every gate",
        "dataset_hash": summary.dataset_hash,
        "users": summary.users,
        "products": summary.products,
        "interactions": summary.interactions,
        "sweeps": summary.sweeps,
        "fit_seconds": summary.fit_seconds,
        "training_seconds": summary.seconds,
        **plotted,
    }
