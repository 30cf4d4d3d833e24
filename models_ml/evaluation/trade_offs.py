"""Trade-offs of the popularity damping and of the re-ranking: their cost in NDCG, and their effect on the lists."""

from dataclasses import dataclass, replace

from torch import Tensor

from models_ml.config import TrainConfig
from models_ml.evaluation.exposure import measure_exposure
from models_ml.evaluation.metric_names import CONCENTRATION_METRICS, EXPOSURE_METRICS
from models_ml.evaluation.metrics import compute_concentration
from models_ml.evaluation.ranking import Ranking
from models_ml.evaluation.window import EvaluationWindow
from models_ml.evaluation.window_model import fit_window_model
from models_ml.ranking_model import SelectedParams

DAMPINGS = (0.0, 0.05, 0.1, 0.2, 0.3)
RERANK_WEIGHTS = {"mmr": (0.05, 0.1, 0.2, 0.3, 0.5), "calibrated": (0.02, 0.05, 0.1, 0.2, 0.3)}
"""Measured weights by method."""


@dataclass(frozen=True)
class TradeOff:
    """Metrics of the lists of known customers in the validation window, with one value of the settings."""

    popularity_damping: float
    rerank_method: str
    rerank_weight: float | None
    """None without re-ranking."""
    ndcg: float
    ndcg_change: float
    """NDCG relative to that without damping or, for a re-ranking, to that without re-ranking, minus 1."""
    coverage: float
    top_product_share: float
    top_ten_share: float
    novelty: float
    diversity: float
    calibration_error: float | None
    """None when no product has a category."""


def measure_trade_offs(window: EvaluationWindow, config: TrainConfig, params: SelectedParams) -> list[TradeOff]:
    """Return the metrics at the config's `selection_k` for each damping, then for each method and weight of re-ranking.

    One model is fitted to the data before the window, with the parameters that the validation window selected. The
    re-rankings have the config's damping and `rerank_depth`.

    Raises:
        ModelError: The factors diverge or collapse to zero.
    """
    undamped = config.model_copy(update={"popularity_damping": 0.0, "rerank_method": "none"})
    damped = undamped.model_copy(update={"popularity_damping": config.popularity_damping})
    dampings = [undamped.model_copy(update={"popularity_damping": damping}) for damping in DAMPINGS]
    rerankings = [
        damped.model_copy(update={"rerank_method": method, "rerank_weight": weight})
        for method, weights in RERANK_WEIGHTS.items()
        for weight in weights
    ]
    variants = [*dampings, damped, *rerankings]
    rankings = _rank(window, undamped, params, variants)
    measured = config.model_copy(update={"k_values": (config.selection_k,)})
    exposure = measure_exposure(window, {str(row): ranking for row, ranking in enumerate(rankings)}, measured)
    trade_offs = [
        _build_trade_off(window, settings, ranking, exposure[str(row)], config.selection_k)
        for row, (settings, ranking) in enumerate(zip(variants, rankings, strict=True))
    ]
    reranked = trade_offs[len(dampings) :]
    return [
        *_compare(trade_offs[: len(dampings)], trade_offs[0].ndcg),
        *_compare(reranked, reranked[0].ndcg),
    ]


def _rank(
    window: EvaluationWindow, config: TrainConfig, params: SelectedParams, variants: list[TrainConfig]
) -> list[Ranking]:
    """Return the lists of the known customers for each of the `variants` of the config, by one fitted model."""
    model, customer_features = fit_window_model(window, config, params)
    device = model.factors.product_factors.device
    user_factors = window.fold_in_known_customers(model, customer_features)
    item_features = window.build_item_features(config).to(device)
    return [
        window.rank_known_by_model(
            model.scale(item_features.compute_damping(variant.popularity_damping)),
            user_factors,
            variant,
            window.build_reranker(variant, device),
        )
        for variant in variants
    ]


def _build_trade_off(
    window: EvaluationWindow, config: TrainConfig, ranking: Ranking, exposure: Tensor, k: int
) -> TradeOff:
    concentration = dict(
        zip(CONCENTRATION_METRICS, compute_concentration(ranking.positions, len(window.catalog), k), strict=True)
    )
    means = dict(zip(EXPOSURE_METRICS, exposure[:, 0].mean(0).tolist(), strict=True))
    has_categories = window.product_features["category"].null_count < len(window.catalog)
    return TradeOff(
        popularity_damping=config.popularity_damping,
        rerank_method=config.rerank_method,
        rerank_weight=None if config.rerank_method == "none" else config.rerank_weight,
        ndcg=window.evaluate(ranking, (k,))[0].ndcg,
        ndcg_change=0.0,
        **concentration,
        novelty=means["novelty"],
        diversity=means["diversity"],
        calibration_error=means["calibration_error"] if has_categories else None,
    )


def _compare(rows: list[TradeOff], reference_ndcg: float) -> list[TradeOff]:
    """Return the rows with their `ndcg_change` from a reference; 0 when the reference has no hit."""
    return [replace(row, ndcg_change=row.ndcg / reference_ndcg - 1 if reference_ndcg else 0.0) for row in rows]
