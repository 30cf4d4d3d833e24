"""Selection of the regularization, the number of epochs, the trend power and the item graph on validation windows."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from statistics import fmean
from typing import NamedTuple

from torch import Tensor

from models_ml.als.trainer import AlsTrainer, EpochReport
from models_ml.config import TrainConfig
from models_ml.errors import ModelError
from models_ml.evaluation.ranking import Ranking
from models_ml.evaluation.window import EvaluationWindow
from models_ml.neighbors.item_graph import ItemGraph
from models_ml.ranking_model import SelectedParams


@dataclass(frozen=True)
class EpochRecord:
    """One epoch of one of the fits of a run."""

    cutoff: str
    """Cutoff of the fit's data: 'validation', 'test' or 'now'."""
    report: EpochReport
    """Report of the fit; with several validation windows, of the fit to the first one."""
    validation_ndcg: float | None
    """Mean NDCG at the config's `selection_k` over the validation windows; only when the epochs are selected."""


EpochCallback = Callable[[EpochRecord], None]
"""Called after each epoch of a fit."""


class _Factors(NamedTuple):
    """Factors of a window's known customers and of its products."""

    users: Tensor
    products: Tensor


class _Evaluation(NamedTuple):
    """Mean NDCG over the windows, and the ranking in the first window."""

    ndcg: float
    ranking: Ranking


class _WindowFit:
    """The fit to the data before a validation window."""

    def __init__(self, window: EvaluationWindow, config: TrainConfig) -> None:
        self.window = window
        self.trainer = AlsTrainer(
            window.interactions.strength,
            config,
            window.build_item_features(config),
            customer_features=window.build_customer_features(config).select(window.interactions.users.ids),
        )
        self.trends = self.trainer.item_features.trends
        self.known_positions = window.known_positions.to(self.trainer.device)

    def get_factors(self) -> _Factors:
        """Return copies of the current factors."""
        return _Factors(self.trainer.user_factors[self.known_positions], self.trainer.complete_product_factors())


def select_params(
    windows: Sequence[EvaluationWindow], config: TrainConfig, on_epoch: EpochCallback
) -> tuple[SelectedParams, Ranking]:
    """Return the parameters with the best mean NDCG over `windows`, and their ranking in the first window.

    A ranking has the known customers of its window. On sparse data the scale of the regularization is selected first,
    with few factors and customers. Then follows the number of epochs, with early stopping (`max_epochs`, `patience`),
    without trends and without a graph; the fits to all windows run epoch by epoch together. The trend power is then
    selected for this number of epochs, and at last the weight and the popularity power of the item graph.

    The popularity damping and the re-ranking are applied to the returned ranking alone: a selection with damped scores
    chooses other parameters against the damping. On the demo shop, with scores damped to the power 0.3 of the number of
    all customers, it chose an item graph, and the ten most listed products had 21 % of all places instead of 16 %.

    Raises:
        ModelError: The factors diverge or collapse to zero.
    """
    scale = select_regularization_scale(windows, config)
    params, ranking = _select_other_params(windows, config.scale_regularization(scale), on_epoch)
    return replace(params, regularization_scale=scale), ranking


def make_screening_config(config: TrainConfig) -> TrainConfig:
    """Return the settings of a fast fit that shows how well the regularization and the weights of pairs rank."""
    return config.model_copy(
        update={
            "factors": min(config.screening_factors, config.factors),
            "regularization_scales": (1.0,),
            "graph_weights": (),
        }
    )


def select_regularization_scale(windows: Sequence[EvaluationWindow], config: TrainConfig) -> float:
    """Return the scale with the best NDCG; the first one when no fit succeeds or on data that are not sparse."""
    first_scale = config.regularization_scales[0]
    if len(config.regularization_scales) == 1 or windows[0].interactions.strength.density >= config.sparse_density:
        return first_scale
    screening_config = make_screening_config(config)
    samples = [window.sample_customers(config.screening_users) for window in windows]
    ndcgs = dict.fromkeys(config.regularization_scales, -1.0)
    for scale in config.regularization_scales:
        with suppress(ModelError):
            params, _ = _select_other_params(samples, screening_config.scale_regularization(scale), lambda _: None)
            ndcgs[scale] = params.validation_ndcg or 0.0
    return max(ndcgs, key=lambda scale: ndcgs[scale])


def _select_other_params(
    windows: Sequence[EvaluationWindow], config: TrainConfig, on_epoch: EpochCallback
) -> tuple[SelectedParams, Ranking]:
    """Return the parameters besides the regularization, and their ranking in the first window."""
    fits = [_WindowFit(window, config) for window in windows]

    def evaluate(factors: Sequence[_Factors], graphs: Sequence[ItemGraph | None]) -> _Evaluation:
        rankings = [
            fit.window.rank_for_known_customers(*fit_factors, config, graph)
            for fit, fit_factors, graph in zip(fits, factors, graphs, strict=True)
        ]
        ndcgs = (
            fit.window.evaluate(ranking, (config.selection_k,))[0].ndcg
            for fit, ranking in zip(fits, rankings, strict=True)
        )
        return _Evaluation(fmean(ndcgs), rankings[0])

    no_graphs = [None] * len(fits)
    best_ndcg, epochs, epoch, best_factors = -1.0, 0, 0, [fit.get_factors() for fit in fits]
    while epoch < config.max_epochs and epoch - epochs < config.patience:
        reports = [fit.trainer.train_epoch() for fit in fits]
        factors = [fit.get_factors() for fit in fits]
        ndcg = evaluate(factors, no_graphs).ndcg
        epoch += 1
        on_epoch(EpochRecord(windows[0].cutoff, reports[0], ndcg))
        if ndcg > best_ndcg:
            best_ndcg, epochs, best_factors = ndcg, epoch, factors

    def apply_trends(power: float) -> list[_Factors]:
        return [
            _Factors(users, products * fit.trends[:, None] ** power)
            for fit, (users, products) in zip(fits, best_factors, strict=True)
        ]

    evaluations = {power: evaluate(apply_trends(power), no_graphs) for power in config.trend_powers}
    trend_power = min(evaluations, key=lambda power: (-evaluations[power].ndcg, power))
    best, graph_weight, graph_power = evaluations[trend_power], 0.0, 0.0
    best_graph: ItemGraph | None = None
    factors = apply_trends(trend_power)
    best_ndcg_of_power = -1.0
    for popularity_power in sorted(config.graph_popularity_powers) if config.graph_weights else ():
        graphs = [
            ItemGraph.fit(fit.trainer.strength, config, 1.0, popularity_power, fit.trends**trend_power) for fit in fits
        ]
        previous, ndcgs = evaluations[trend_power], list[float]()
        for weight in sorted(config.graph_weights):
            weighted_graphs = [replace(graph, weight=weight) for graph in graphs]
            weighted = evaluate(factors, weighted_graphs)
            ndcgs.append(weighted.ndcg)
            if weighted.ndcg > best.ndcg:
                best, graph_weight, graph_power = weighted, weight, popularity_power
                best_graph = weighted_graphs[0]
            # The NDCG rises to one maximum and falls. On dense data it falls at once, and the search ends.
            if weighted.ndcg <= previous.ndcg:
                break
            previous = weighted
        # As over the weights, the NDCG has one maximum over the powers.
        if max(ndcgs) <= best_ndcg_of_power:
            break
        best_ndcg_of_power = max(ndcgs)
    params = SelectedParams(
        epochs, trend_power, graph_weight=graph_weight, graph_popularity_power=graph_power, validation_ndcg=best.ndcg
    )
    return params, _damp_and_rerank(fits[0], config, factors[0], best_graph, best.ranking)


def _damp_and_rerank(
    fit: _WindowFit, config: TrainConfig, factors: _Factors, graph: ItemGraph | None, ranking: Ranking
) -> Ranking:
    """Return the ranking with the popularity damping and the re-ranking; `ranking` is the one without them."""
    window, trainer = fit.window, fit.trainer
    reranker = window.build_reranker(config, trainer.device)
    if not (config.popularity_damping or reranker.is_active):
        return ranking
    damping = trainer.item_features.compute_damping(config.popularity_damping)
    damped_graph = None if graph is None else graph.scale(damping)
    damped_products = factors.products * damping[:, None]
    return window.rank_for_known_customers(factors.users, damped_products, config, damped_graph, reranker)
