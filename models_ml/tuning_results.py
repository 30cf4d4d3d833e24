"""Results of a hyperparameter search: its trials, its progress and the best settings."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from models_ml.config import TrainConfig
from models_ml.ranking_model import SelectedParams

PROGRESS_SECONDS = (60, 120, 300, 600)
"""Times of a search at which its progress is reported."""

Stage = Literal["screening", "full"]
"""`screening`: few factors and customers, without the item graph; `full`: the result can be one of these trials."""


@dataclass(frozen=True)
class TrialReport:
    """Result of one trial."""

    number: int
    """Number of earlier trials, those of earlier searches in the same journal included, without interrupted ones."""
    stage: Stage
    ndcg: float | None
    """Validation NDCG; None for a pruned or failed trial."""
    best_ndcg: float | None
    """Best validation NDCG of all full trials up to this one."""
    seconds: float
    """Duration of the trial."""
    elapsed_seconds: float
    """Time since the start of the search."""


class SearchProgress(BaseModel):
    """Progress of a search."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    trials_per_minute: float
    seconds: float
    """Duration of the search."""

    ndcg_by_seconds: dict[int, float | None]
    """Best validation NDCG of full trials at each of `PROGRESS_SECONDS` before the end of the search; None before the
    first full trial is completed."""

    ndcg: float
    """Best validation NDCG at the end."""


@dataclass(frozen=True)
class TuningResult:
    """Best settings of a search."""

    config: TrainConfig
    selected_params: SelectedParams
    initial_ndcg: float | None
    """Validation NDCG of the initial settings; None if their trial failed or was interrupted."""
    initial_failure: str | None
    """Why the trial of the initial settings failed."""
    trials: pd.DataFrame
    """One row per trial: number, stage, state, ndcg, the selected parameters, failure, seconds and the searched
    settings. The NDCGs of the two stages are not comparable."""
    reports: list[TrialReport]
    """The trials of this search, without those of earlier searches in the same journal."""
    continued_count: int
    """Number of trials of earlier searches that this search continued."""
    other_settings_count: int
    """Number of trials in the journal whose settings outside the search, or whose search space, were other ones."""
    seconds: float

    def summarize_progress(self) -> SearchProgress:
        """Return the progress of this search."""
        assert self.selected_params.validation_ndcg is not None
        return SearchProgress(
            trials_per_minute=60 * len(self.reports) / self.seconds,
            seconds=self.seconds,
            ndcg_by_seconds={
                seconds: next(
                    (report.best_ndcg for report in reversed(self.reports) if report.elapsed_seconds <= seconds), None
                )
                for seconds in PROGRESS_SECONDS
                if seconds < self.seconds
            },
            ndcg=self.selected_params.validation_ndcg,
        )


class SearchInterruptedError(KeyboardInterrupt):
    """Ctrl-C was pressed during a search."""

    def __init__(self, trial_count: int, result: TuningResult | None) -> None:
        super().__init__(f"{trial_count} trials ended before")
        self.trial_count = trial_count
        """Number of ended trials, those of earlier searches in the same journal included."""
        self.result = result
        """None if no full trial was completed."""
