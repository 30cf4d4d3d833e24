"""Trade-offs of the popularity damping and of the re-ranking: their cost in NDCG, and their effect on the lists."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from models_ml.config import TrainConfig
from models_ml.evaluation.exposure import measure_exposure
from models_ml.evaluation.metric_names import CONCENTRATION_METRICS, EXPOSURE_METRICS
from models_ml.evaluation.metrics import compute_concentration
from models_ml.evaluation.ranking import Ranking
from models_ml.evaluation.window import EvaluationWindow
from models_ml.evaluation.window_model import fit_window_model
from models_ml.ranking_model import RankingModel, SelectedParams

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
    """NDCG relative to that without damping or, for a re-ranking, to that without re-ranking, minus 1; 0 when that is
    zero."""
    coverage: float
    top_product_share: float
    top_ten_share: float
    novelty: float
    diversity: float
    calibration_error: float | None
    """None when no product has a category."""


class TradeOffs(NamedTuple):
    """Metrics by setting; the first row of each list is the reference of its `ndcg_change`."""

    dampings: list[TradeOff]
    """One row per damping, without re-ranking; first without damping."""
    rerankings: list[TradeOff]
    """One row per method and weight of re-ranking, with the config's damping; first without re-ranking."""


def measure_trade_offs(window: EvaluationWindow, config: TrainConfig, params: SelectedParams) -> TradeOffs:
    """Return the metrics at the config's `selection_k` for each damping, and for each method and weight of re-ranking.

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
    model, customer_features = fit_window_model(window, undamped, params)
    user_factors = window.fold_in_known_customers(model, customer_features)
    return TradeOffs(
        _measure_variants(window, model, user_factors, dampings),
        _measure_variants(window, model, user_factors, [damped, *rerankings]),
    )


def _measure_variants(
    window: EvaluationWindow, model: RankingModel, user_factors: Tensor, variants: list[TrainConfig]
) -> list[TradeOff]:
    """Return the metrics of the known customers' lists for each of the `variants`; the first is the reference.

    `model` has no damping.
    """
    device, k = user_factors.device, variants[0].selection_k
    item_features = window.build_item_features(variants[0]).to(device)
    rankings = [
        window.rank_known_by_model(
            model.scale(item_features.compute_damping(variant.popularity_damping)),
            user_factors,
            variant,
            window.build_reranker(variant, device),
        )
        for variant in variants
    ]
    measured = variants[0].model_copy(update={"k_values": (k,)})
    exposure = measure_exposure(window, {str(row): ranking for row, ranking in enumerate(rankings)}, measured)
    reference_ndcg = window.evaluate(rankings[0], (k,))[0].ndcg
    return [
        _build_trade_off(window, variant, ranking, exposure[str(row)], reference_ndcg)
        for row, (variant, ranking) in enumerate(zip(variants, rankings, strict=True))
    ]


def _build_trade_off(
    window: EvaluationWindow, config: TrainConfig, ranking: Ranking, exposure: Tensor, reference_ndcg: float
) -> TradeOff:
    k = config.selection_k
    concentration = dict(
        zip(CONCENTRATION_METRICS, compute_concentration(ranking.positions, len(window.catalog), k), strict=True)
    )
    means = dict(zip(EXPOSURE_METRICS, exposure[:, 0].mean(0).tolist(), strict=True))
    has_categories = window.product_features["category"].null_count < len(window.catalog)
    ndcg = window.evaluate(ranking, (k,))[0].ndcg
    return TradeOff(
        popularity_damping=config.popularity_damping,
        rerank_method=config.rerank_method,
        rerank_weight=None if config.rerank_method == "none" else config.rerank_weight,
        ndcg=ndcg,
        ndcg_change=ndcg / reference_ndcg - 1 if reference_ndcg else 0.0,
        **concentration,
        novelty=means["novelty"],
        diversity=means["diversity"],
        calibration_error=means["calibration_error"] if has_categories else None,
    )
