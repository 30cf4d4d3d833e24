"""The trained model: factors and an item graph, whose scores are added."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from models_ml.als.factor_model import FactorModel
from models_ml.als.trainer import EpochReport, fit
from models_ml.config import TrainConfig
from models_ml.data.item_features import ItemFeatures
from models_ml.data.sparse import Csr
from models_ml.neighbors.item_graph import ItemGraph


@dataclass(frozen=True)
class SelectedParams:
    """Parameters of a fit that the validation window selects."""

    epochs: int
    trend_power: float
    graph_weight: float = 0.0
    """Weight of the item graph's scores; 0 for factors alone."""
    graph_popularity_power: float = 0.0
    """Power of the neighbors' numbers of customers in the item graph."""
    regularization_scale: float = 1.0
    """Factor of the config's `regularization`."""
    validation_ndcg: float | None = None
    """NDCG at the config's `selection_k`, mean over the validation windows, without the popularity damping and the
    re-ranking; None for parameters that were not selected there."""
    repeat_weight: float = 0.0
    """Weight of the probability of the next purchase in the score of a product that the customer has bought."""

    @classmethod
    def from_defaults(cls, config: TrainConfig) -> "SelectedParams":
        """Return the config's defaults: without a validation window there is no graph."""
        return cls(config.default_epochs, config.default_trend_power, repeat_weight=config.default_repeat_weight)


@dataclass(frozen=True)
class RankingModel:
    """A score is the dot product of customer and scoring factors, plus the graph's score.

    Both parts contain the product's multiplier. The score of a product that the customer may buy again has a further
    term, its repeat score times `repeat_weight`.
    """

    factors: FactorModel
    graph: ItemGraph
    repeat_weight: float = 0.0

    def scale(self, multipliers: Tensor) -> "RankingModel":
        """Return the model with further multipliers of the products' scores, float32 of shape (products)."""
        factors = replace(self.factors, multipliers=self.factors.multipliers * multipliers)
        return replace(self, factors=factors, graph=self.graph.scale(multipliers))

    def weight_repeats(self, repeat_scores: Csr | None) -> Csr | None:
        """Return the repeat terms of the pairs of `repeat_scores`."""
        return None if repeat_scores is None else repeat_scores.scale(self.repeat_weight)


def fit_ranking_model(
    strength: Csr,
    config: TrainConfig,
    params: SelectedParams,
    on_epoch: Callable[[EpochReport], None] | None = None,
    *,
    item_features: ItemFeatures | None = None,
    initial_product_factors: Tensor | None = None,
    customer_features: Csr | None = None,
) -> RankingModel:
    """Return a model trained for `params.epochs` epochs on `strength` (customers x products).

    The other arguments are those of models_ml.als.trainer.fit. Equal arguments give identical bits on the same machine.

    Raises:
        ModelError: The configured device does not exist, or the factors diverge or collapse to zero.
    """
    factors = fit(
        strength,
        config.scale_regularization(params.regularization_scale),
        params.epochs,
        on_epoch,
        item_features=item_features,
        trend_power=params.trend_power,
        initial_product_factors=initial_product_factors,
        customer_features=customer_features,
    )
    graph = ItemGraph.fit(
        strength.to(factors.multipliers.device),
        config,
        params.graph_weight,
        params.graph_popularity_power,
        factors.multipliers,
    )
    return RankingModel(factors, graph, params.repeat_weight)
