"""Hyperparameter search for the best NDCG on validation windows, in two stages.

Screening trials train few factors and measure few customers: a trial takes a fraction of the time, and settings that
rank well with few factors also do with many. The most promising settings are then tried in full: with all factors, all
customers and the item graph. The stages alternate in rounds, so that the result is good whenever the time ends.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import optuna
import pandas as pd
from optuna.pruners import MedianPruner, NopPruner
from optuna.storages import BaseStorage
from optuna.trial import Trial, TrialState
from pydantic import BaseModel, ConfigDict, Field

from models_ml.config import TrainConfig
from models_ml.errors import ModelError
from models_ml.evaluation.selection import (
    EpochRecord,
    make_screening_config,
    select_params,
    select_regularization_scale,
)
from models_ml.evaluation.window import EvaluationWindow
from models_ml.ranking_model import SelectedParams
from models_ml.tuning_journal import (
    count_ended_trials,
    fail_unfinished_trials,
    list_completed_trials,
    list_ended_trials,
    open_storage,
)
from models_ml.tuning_results import SearchInterruptedError, Stage, TrialReport, TuningResult

PARAM_NAMES = ("epochs", "trend_power", "graph_weight", "graph_popularity_power")
"""Parameters that the validation windows select in each trial."""

OUT_OF_TIME = "is_out_of_time"
"""User attribute of trials that were stopped for lack of time; a later search repeats them."""

UNUSED_SETTINGS = frozenset(
    {
        *("popularity_damping", "rerank_method", "rerank_weight", "rerank_depth", "candidates_per_user"),
        *("default_epochs", "warm_epochs", "default_trend_power", "repeat_weights", "default_repeat_weight"),
        *("max_evaluation_users", "bootstrap_resamples", "activity_thresholds", "ablations", "max_category_segments"),
        *("head_share", "max_neighbors", "max_ease_products"),
    }
)
"""Settings without an effect on the NDCG of a trial: a search continues when they change."""


class SearchSpace(BaseModel):
    """Ranges of the searched settings, (minimum, maximum) each."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    factors: tuple[int, ...] = (32, 64, 128, 256, 512)
    """Numbers of factors to try."""

    regularization: tuple[float, float] = (0.03, 0.95)
    """Logarithmic scale; near 1 the factors collapse to zero and the trial fails."""

    unobserved_weight: tuple[float, float] = (5.0, 600.0)
    """Logarithmic scale."""

    strength_scale: tuple[float, float] = (0.0, 12.0)
    """Not searched when all strengths are equal."""

    user_damping: tuple[float, float] = (0.0, 0.7)
    """At 0, the confidence of busy customers is not reduced."""

    product_damping: tuple[float, float] = (0.0, 0.5)
    """At 0, the confidence of bestsellers is not reduced."""

    screening_trials: int = Field(default=8, ge=1)
    """Number of screening trials of a round, followed by up to three full trials. The trials of the first round are
    random, except the first; after them, the sampler uses the results of earlier trials."""


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

    The first trial is a full one of `config`, unless the journal has its result. Neither the time nor the number of
    trials limits it, so that the result is not worse than `config`. Then follow rounds of screening trials and full
    trials. Full trials of a round are the best screened settings that were not tried in full, with the best number of
    factors so far and the next larger one, and the best settings so far with another number of factors. The sampler of
    screening trials is a tree-structured Parzen estimator (Bergstra et al., "Algorithms for hyper-parameter
    optimization", NIPS 2011) with the config's seed. Screening trials with an NDCG below the median are pruned.

    A `journal` file stores the trials, and a later search with the same `space` and the same settings apart from the
    searched ones and `UNUSED_SETTINGS` continues with them. The trial that an interrupted search left unfinished does
    not count. Only one process at a time may use a journal; the caller ensures this.

    Raises:
        ModelError: No full trial was completed, or the journal is damaged.
        SearchInterruptedError: Ctrl-C was pressed during the search.
    """
    # Below this level, Optuna prints the traceback of an interrupted trial.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    search = _Search(windows, config, space or SearchSpace(), journal, seconds, max_trials, on_trial)
    try:
        search.run()
    except KeyboardInterrupt as interrupt:
        trial_count = search.count_trials()
        try:
            raise SearchInterruptedError(trial_count, search.build_result()) from interrupt
        except ModelError:
            raise SearchInterruptedError(trial_count, None) from interrupt
    return search.build_result()


class _OutOfTimeError(Exception):
    """The time or the number of trials is used up."""


class _Search:
    """A search in progress."""

    def __init__(
        self,
        windows: Sequence[EvaluationWindow],
        config: TrainConfig,
        space: SearchSpace,
        journal: Path | None,
        seconds: float,
        max_trials: int | None,
        on_trial: Callable[[TrialReport], None],
    ) -> None:
        self.start_seconds = time.perf_counter()
        strength = windows[0].interactions.strength
        # The adaptation to the matrix and the selected scale are part of the initial settings, as in a training; the
        # search varies the resulting values.
        adapted = config.adapt_to_matrix(strength.density, strength.entry_count / strength.row_count)
        scaled = adapted.scale_regularization(select_regularization_scale(windows, adapted))
        self.config = scaled.model_copy(update={"regularization_scales": (1.0,)})
        self.space = space
        self.seconds, self.max_trials, self.on_trial = seconds, max_trials, on_trial
        names = ("regularization", "unobserved_weight", "strength_scale", "user_damping", "product_damping")
        has_varying_strength = bool(strength.values.std(correction=0) > 0)
        self.setting_names = [name for name in names if has_varying_strength or name != "strength_scale"]
        self.factor_counts = sorted({config.factors, *space.factors})
        screening_windows = [window.sample_customers(config.screening_users) for window in windows]
        self.stages: dict[Stage, tuple[TrainConfig, Sequence[EvaluationWindow]]] = {
            # Without effect on the NDCG of a trial, the popularity damping and the re-ranking only take time.
            "full": (self.config.model_copy(update={"popularity_damping": 0.0, "rerank_method": "none"}), windows),
            "screening": (make_screening_config(self.config), screening_windows),
        }
        storage = open_storage(journal)
        self.studies = {stage: self._create_study(stage, len(windows), storage) for stage in self.stages}
        self.continued_count = self.count_trials()
        self.other_settings_count = count_ended_trials(storage) - self.continued_count
        self.reports: list[TrialReport] = []

    @property
    def initial_settings(self) -> dict[str, float]:
        """The searched settings of the initial config."""
        return {name: getattr(self.config, name) for name in self.setting_names}

    @property
    def initial_trial(self) -> dict[str, float]:
        """The settings of the initial full trial."""
        return self.initial_settings | {"factors": self.config.factors}

    def run(self) -> None:
        """Run trials until the time or their maximum number is reached."""
        try:
            if not self._has_initial_result():
                self._run_trial("full", self.initial_trial, is_initial=True)
            while True:
                for _ in range(self.space.screening_trials):
                    is_tried = self._is_tried("screening", self.initial_settings)
                    self._run_trial("screening", None if is_tried else self.initial_settings)
                for settings in self._propose_full_trials():
                    self._run_trial("full", settings)
        except _OutOfTimeError:
            pass

    def count_trials(self) -> int:
        """Return the number of ended trials."""
        return sum(len(list_ended_trials(study)) for study in self.studies.values())

    def build_result(self) -> TuningResult:
        """Return the best full trial and all trials."""
        study = self.studies["full"]
        completed_trials = list_completed_trials(study)
        if not completed_trials:
            failures = {trial.user_attrs.get("failure", "trial stopped early") for trial in list_ended_trials(study)}
            raise ModelError(f"tuning failed, no trial was completed: {'; '.join(sorted(failures))}")
        best_trial = study.best_trial
        initial_trials = [trial for trial in list_ended_trials(study) if trial.params == self.initial_trial]
        return TuningResult(
            config=self.config.model_copy(update=best_trial.params),
            selected_params=SelectedParams(
                **{name: best_trial.user_attrs[name] for name in PARAM_NAMES}, validation_ndcg=best_trial.value
            ),
            initial_ndcg=next((trial.value for trial in initial_trials if trial.state == TrialState.COMPLETE), None),
            initial_failure=next(
                (failure for trial in initial_trials if (failure := trial.user_attrs.get("failure"))), None
            ),
            trials=self._build_trial_table(),
            reports=self.reports,
            continued_count=self.continued_count,
            other_settings_count=self.other_settings_count,
            seconds=time.perf_counter() - self.start_seconds,
        )

    def _create_study(self, stage: Stage, window_count: int, storage: BaseStorage) -> optuna.Study:
        """Open the study of a stage; its name is a hash of everything that makes NDCGs comparable."""
        fixed_settings = self.config.model_dump_json(exclude={*self.setting_names, *UNUSED_SETTINGS, "factors"})
        content = f"{stage} {fixed_settings} {self.space.model_dump_json()} {self.factor_counts} {window_count}"
        # Full trials have different numbers of factors, and those with few begin with a lower NDCG. On the demo shop, a
        # median over all of them stopped each trial with 32 factors, although these were among the best in full.
        screening_pruner = MedianPruner(n_startup_trials=self.space.screening_trials, n_warmup_steps=2)
        study = optuna.create_study(
            study_name=hashlib.sha256(content.encode()).hexdigest()[:16],
            storage=storage,
            direction="maximize",
            load_if_exists=True,
            pruner=screening_pruner if stage == "screening" else NopPruner(),
        )
        fail_unfinished_trials(study)
        study.sampler = optuna.samplers.TPESampler(
            # With the same seed, a continued search would repeat its earlier random trials.
            seed=(self.config.seed + len(list_ended_trials(study))) % 2**32,
            multivariate=True,
            n_startup_trials=self.space.screening_trials,
        )
        return study

    def _propose_full_trials(self) -> Iterator[dict[str, float | int]]:
        """Yield the full trials of a round, each with the results of the one before."""
        screened = sorted(list_completed_trials(self.studies["screening"]), key=lambda trial: -(trial.value or 0.0))
        best_factors = self._get_best_full_trial()["factors"]
        larger_factors = [factors for factors in self.factor_counts if factors > best_factors][:1]
        # With the best number alone, a small number that was best by chance would stay: no settings would have more.
        for trial in screened:
            if self._is_tried("full", trial.params | {"factors": best_factors}):
                continue
            for factors in (best_factors, *larger_factors):
                settings = trial.params | {"factors": factors}
                if not self._is_tried("full", settings):
                    yield settings
            break
        best = self._get_best_full_trial()
        # Of half and twice the number, twice is first: more factors rarely rank worse.
        for factors in sorted(
            self.factor_counts, key=lambda factors: (abs(math.log(factors / best["factors"])), -factors)
        ):
            settings = best | {"factors": factors}
            if not self._is_tried("full", settings):
                yield settings
                break

    def _get_best_full_trial(self) -> dict[str, float | int]:
        """Return the settings of the best full trial, or the initial ones when none was completed."""
        trials = list_completed_trials(self.studies["full"])
        return self.studies["full"].best_params if trials else self.initial_trial

    def _has_initial_result(self) -> bool:
        """Return whether the initial full trial was completed or failed; one that was stopped has no result."""
        return any(
            trial.params == self.initial_trial and (trial.state == TrialState.COMPLETE or "failure" in trial.user_attrs)
            for trial in list_ended_trials(self.studies["full"])
        )

    def _is_tried(self, stage: Stage, settings: dict[str, float | int]) -> bool:
        """Return whether a trial of the settings ended for another reason than lack of time."""
        return any(
            trial.params == settings and OUT_OF_TIME not in trial.user_attrs
            for trial in list_ended_trials(self.studies[stage])
        )

    def _run_trial(
        self, stage: Stage, settings: dict[str, float | int] | None = None, *, is_initial: bool = False
    ) -> None:
        """Run a trial of `settings`, or of the next settings of the stage's sampler.

        Args:
            stage: The stage.
            settings: The settings; None for those of the sampler.
            is_initial: Whether the trial runs to its end, without a limit of time or number.

        Raises:
            _OutOfTimeError: The time or the number of trials is used up; the trial was not started.
        """
        earlier_count = self.count_trials()
        has_time = time.perf_counter() - self.start_seconds < self.seconds
        has_trials = self.max_trials is None or earlier_count < self.max_trials
        if not is_initial and not (has_time and has_trials):
            raise _OutOfTimeError
        study = self.studies[stage]
        if settings is not None:
            study.enqueue_trial(settings)
        study.optimize(lambda trial: self._evaluate(stage, trial, is_initial), n_trials=1)
        trial = list_ended_trials(study)[-1]
        best_trials = list_completed_trials(self.studies["full"])
        report = TrialReport(
            number=earlier_count,
            stage=stage,
            ndcg=trial.value if trial.state == TrialState.COMPLETE else None,
            best_ndcg=max((trial.value or 0.0 for trial in best_trials), default=None),
            seconds=trial.duration.total_seconds() if trial.duration else 0.0,
            elapsed_seconds=time.perf_counter() - self.start_seconds,
        )
        self.reports.append(report)
        self.on_trial(report)

    def _evaluate(self, stage: Stage, trial: Trial, is_initial: bool) -> float:
        """Return the mean validation NDCG of a trial."""
        stage_config, windows = self.stages[stage]
        settings = self._suggest_settings(stage, trial)

        def report_epoch(epoch: EpochRecord) -> None:
            assert epoch.validation_ndcg is not None
            trial.report(epoch.validation_ndcg, epoch.report.epoch)
            if not is_initial and time.perf_counter() - self.start_seconds > self.seconds:
                trial.set_user_attr(OUT_OF_TIME, True)
                raise optuna.TrialPruned
            if trial.should_prune():
                raise optuna.TrialPruned

        try:
            selected_params, _ = select_params(windows, stage_config.model_copy(update=settings), report_epoch)
        except ModelError as error:
            trial.set_user_attr("failure", str(error))
            raise optuna.TrialPruned from error
        for name in PARAM_NAMES:
            trial.set_user_attr(name, getattr(selected_params, name))
        assert selected_params.validation_ndcg is not None
        return selected_params.validation_ndcg

    def _suggest_settings(self, stage: Stage, trial: Trial) -> dict[str, float | int]:
        settings: dict[str, float | int] = {}
        if stage == "full":
            settings["factors"] = trial.suggest_categorical("factors", self.factor_counts)
        for name in self.setting_names:
            minimum, maximum = getattr(self.space, name)
            is_logarithmic = name in ("regularization", "unobserved_weight")
            settings[name] = trial.suggest_float(name, minimum, maximum, log=is_logarithmic)
        return settings

    def _build_trial_table(self) -> pd.DataFrame:
        trials = [(stage, trial) for stage, study in self.studies.items() for trial in list_ended_trials(study)]
        trials.sort(key=lambda stage_trial: stage_trial[1].datetime_start or datetime.min)
        rows = [
            {
                "number": number,
                "stage": stage,
                "state": trial.state.name.lower(),
                # The value of a pruned trial in Optuna is its last reported value.
                "ndcg": trial.value if trial.state == TrialState.COMPLETE else None,
                **{name: trial.user_attrs.get(name) for name in (*PARAM_NAMES, "failure")},
                "seconds": trial.duration.total_seconds() if trial.duration else None,
                "factors": self.stages[stage][0].factors,
                **trial.params,
            }
            for number, (stage, trial) in enumerate(trials)
        ]
        return pd.DataFrame(rows)
