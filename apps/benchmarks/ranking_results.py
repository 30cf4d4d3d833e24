"""Input and results of the contenders in the ranking benchmark."""

from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field

from models_ml.config import TrainConfig
from models_ml.data.dataset_store import read_dataset
from models_ml.evaluation.holdout import Holdout
from models_ml.evaluation.metric_names import ACCURACY_METRICS
from models_ml.evaluation.ranking import Ranking
from models_ml.evaluation.report import ABLATION_PREFIX, MODEL_METHOD
from models_ml.evaluation.split import Split
from models_ml.evaluation.window import EvaluationWindow
from models_ml.tuning_results import SearchProgress

LIBRARY = "implicit"
"""Library that RecoMart's model can be compared with, and its method name."""

RARE_CUSTOMER_COUNT = 10
"""A product with fewer training customers is rare."""

MODEL_ABLATION_PREFIX = f"{MODEL_METHOD} {ABLATION_PREFIX}"
"""Start of the method names of RecoMart's model without one of its parts."""


class SplitSource(BaseModel):
    """The source of a split: interaction files, or a stored dataset version."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    train: Path | None = None
    valid: Path | None = None
    test: Path | None = None
    datasets_dir: Path | None = None
    dataset_hash: str | None = None
    holdout: Holdout | None = None
    """Which pairs of `train` are held out for validation; None for the default."""

    folds: int | None = None
    """Number of validation folds; None for the default."""

    def read(self, config: TrainConfig) -> Split:
        """Return the split.

        Raises:
            ModelError: The split is unusable.
        """
        if self.dataset_hash is not None and self.datasets_dir is not None:
            return Split.from_dataset(read_dataset(self.datasets_dir, self.dataset_hash), config)
        assert self.train is not None
        assert self.test is not None
        return Split.from_files(self.train, self.valid, self.test, config, holdout=self.holdout, folds=self.folds)


class SplitSummary(BaseModel):
    """The validation folds of a split."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    holdout: Holdout | None
    """How the folds were split off the training pairs; None if none was."""

    origin: str
    """Origin of the folds, with the reasons for the holdout and for the number of folds."""

    fold_customers: list[int]
    """Number of evaluated customers by fold."""

    fold_pairs: list[int]
    """Number of relevant pairs by fold, those of new customers included."""


def summarize_split(split_source: SplitSource, config: TrainConfig) -> SplitSummary:
    """Read a split and return its summary."""
    split = split_source.read(config)
    return SplitSummary(
        holdout=split.holdout,
        origin=split.origin,
        fold_customers=[len(window.known_positions) for window in split.validation],
        fold_pairs=[window.pairs.num_rows for window in split.validation],
    )


class CurvePoint(BaseModel):
    """A point of a learning curve: the quality of a method after some training time."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    seconds: float
    """Training seconds, without the evaluations."""

    ndcg: float
    """NDCG in the test window, of at most `max_selection_users` customers: the measurement of every epoch for 47,404
    customers of Amazon Beauty takes several times as long as the training."""


class RankingResult(BaseModel):
    """Quality of a method in the test window, and its time and memory."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    method: str
    k: int
    user_count: int
    """Number of evaluated customers."""

    recall: float
    precision: float
    ndcg: float
    hit_rate: float
    recall_by_product_group: dict[str, float | None]
    """Recall by number of training customers of the product: new 0, rare 1 to 9, warm 10 or more."""

    tune_seconds: float | None = None
    """Search for the settings."""

    search: SearchProgress | None = None
    """Progress of that search; None without one."""

    fit_seconds: float | None = None
    """Training on train and validation with the selected settings."""

    scoring_seconds: float | None = None
    """Top k lists of all evaluated customers."""

    peak_memory_mib: int | None = None
    """Largest resident memory of the process, including tuning and evaluation."""

    config: dict[str, object] = {}
    curves: dict[int, list[CurvePoint]] = {}
    """Learning curve by factor length."""

    customer_ndcgs: list[float] = Field(default=[], exclude=True)
    """NDCG of each evaluated customer, in the window's order."""


def evaluate_ranking(method: str, window: EvaluationWindow, ranking: Ranking, config: TrainConfig) -> RankingResult:
    """Evaluate the ranked lists of a method on a window."""
    metrics = window.evaluate(ranking, config.k_values)[0]
    pairs = window.catalog_position_of_pair[: int((window.customer_row_of_pair < len(window.known_positions)).sum())]
    customers = window.product_customer_counts[pairs.clamp(min=0)].where(pairs >= 0, 0)
    is_hit = torch.zeros(len(pairs), dtype=torch.bool)
    hits = window.find_hit_pairs(ranking)[: len(window.known_positions)]
    is_hit[hits[hits >= 0]] = True
    accuracy = window.compute_accuracy(ranking, config.k_values)[:, 0]
    groups = {
        "new": customers == 0,
        "rare": (customers > 0) & (customers < RARE_CUSTOMER_COUNT),
        "warm": customers >= RARE_CUSTOMER_COUNT,
    }
    return RankingResult(
        method=method,
        k=metrics.k,
        user_count=metrics.user_count,
        recall=metrics.recall,
        precision=metrics.precision,
        ndcg=metrics.ndcg,
        hit_rate=metrics.hit_rate,
        recall_by_product_group={
            group: float(is_hit[is_in_group].float().mean()) if is_in_group.any() else None
            for group, is_in_group in groups.items()
        },
        customer_ndcgs=accuracy[:, ACCURACY_METRICS.index("ndcg")].tolist(),
    )
