"""What the validation window decides: the number of sweeps, and how far scores follow the trends."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from models_ml.als.trainer import AlsTrainer, SweepReport
from models_ml.config import TrainConfig
from models_ml.evaluation.window import EvaluationWindow, Ranking


@dataclass(frozen=True)
class SweepRecord:
    """One sweep of one of the run's fits."""

    as_of_name: str
    report: SweepReport
    validation_ndcg: float | None
    """NDCG at the config's `selection_cutoff`, in the fit that picks the number of sweeps."""


OnSweep = Callable[[SweepRecord], None]


@dataclass(frozen=True)
class Picked:
    """What a fit needs to know besides the settings."""

    sweeps: int
    trend_power: float
    validation_ndcg: float | None = None
    """NDCG at the config's `selection_cutoff` in the validation window; None when nothing was picked."""

    @classmethod
    def default(cls, config: TrainConfig) -> "Picked":
        """Return what holds where there is nothing to pick by."""
        return cls(config.default_sweeps, config.default_trend_power)


def pick(window: EvaluationWindow, config: TrainConfig, record: OnSweep) -> tuple[Picked, Ranking]:
    """Return the number of sweeps with the best NDCG in `window`, the best trend power then, and the lists."""
    facts = window.facts(config)
    trainer = AlsTrainer(window.interactions.strength, config, facts)
    evaluated = window.users.to(trainer.device)

    def ndcg(users: Tensor, products: Tensor) -> float:
        return window.measure(window.rank_factors(users, products, config), (config.selection_cutoff,))[0].ndcg

    best_ndcg, best_sweep = -1.0, 0
    users = products = trainer.product_factors
    while trainer.sweeps < config.max_sweeps and trainer.sweeps - best_sweep < config.patience:
        report = trainer.sweep()
        present = trainer.user_factors[evaluated], trainer.complete_product_factors()
        reached = ndcg(*present)
        record(SweepRecord(window.as_of_name, report, reached))
        if reached > best_ndcg:
            best_ndcg, best_sweep = reached, report.sweep
            users, products = present
    trends = trainer.facts.trends[:, None]
    by_power = {power: ndcg(users, products * trends**power) for power in sorted(config.trend_powers)}
    power = max(by_power, key=lambda power: by_power[power])
    ranking = window.rank_factors(users, products * trends**power, config)
    return Picked(best_sweep, power, by_power[power]), ranking
