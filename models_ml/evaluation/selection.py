"""Selection of the number of epochs and of the trend power on the validation window."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from models_ml.als.trainer import AlsTrainer, EpochReport
from models_ml.config import TrainConfig
from models_ml.evaluation.window import EvaluationWindow, Ranking


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


@dataclass(frozen=True)
class SelectedParams:
    """Parameters of a fit that the validation window selects."""

    epochs: int
    trend_power: float
    validation_ndcg: float | None = None
    """NDCG at the config's `selection_k` in the validation window; None for parameters that were not selected there."""

    @classmethod
    def from_defaults(cls, config: TrainConfig) -> "SelectedParams":
        """Return the config's defaults."""
        return cls(config.default_epochs, config.default_trend_power)


def select_params(
    window: EvaluationWindow, config: TrainConfig, on_epoch: EpochCallback
) -> tuple[SelectedParams, Ranking]:
    """Return the parameters with the best NDCG in `window`, and their ranking for its known customers.

    The number of epochs is selected first, with early stopping (`max_epochs`, `patience`) and without trends. The trend
    power is then selected for this number of epochs.

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

    def compute_ndcg(user_factors: Tensor, product_factors: Tensor) -> float:
        ranking = window.rank_for_known_customers(user_factors, product_factors, config)
        return window.evaluate(ranking, (config.selection_k,))[0].ndcg

    best_ndcg, best_epoch = -1.0, 0
    user_factors = product_factors = trainer.product_factors
    while trainer.epochs < config.max_epochs and trainer.epochs - best_epoch < config.patience:
        report = trainer.train_epoch()
        factors = trainer.user_factors[evaluated], trainer.complete_product_factors()
        ndcg = compute_ndcg(*factors)
        on_epoch(EpochRecord(window.cutoff, report, ndcg))
        if ndcg > best_ndcg:
            best_ndcg, best_epoch = ndcg, report.epoch
            user_factors, product_factors = factors
    trends = trainer.item_features.trends[:, None]
    ndcg_by_power = {
        power: compute_ndcg(user_factors, product_factors * trends**power) for power in sorted(config.trend_powers)
    }
    best_power = max(ndcg_by_power, key=lambda power: ndcg_by_power[power])
    ranking = window.rank_for_known_customers(user_factors, product_factors * trends**best_power, config)
    return SelectedParams(best_epoch, best_power, ndcg_by_power[best_power]), ranking
