"""What the validation window decides: the number of epochs, and how far scores follow the trends."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from models_ml.als.trainer import AlsTrainer, EpochReport
from models_ml.config import TrainConfig
from models_ml.evaluation.window import EvaluationWindow, Ranking


@dataclass(frozen=True)
class EpochRecord:
    """One epoch of one of the run's fits."""

    cutoff: str
    report: EpochReport
    validation_ndcg: float | None
    """NDCG at the config's `selection_k`, in the fit that picks the number of epochs."""


OnEpoch = Callable[[EpochRecord], None]


@dataclass(frozen=True)
class SelectedParams:
    """What a fit needs to know besides the settings."""

    epochs: int
    trend_power: float
    validation_ndcg: float | None = None
    """NDCG at the config's `selection_k` in the validation window; None when nothing was picked."""

    @classmethod
    def from_defaults(cls, config: TrainConfig) -> "SelectedParams":
        """Return what holds where there is nothing to pick by."""
        return cls(config.default_epochs, config.default_trend_power)


def select_params(window: EvaluationWindow, config: TrainConfig, on_epoch: OnEpoch) -> tuple[SelectedParams, Ranking]:
    """Return the number of epochs with the best NDCG in `window`, the best trend power then, and the lists."""
    facts = window.build_item_features(config)
    trainer = AlsTrainer(window.interactions.strength, config, facts)
    evaluated = window.known_positions.to(trainer.device)

    def ndcg(users: Tensor, products: Tensor) -> float:
        return window.measure(window.rank_factors(users, products, config), (config.selection_k,))[0].ndcg

    best_ndcg, best_sweep = -1.0, 0
    users = products = trainer.product_factors
    while trainer.epochs < config.max_epochs and trainer.epochs - best_sweep < config.patience:
        report = trainer.train_epoch()
        present = trainer.user_factors[evaluated], trainer.complete_product_factors()
        reached = ndcg(*present)
        on_epoch(EpochRecord(window.cutoff, report, reached))
        if reached > best_ndcg:
            best_ndcg, best_sweep = reached, report.epoch
            users, products = present
    trends = trainer.item_features.trends[:, None]
    by_power = {power: ndcg(users, products * trends**power) for power in sorted(config.trend_powers)}
    power = max(by_power, key=lambda power: by_power[power])
    ranking = window.rank_factors(users, products * trends**power, config)
    return SelectedParams(best_sweep, power, by_power[power]), ranking
