"""The trained model: what it learned from, how well it ranks, and its candidates for every customer."""

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
from orchestration.train_config import train_config
from orchestration.training import TrainingSummary, train

TABLES = {
    "dataset_versions": "What a model was trained on, by content hash. One row per dataset version.",
    "model_runs": "Every training run with its settings and artifact. One row per run.",
    "ranking_metrics": (
        "Ranking metrics as the trainer computed them. "
        "One row per run, window, method, segment, segment value and cut-off."
    ),
    "metric_differences": (
        "How much better the model is than each baseline, with 95 % intervals. "
        "One row per run, window, method, segment, segment value, metric and cut-off."
    ),
    "evaluation_pairs": "What was relevant in the newest run's evaluation. One row per window, customer and product.",
    "evaluation_products": "What the newest run could have listed. One row per window and product.",
    "evaluation_candidates": "The newest run's test lists. One row per window, method, customer and rank.",
    "candidates": "Products worth recommending, with reasons. One row per customer and rank.",
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
    """Train the matrix factorization, evaluate it beside its baselines, and score every customer."""
    settings = warehouse.settings
    with clear_failures():
        summary = train(settings, train_config(settings), context.log.info)
    counts = row_counts(settings, (spec.key for spec in SPECS))
    for spec in SPECS:
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={**row_count_metadata(counts.get(spec.key)), **_metadata(summary)},
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
        "dataset_hash": summary.dataset_hash,
        "users": summary.users,
        "products": summary.products,
        "interactions": summary.interactions,
        "sweeps": summary.sweeps,
        "fit_seconds": summary.fit_seconds,
        "seconds": summary.seconds,
        **plotted,
    }
