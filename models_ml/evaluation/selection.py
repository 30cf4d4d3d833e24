"""Selection of the number of epochs, the trend power and the item graph on the validation window."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from torch import Tensor

from models_ml.als.trainer import AlsTrainer, EpochReport
from models_ml.config import TrainConfig
from models_ml.evaluation.window import EvaluationWindow, Ranking
from models_ml.neighbors.item_graph import ItemGraph
from models_ml.ranking_model import SelectedParams


@dataclass(frozen=True)
class EpochRecord:
    """One epoch of one of the fits of a run."""

    cutoff: str
    """Cutoff of the fit's data: 'validation', 'test' or 'now'."""
    report: EpochReport
    validation_ndcg: float | None
    """NDCG at the config's `selection_k`; only in the fit that selects the number of epochs."""


EpochCallback = Callable[[EpochRecord], None]
"""Called after each epoch of a fit."""


class _EvaluatedRanking(NamedTuple):
    ndcg: float
    ranking: Ranking


def select_params(
    window: EvaluationWindow, config: TrainConfig, on_epoch: EpochCallback
) -> tuple[SelectedParams, Ranking]:
    """Return the parameters with the best NDCG in `window`, and their ranking for its known customers.

    The number of epochs is selected first, with early stopping (`max_epochs`, `patience`), without trends and without a
    graph. The trend power is then selected for this number of epochs, and at last the weight and the popularity power
    of the item graph.

    The popularity damping and the re-ranking are applied to the returned ranking alone: a selection with damped scores
    chooses other parameters against the damping. On the demo shop, with scores damped to the power 0.3 of the number of
    all customers, it chose an item graph, and the ten most listed products had 21 % of all places instead of 16 %.

    Raises:
        ModelError: The factors diverge or collapse to zero.
    """
    customer_features = window.build_customer_features(config).select(window.interactions.users.ids)
    trainer = AlsTrainer(
        window.interactions.strength,
        config,
        window.build_item_features(config),
        customer_features=customer_features,
    )
    evaluated = window.known_positions.to(trainer.device)

    def rank(user_factors: Tensor, product_factors: Tensor, graph: ItemGraph | None = None) -> _EvaluatedRanking:
        ranking = window.rank_for_known_customers(user_factors, product_factors, config, graph)
        return _EvaluatedRanking(window.evaluate(ranking, (config.selection_k,))[0].ndcg, ranking)

    best_ndcg, best_epoch = -1.0, 0
    user_factors = product_factors = trainer.product_factors
    while trainer.epochs < config.max_epochs and trainer.epochs - best_epoch < config.patience:
        report = trainer.train_epoch()
        factors = trainer.user_factors[evaluated], trainer.complete_product_factors()
        ndcg = rank(*factors).ndcg
        on_epoch(EpochRecord(window.cutoff, report, ndcg))
        if ndcg > best_ndcg:
            best_ndcg, best_epoch = ndcg, report.epoch
            user_factors, product_factors = factors
    trends = trainer.item_features.trends
    rankings = {power: rank(user_factors, product_factors * trends[:, None] ** power) for power in config.trend_powers}
    trend_power = min(rankings, key=lambda power: (-rankings[power].ndcg, power))
    best, graph_weight, graph_power = rankings[trend_power], 0.0, 0.0
    product_factors = product_factors * trends[:, None] ** trend_power
    for popularity_power in config.graph_popularity_powers if config.graph_weights else ():
        graph = ItemGraph.fit(trainer.strength, config, 1.0, popularity_power, trends**trend_power)
        lighter = rankings[trend_power]
        for weight in sorted(config.graph_weights):
            weighted = rank(user_factors, product_factors, replace(graph, weight=weight))
            if weighted.ndcg > best.ndcg:
                best, graph_weight, graph_power = weighted, weight, popularity_power
            # The NDCG rises to one maximum and falls. On dense data it falls at once, and the search ends.
            if weighted.ndcg <= lighter.ndcg:
                break
            lighter = weighted
    ranking, reranker = best.ranking, window.build_reranker(config, trainer.device)
    if config.popularity_damping or reranker.is_active:
        damping = trainer.item_features.compute_damping(config.popularity_damping)
        graph = ItemGraph.fit(trainer.strength, config, graph_weight, graph_power, trends**trend_power * damping)
        ranking = window.rank_for_known_customers(
            user_factors, product_factors * damping[:, None], config, graph, reranker
        )
    return SelectedParams(best_epoch, trend_power, graph_weight, graph_power, best.ndcg), ranking
