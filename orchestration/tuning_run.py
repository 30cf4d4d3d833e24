"""Tuning run: search for better training settings on a dataset version, or measure the trade-offs of settings."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.evaluation.selection import select_params
from models_ml.evaluation.trade_offs import TradeOffs, measure_trade_offs
from models_ml.evaluation.window import EvaluationWindow
from models_ml.tuning import PARAM_NAMES, tune
from models_ml.tuning_results import SearchInterruptedError, SearchProgress, TrialReport, TuningResult
from orchestration.config_files import write_train_config
from orchestration.training_run import load_training_dataset
from warehouse.disk_full import raise_on_full_disk
from warehouse.errors import RecomartError
from warehouse.locks import exclusive_lock
from warehouse.settings import Settings

LOCK_FILE = "tuning.lock"


@dataclass(frozen=True)
class TuningSummary:
    """Result of a tuning run."""

    dataset_hash: str
    trials: pd.DataFrame
    """One row per trial of this tuning run and those that it continued; full trials first, best first."""

    continued_count: int
    """Number of trials of earlier tuning runs that this one continued."""

    other_settings_count: int
    """Number of trials of earlier tuning runs with other settings outside the search; their NDCGs are not
    comparable."""

    progress: SearchProgress
    """The progress of this tuning run."""

    config: TrainConfig
    """The best settings."""

    ndcg: float
    """Validation NDCG of the best settings."""

    initial_ndcg: float | None
    """Validation NDCG of the initial settings; None if their trial failed."""

    initial_failure: str | None
    """Why the trial of the initial settings failed."""

    folder: Path
    """Contains config.json, trials.csv, trials.png, and the journal that the next tuning run continues."""

    is_adopted: bool
    """Whether the best settings are now those of every training of the warehouse."""


@raise_on_full_disk
def tune_config(
    settings: Settings,
    config: TrainConfig,
    on_stage: Callable[[str], None] = lambda _: None,
    *,
    seconds: float,
    max_trials: int | None = None,
    hash_prefix: str | None = None,
    adopt: bool = False,
) -> TuningSummary:
    """Search for settings, beginning with `config`, on the validation window of a version or of the current marts.

    With `adopt`, every later training of this warehouse uses the best settings.

    Raises:
        RecomartError: The marts are not built or refused, the version does not exist, or its validation window has too
            few customers.
        WarehouseBusyError: Another process is tuning on the version.
        ModelError: Every trial failed, or the journal is damaged.
        DiskFullError: The disk is full.
        SearchInterruptedError: Ctrl-C was pressed during the search. The files of the folder are written if a full
            trial was completed, but no settings are adopted.
    """
    dataset, manifest = load_training_dataset(settings, hash_prefix, on_stage, "tuning")
    window = _build_validation_window(dataset, config, "tuning")
    folder = settings.tuning_dir / manifest.dataset_hash[:16]
    # A search takes minutes: a second one fails at once instead of waiting.
    with exclusive_lock(folder / LOCK_FILE, "search for settings", timeout_seconds=0):
        # The repeat term is selected in each training, after the settings of the search.
        try:
            tuned = tune(
                (window,),
                config,
                seconds=seconds,
                max_trials=max_trials,
                journal=folder / "journal.log",
                on_trial=lambda trial: on_stage(_describe_trial(trial, config.selection_k)),
            )
        except SearchInterruptedError as interrupt:
            if interrupt.result is not None:
                _write_result(interrupt.result, folder)
            raise
        assert tuned.selected_params.validation_ndcg is not None
        trials = _write_result(tuned, folder)
        if adopt:
            write_train_config(tuned.config, settings.train_config_file)
    return TuningSummary(
        dataset_hash=manifest.dataset_hash,
        trials=trials,
        continued_count=tuned.continued_count,
        other_settings_count=tuned.other_settings_count,
        progress=tuned.summarize_progress(),
        config=tuned.config,
        ndcg=tuned.selected_params.validation_ndcg,
        initial_ndcg=tuned.initial_ndcg,
        initial_failure=tuned.initial_failure,
        folder=folder,
        is_adopted=adopt,
    )


def measure_setting_trade_offs(
    settings: Settings,
    config: TrainConfig,
    on_stage: Callable[[str], None] = lambda _: None,
    *,
    hash_prefix: str | None = None,
) -> TradeOffs:
    """Measure the popularity damping and the re-ranking on the validation window of a version or of the current marts.

    Raises:
        RecomartError: The marts are not built or refused, the version does not exist, or its validation window has too
            few customers.
        ModelError: The factors diverge or collapse to zero.
    """
    dataset, _ = load_training_dataset(settings, hash_prefix, on_stage, "the measurement of trade-offs")
    window = _build_validation_window(dataset, config, "the measurement of trade-offs")
    on_stage("selecting the number of epochs")
    params, _ = select_params(
        (window,),
        config,
        lambda epoch: on_stage(f"epoch {epoch.report.epoch}: validation NDCG {epoch.validation_ndcg:.4f}"),
    )
    on_stage("measuring the lists")
    return measure_trade_offs(window, config, params)


def _build_validation_window(dataset: Dataset, config: TrainConfig, action: str) -> EvaluationWindow:
    """Return the validation window of new products; `action` names what needs it in the message of the error."""
    window = EvaluationWindow.from_dataset(dataset, "validation", config.max_selection_users)
    window = None if window is None else window.without_repeats()
    if window is None or len(window.known_positions) < config.min_selection_users:
        raise RecomartError(f"{action} failed: the validation window has too few customers. Load more days first")
    return window


def _write_result(tuned: TuningResult, folder: Path) -> pd.DataFrame:
    """Write the files of a search, and return its trials in the order of the files."""
    trials = tuned.trials.sort_values(["stage", "ndcg"], ascending=[True, False], na_position="last")
    trials.to_csv(folder / "trials.csv", index=False)
    _plot_trials(trials, folder / "trials.png", tuned.config.selection_k)
    write_train_config(tuned.config, folder / "config.json")
    return trials


def _describe_trial(trial: TrialReport, k: int) -> str:
    outcome = "stopped" if trial.ndcg is None else f"validation NDCG@{k} {trial.ndcg:.4f}"
    best_text = "" if trial.best_ndcg is None else f", best {trial.best_ndcg:.4f}"
    return f"{trial.stage} trial {trial.number}: {outcome} in {trial.seconds:.1f} s{best_text}"


def _plot_trials(trials: pd.DataFrame, file: Path, k: int) -> None:
    """Plot the NDCG of the finished trials by trial number and by each searched setting, a color for each stage."""
    finished_trials = trials[trials["ndcg"].notna()]
    result_columns = ("number", "stage", "state", "ndcg", *PARAM_NAMES, "failure", "seconds")
    plotted_columns = ["number", *(name for name in trials.columns if name not in result_columns)]
    figure = Figure(figsize=(3.2 * len(plotted_columns), 3), layout="constrained")
    for axes, name in zip(
        figure.subplots(1, len(plotted_columns), sharey=True, squeeze=False)[0], plotted_columns, strict=True
    ):
        for stage, stage_trials in finished_trials.groupby("stage"):
            axes.scatter(stage_trials[name], stage_trials["ndcg"], s=14, label=stage)
        axes.set_xlabel(name.replace("_", " "))
        if name in ("factors", "regularization", "unobserved_weight"):
            axes.set_xscale("log")
    figure.axes[0].set_ylabel(f"validation NDCG@{k}")
    figure.axes[0].legend()
    figure.savefig(file, dpi=110)
