"""Hyperparameter search for the best NDCG on validation windows."""

import hashlib
import time
from collections.abc import Callable, Sequence
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
from models_ml.evaluation.selection import EpochRecord, select_params
from models_ml.evaluation.window import EvaluationWindow
from models_ml.ranking_model import SelectedParams

PARAM_NAMES = ("epochs", "trend_power", "graph_weight", "graph_popularity_power")
"""Parameters that the validation windows select in each trial."""


class SearchSpace(BaseModel):
    """Ranges of the searched settings, (minimum, maximum) each."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    factors: tuple[int, ...] = (32, 64, 128, 256, 512)
    """Numbers of factors to try."""

    regularization: tuple[float, float] = (0.08, 0.8)
    """Logarithmic scale; near 1 the factors collapse to zero and the trial fails."""

    unobserved_weight: tuple[float, float] = (5.0, 600.0)
    """Logarithmic scale."""

    strength_scale: tuple[float, float] = (0.0, 12.0)
    """Not searched when all strengths are equal."""

    user_damping: tuple[float, float] = (0.0, 0.7)
    """At 0, the confidence of busy customers is not reduced."""

    product_damping: tuple[float, float] = (0.0, 0.5)
    """At 0, the confidence of bestsellers is not reduced."""

    startup_trials: int = Field(default=8, ge=1)
    """Number of random trials before the sampler uses the results of earlier trials."""


@dataclass(frozen=True)
class TrialReport:
    """Result of one trial."""

    number: int
    ndcg: float | None
    """Validation NDCG; None for a pruned or failed trial."""
    best_ndcg: float | None
    """Best validation NDCG of all trials up to this one."""
    seconds: float


@dataclass(frozen=True)
class TuningResult:
    """Best settings of a search."""

    config: TrainConfig
    selected_params: SelectedParams
    default_ndcg: float | None
    """Validation NDCG of the initial settings; None if that trial was not completed."""
    trials: pd.DataFrame
    """One row per trial: number, state, ndcg, the selected parameters, failure, seconds and the searched settings."""
    seconds: float


def tune(
    windows: Sequence[EvaluationWindow],
    config: TrainConfig,
    *,
    seconds: float,
    max_trials: int | None = None,
    space: SearchSpace | None = None,
    journal: Path | None = None,
    on_trial: Callable[[TrialReport], None] = lambda _: None,
) -> TuningResult:
    """Search the settings with the best mean NDCG over `windows` for `seconds`, or until there are `max_trials` trials.

    The first trial uses `config`, the next ones `config` with the other numbers of factors. The sampler is a
    tree-structured Parzen estimator (Bergstra et al., "Algorithms for hyper-parameter optimization", NIPS 2011) with
    the config's seed. Trials with an NDCG below the median are pruned; the first trial of a search is never stopped for
    lack of time. A `journal` file stores the trials, and a later search with the same `space` and the same settings
    apart from the searched ones continues with them.

    Raises:
        ModelError: No trial was completed.
    """
    space = space or SearchSpace()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    strength = windows[0].interactions.strength
    has_varying_strength = bool(strength.values.std(correction=0) > 0)
    # The increase for sparse matrices is part of the initial settings; the search varies the adapted values.
    config = config.adapt_to_density(strength.density)
    initial_settings = {name: getattr(config, name) for name in _list_searched_settings(space, has_varying_strength)}
    factor_counts = [config.factors, *(factors for factors in space.factors if factors != config.factors)]
    study = optuna.create_study(
        study_name=_build_study_name(config, space, has_varying_strength, factor_counts, len(windows)),
        storage=_open_storage(journal),
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=space.startup_trials, n_warmup_steps=2),
    )
    earlier_trials = len(_list_started_trials(study))
    study.sampler = optuna.samplers.TPESampler(
        # With the same seed, a continued search would repeat its earlier random trials.
        seed=(config.seed + earlier_trials) % 2**32,
        multivariate=True,
        n_startup_trials=space.startup_trials,
    )
    start_seconds = time.perf_counter()
    for factors in factor_counts:
        study.enqueue_trial(initial_settings | {"factors": factors}, skip_if_exists=True)

    def run_trial(trial: Trial) -> float:
        settings = _suggest_settings(trial, space, has_varying_strength, factor_counts)

        def report_epoch(epoch: EpochRecord) -> None:
            assert epoch.validation_ndcg is not None
            trial.report(epoch.validation_ndcg, epoch.report.epoch)
            is_out_of_time = trial.number > earlier_trials and time.perf_counter() - start_seconds > seconds
            if is_out_of_time or trial.should_prune():
                raise optuna.TrialPruned

        try:
            selected_params, _ = select_params(windows, config.model_copy(update=settings), report_epoch)
        except ModelError as error:
            trial.set_user_attr("failure", str(error))
            raise optuna.TrialPruned from error
        for name in PARAM_NAMES:
            trial.set_user_attr(name, getattr(selected_params, name))
        assert selected_params.validation_ndcg is not None
        return selected_params.validation_ndcg

    def report_trial(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        best_ndcg = study.best_value if study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)) else None
        ndcg = trial.value if trial.state == TrialState.COMPLETE else None
        on_trial(TrialReport(trial.number, ndcg, best_ndcg, trial.duration.total_seconds() if trial.duration else 0.0))

    remaining_trials = None if max_trials is None else max(0, max_trials - earlier_trials)
    if remaining_trials is None or remaining_trials > 0:
        study.optimize(run_trial, n_trials=remaining_trials, timeout=seconds, callbacks=[report_trial])
    completed_trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not completed_trials:
        failures = {trial.user_attrs.get("failure", "trial stopped early") for trial in _list_started_trials(study)}
        raise ModelError(
            f"tuning failed, no trial was completed: {'; '.join(sorted(failures)) or 'no trial was started'}"
        )
    best_trial = study.best_trial
    return TuningResult(
        config=config.model_copy(update=best_trial.params),
        selected_params=SelectedParams(
            **{name: best_trial.user_attrs[name] for name in PARAM_NAMES}, validation_ndcg=best_trial.value
        ),
        default_ndcg=next((trial.value for trial in completed_trials if trial.params == initial_settings), None),
        trials=_build_trial_table(study),
        seconds=time.perf_counter() - start_seconds,
    )


def _build_study_name(
    config: TrainConfig, space: SearchSpace, has_varying_strength: bool, factor_counts: list[int], window_count: int
) -> str:
    """Return a hash of everything that makes NDCGs comparable, so that a study holds comparable trials only."""
    fixed_settings = config.model_dump_json(exclude=set(_list_searched_settings(space, has_varying_strength)))
    content = f"{fixed_settings} {space.model_dump_json()} {sorted(factor_counts)} {window_count}"
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _open_storage(journal: Path | None) -> BaseStorage:
    if journal is None:
        return InMemoryStorage()
    journal.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(journal)))


def _list_searched_settings(space: SearchSpace, has_varying_strength: bool) -> list[str]:
    excluded_settings = {"startup_trials"} if has_varying_strength else {"startup_trials", "strength_scale"}
    return [name for name in type(space).model_fields if name not in excluded_settings]


def _list_started_trials(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.WAITING]


def _suggest_settings(
    trial: Trial, space: SearchSpace, has_varying_strength: bool, factor_counts: list[int]
) -> dict[str, float | int]:
    settings: dict[str, float | int] = {"factors": trial.suggest_categorical("factors", sorted(factor_counts))}
    for name in _list_searched_settings(space, has_varying_strength)[1:]:
        minimum, maximum = getattr(space, name)
        is_logarithmic = name in ("regularization", "unobserved_weight")
        settings[name] = trial.suggest_float(name, minimum, maximum, log=is_logarithmic)
    return settings


def _build_trial_table(study: optuna.Study) -> pd.DataFrame:
    rows = [
        {
            "number": trial.number,
            "state": trial.state.name.lower(),
            # The value of a pruned trial in Optuna is its last reported value.
            "ndcg": trial.value if trial.state == TrialState.COMPLETE else None,
            **{name: trial.user_attrs.get(name) for name in (*PARAM_NAMES, "failure")},
            "seconds": trial.duration.total_seconds() if trial.duration else None,
            **trial.params,
        }
        for trial in _list_started_trials(study)
    ]
    return pd.DataFrame(rows)
