"""Selection of the repeat term and of the trend power beside it, in a shop with repeat purchases."""

from dataclasses import replace

from models_ml.config import TrainConfig
from models_ml.data.feature_matrix import FeatureMatrix
from models_ml.evaluation.window import EvaluationWindow, Ranking
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
    were selected on new products. `model` is the model of `params`, fitted to the data before the window;
    `customer_features` are the window's. The ranking has the known customers.
    """
    device = model.factors.multipliers.device
    item_features = window.build_item_features(config).to(device)
    damping = item_features.compute_damping(config.popularity_damping)
    strength = window.interactions.strength.to(device)
    features = customer_features.select(window.known_customer_ids).to(device)
    user_factors = model.factors.fold_in(window.histories.to(device), features)
    reranker = window.build_reranker(config, device)
    best: tuple[SelectedParams, Ranking] | None = None
    best_ndcg = -1.0
    for trend_power in config.trend_powers:
        factors = replace(model.factors, multipliers=item_features.trends**trend_power * damping)
        graph = ItemGraph.fit(strength, config, params.graph_weight, params.graph_popularity_power, factors.multipliers)
        lighter_ndcg = -1.0
        for weight in sorted(config.repeat_weights):
            ranking = window.rank_for_known_customers(
                user_factors, factors.scoring_factors, config, graph, reranker, weight
            )
            ndcg = window.evaluate(ranking, (config.selection_k,))[0].ndcg
            if best is None or ndcg > best_ndcg:
                best_ndcg = ndcg
                selected = replace(params, trend_power=trend_power, repeat_weight=weight, validation_ndcg=ndcg)
                best = selected, ranking
            # The NDCG rises to one maximum and falls.
            if ndcg < lighter_ndcg:
                break
            lighter_ndcg = ndcg
    assert best is not None
    return best
