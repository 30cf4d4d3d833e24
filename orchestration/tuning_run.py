"""Tuning run: search for better training settings on a dataset version, and write the trials and the best settings."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from models_ml.config import TrainConfig
from models_ml.evaluation.window import EvaluationWindow
from models_ml.tuning import TrialReport, tune
from orchestration.config_files import write_train_config
from orchestration.training_run import load_training_dataset
from warehouse.disk_full import raise_on_full_disk
from warehouse.errors import RecomartError
from warehouse.settings import Settings


@dataclass(frozen=True)
class TuningSummary:
    """Result of a tuning run."""

    dataset_hash: str
    trials: pd.DataFrame
    """One row per trial of this and earlier tuning runs on the same dataset version, best first."""

    config: TrainConfig
    """The best settings."""

    ndcg: float
    """Validation NDCG of the best settings."""

    default_ndcg: float | None
    """Validation NDCG of the first settings; None when their trial failed."""

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
        ModelError: Every trial failed.
        DiskFullError: The disk is full.
    """
    dataset, manifest = load_training_dataset(settings, hash_prefix, on_stage, "tuning")
    window = EvaluationWindow.from_dataset(dataset, "validation", config.max_selection_users)
    if window is None or len(window.known_positions) < config.min_selection_users:
        raise RecomartError("tuning failed: the validation window has too few customers. Load more days first")
    folder = settings.tuning_dir / manifest.dataset_hash[:16]
    # The repeat term is selected in each training, after the settings of the search.
    tuned = tune(
        window.without_repeats(),
        config,
        seconds=seconds,
        max_trials=max_trials,
        journal=folder / "journal.log",
        on_trial=lambda trial: on_stage(_describe_trial(trial)),
    )
    assert tuned.selected_params.validation_ndcg is not None
    trials = tuned.trials.sort_values("ndcg", ascending=False, na_position="last")
    trials.to_csv(folder / "trials.csv", index=False)
    _plot_trials(trials, folder / "trials.png")
    write_train_config(tuned.config, folder / "config.json")
    if adopt:
        write_train_config(tuned.config, settings.train_config_file)
    return TuningSummary(
        dataset_hash=manifest.dataset_hash,
        trials=trials,
        config=tuned.config,
        ndcg=tuned.selected_params.validation_ndcg,
        default_ndcg=tuned.default_ndcg,
        folder=folder,
        is_adopted=adopt,
    )


def _describe_trial(trial: TrialReport) -> str:
    outcome = "stopped" if trial.ndcg is None else f"validation NDCG {trial.ndcg:.4f}"
    best_text = "" if trial.best_ndcg is None else f", best {trial.best_ndcg:.4f}"
    return f"trial {trial.number}: {outcome} in {trial.seconds:.1f} s{best_text}"


def _plot_trials(trials: pd.DataFrame, file: Path) -> None:
    """Plot the NDCG of the finished trials by trial number and by each searched setting."""
    finished_trials = trials[trials["ndcg"].notna()]
    result_columns = ("number", "state", "ndcg", "epochs", "trend_power", "failure", "seconds")
    plotted_columns = ["number", *(name for name in trials.columns if name not in result_columns)]
    figure = Figure(figsize=(3.2 * len(plotted_columns), 3), layout="constrained")
    for axes, name in zip(
        figure.subplots(1, len(plotted_columns), sharey=True, squeeze=False)[0], plotted_columns, strict=True
    ):
        axes.scatter(finished_trials[name], finished_trials["ndcg"], s=14)
        axes.set_xlabel(name.replace("_", " "))
        if name in ("factors", "regularization", "unobserved_weight"):
            axes.set_xscale("log")
    figure.axes[0].set_ylabel("validation NDCG")
    figure.savefig(file, dpi=110)
