"""Selection of the repeat term and of the trend power beside it, in a shop with repeat purchases."""

from dataclasses import replace

import torch
from torch import Tensor

from models_ml.config import TrainConfig
from models_ml.data.feature_matrix import FeatureMatrix
from models_ml.evaluation.ranking import Ranking
from models_ml.evaluation.window import EvaluationWindow
from models_ml.inference.reranking import Reranker
from models_ml.neighbors.item_graph import ItemGraph
from models_ml.ranking_model import RankingModel, SelectedParams


def select_repeat_params(
    window: EvaluationWindow,
    config: TrainConfig,
    params: SelectedParams,
    model: RankingModel,
    customer_features: FeatureMatrix,
) -> tuple[SelectedParams, Ranking]:
    """Return the parameters with the best NDCG over new and repeat purchases in `window`, and their ranking.

    The weight of the repeat term and the trend power are selected; the other parameters stay those of `params`, which
    were selected on new products. As there, only the returned ranking has the popularity damping and the re-ranking.
    `model` is the model of `params`, fitted to the data before the window; `customer_features` are the window's. The
    ranking has the known customers.
    """
    device = model.factors.multipliers.device
    item_features = window.build_item_features(config).to(device)
    strength = window.interactions.strength.to(device)
    user_factors = window.fold_in_known_customers(model, customer_features)
    ones = torch.ones_like(item_features.trends)
    plain_model = RankingModel(
        replace(model.factors, multipliers=ones),
        ItemGraph.fit(strength, config, params.graph_weight, params.graph_popularity_power, ones),
    )

    def rank(multipliers: Tensor, repeat_weight: float, reranker: Reranker | None = None) -> Ranking:
        scaled_model = replace(plain_model.scale(multipliers), repeat_weight=repeat_weight)
        return window.rank_known_by_model(scaled_model, user_factors, config, reranker)

    selected, best_ndcg = params, -1.0
    for trend_power in config.trend_powers:
        previous_ndcg = -1.0
        for weight in sorted(config.repeat_weights):
            ranking = rank(item_features.trends**trend_power, weight)
            ndcg = window.evaluate(ranking, (config.selection_k,))[0].ndcg
            if ndcg > best_ndcg:
                best_ndcg = ndcg
                selected = replace(params, trend_power=trend_power, repeat_weight=weight, validation_ndcg=ndcg)
            # The NDCG rises to one maximum and falls.
            if ndcg < previous_ndcg:
                break
            previous_ndcg = ndcg
    multipliers = item_features.trends**selected.trend_power * item_features.compute_damping(config.popularity_damping)
    return selected, rank(multipliers, selected.repeat_weight, window.build_reranker(config, device))
