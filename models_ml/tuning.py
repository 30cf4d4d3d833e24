"""A search for the settings that rank best in the validation window."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import optuna
import pandas as pd
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState
from pydantic import BaseModel, ConfigDict, Field

from models_ml.config import TrainConfig
from models_ml.errors import ModelError
from models_ml.evaluation.selection import EpochRecord, SelectedParams, select_params
from models_ml.evaluation.window import EvaluationWindow


class SearchSpace(BaseModel):
    """Where to look; (lowest, highest) each."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    factors: tuple[int, ...] = (32, 64, 128, 256, 512)
    """Lengths of the vectors to try."""

    regularization: tuple[float, float] = (0.08, 0.8)
    """Searched by its logarithm; near 1 the factors collapse to zero, and such a trial counts as a failure."""

    unobserved_weight: tuple[float, float] = (5.0, 600.0)
    """Searched by its logarithm."""

    strength_scale: tuple[float, float] = (0.0, 12.0)
    """Left as it is where all strengths are equal."""

    user_damping: tuple[float, float] = (0.0, 0.7)
    """At 0 the busiest customers count by all that they did."""

    product_damping: tuple[float, float] = (0.0, 0.5)
    """At 0 bestsellers count by all that was done with them."""

    startup_trials: int = Field(default=8, ge=1)
    """Trials at random places before the search goes by what it has seen."""


@dataclass(frozen=True)
class TrialReport:
    """How one trial went."""

    number: int
    ndcg: float | None
    """Validation NDCG; None when the trial was broken off."""
    best_ndcg: float | None
    """The best so far."""
    seconds: float


@dataclass(frozen=True)
class TuningResult:
    """The best settings found."""

    config: TrainConfig
    selected_params: SelectedParams
    default_ndcg: float | None
    """What the settings that the search began with reach."""
    trials: pd.DataFrame
    """One row per trial: number, state, ndcg, epochs, trend_power, seconds and the settings tried."""
    seconds: float


def tune(
    window: EvaluationWindow,
    config: TrainConfig,
    *,
    seconds: float,
    max_trials: int | None = None,
    space: SearchSpace | None = None,
    journal: Path | None = None,
    on_trial: Callable[[TrialReport], None] = lambda _: None,
) -> TuningResult:
    """Search for `seconds` (or `max_trials` in all), beginning with `config`, then with vectors of other lengths.

    Tree-structured Parzen estimator (Bergstra et al., "Algorithms for hyper-parameter optimization", NIPS 2011), seeded
    by the config; trials that fall behind are broken off, the first never. With a `journal` file, the search goes on
    where one from settings that differ in nothing but what is searched has stopped.

    Raises:
        ModelError: Every trial failed.
    """
    space = space or SearchSpace()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    strength = window.interactions.strength
    varies = bool(strength.values.std(correction=0) > 0)
    # The search decides over the two itself; sparseness only says where it begins.
    config = config.adapt_to_density(strength.density)
    begin = {name: getattr(config, name) for name in _list_searched_settings(space, varies)}
    lengths = [config.factors, *(factors for factors in space.factors if factors != config.factors)]
    study = optuna.create_study(
        study_name=_build_study_name(config, space, varies, lengths),
        storage=_open_storage(journal),
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=space.startup_trials, n_warmup_steps=2),
    )
    earlier = len(_list_begun_trials(study))
    study.sampler = optuna.samplers.TPESampler(
        # A search that goes on must not draw again what it drew before.
        seed=(config.seed + earlier) % 2**32,
        multivariate=True,
        n_startup_trials=space.startup_trials,
    )
    started = time.perf_counter()
    for factors in lengths:
        study.enqueue_trial(begin | {"factors": factors}, skip_if_exists=True)

    def attempt(trial: Trial) -> float:
        trial_config = config.model_copy(update=_suggest_settings(trial, space, varies, lengths))

        def record(epoch: EpochRecord) -> None:
            assert epoch.validation_ndcg is not None
            trial.report(epoch.validation_ndcg, epoch.report.epoch)
            late = trial.number > earlier and time.perf_counter() - started > seconds
            if late or trial.should_prune():
                raise optuna.TrialPruned

        try:
            picked, _ = select_params(window, trial_config, record)
        except ModelError as error:
            trial.set_user_attr("failure", str(error))
            raise optuna.TrialPruned from error
        trial.set_user_attr("epochs", picked.epochs)
        trial.set_user_attr("trend_power", picked.trend_power)
        assert picked.validation_ndcg is not None
        return picked.validation_ndcg

    def report(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        best = study.best_value if done else None
        took = trial.duration.total_seconds() if trial.duration else 0.0
        on_trial(TrialReport(trial.number, trial.value if trial.state == TrialState.COMPLETE else None, best, took))

    left = None if max_trials is None else max(0, max_trials - earlier)
    if left is None or left > 0:
        study.optimize(attempt, n_trials=left, timeout=seconds, callbacks=[report])
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not done:
        failures = {trial.user_attrs.get("failure", "broken off") for trial in _list_begun_trials(study)}
        raise ModelError(f"no setting could be tried to the end: {'; '.join(sorted(failures)) or 'no trial was left'}")
    best = study.best_trial
    return TuningResult(
        config=config.model_copy(update=best.params),
        selected_params=SelectedParams(best.user_attrs["epochs"], best.user_attrs["trend_power"], best.value),
        default_ndcg=next((trial.value for trial in done if trial.params == begin), None),
        trials=_build_trial_table(study),
        seconds=time.perf_counter() - started,
    )


def _build_study_name(
    config: TrainConfig, space: SearchSpace, has_varying_strength: bool, factor_lengths: list[int]
) -> str:
    """Return a name for all that decides what a trial's NDCG means, so that no other trials are held against it."""
    fixed = config.model_dump_json(exclude=set(_list_searched_settings(space, has_varying_strength)))
    said = f"{fixed} {space.model_dump_json()} {sorted(factor_lengths)}"
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _open_storage(journal: Path | None) -> BaseStorage:
    if journal is None:
        return InMemoryStorage()
    journal.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(journal)))


def _list_searched_settings(space: SearchSpace, has_varying_strength: bool) -> list[str]:
    left_out = {"startup_trials"} if has_varying_strength else {"startup_trials", "strength_scale"}
    return [name for name in type(space).model_fields if name not in left_out]


def _list_begun_trials(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.WAITING]


def _suggest_settings(
    trial: Trial, space: SearchSpace, has_varying_strength: bool, factor_lengths: list[int]
) -> dict[str, float | int]:
    tried: dict[str, float | int] = {"factors": trial.suggest_categorical("factors", sorted(factor_lengths))}
    for name in _list_searched_settings(space, has_varying_strength)[1:]:
        low, high = getattr(space, name)
        tried[name] = trial.suggest_float(name, low, high, log=name in ("regularization", "unobserved_weight"))
    return tried


def _build_trial_table(study: optuna.Study) -> pd.DataFrame:
    rows = [
        {
            "number": trial.number,
            "state": trial.state.name.lower(),
            # Optuna gives a trial that was broken off the value it had last.
            "ndcg": trial.value if trial.state == TrialState.COMPLETE else None,
            **{name: trial.user_attrs.get(name) for name in ("epochs", "trend_power", "failure")},
            "seconds": trial.duration.total_seconds() if trial.duration else None,
            **trial.params,
        }
        for trial in _list_begun_trials(study)
    ]
    return pd.DataFrame(rows)
