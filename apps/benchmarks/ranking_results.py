"""What the contenders of the ranking benchmark are given, and what they say of themselves."""

import sys
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict

from models_ml.config import TrainConfig
from models_ml.data.dataset_store import read_dataset
from models_ml.evaluation.split import Split
from models_ml.evaluation.window import EvaluationWindow, Ranking

RARE_CUSTOMER_COUNT = 10
"""A product with fewer customers than this is rare."""


class SplitSource(BaseModel):
    """Where a split comes from: interaction files, or a stored dataset version."""

    model_config = ConfigDict(frozen=True)

    train: Path | None = None
    valid: Path | None = None
    test: Path | None = None
    datasets_dir: Path | None = None
    dataset_hash: str | None = None

    def read(self, config: TrainConfig) -> Split:
        """Return the split; ModelError when it cannot be used."""
        if self.dataset_hash is not None and self.datasets_dir is not None:
            return Split.from_dataset(read_dataset(self.datasets_dir, self.dataset_hash), config)
        assert self.train is not None
        assert self.test is not None
        return Split.from_files(self.train, self.valid, self.test, config)


class CurvePoint(BaseModel):
    """How far a method was after some training."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    seconds: float
    """Spent training so far, measuring left out."""

    ndcg: float
    """On the test window."""


class RankingResult(BaseModel):
    """What a method reaches on the test window, and what that took."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    method: str
    k: int
    user_count: int
    """Customers measured."""

    recall: float
    precision: float
    ndcg: float
    hit_rate: float
    recall_by_product_group: dict[str, float | None]
    """Share of the relevant pairs in the lists, by how many customers the product had: none, fewer than 10, more."""

    tune_seconds: float | None = None
    fit_seconds: float | None = None
    """Training on train and validation with the settings that were picked."""

    scoring_seconds: float | None = None
    """Top k for every measured customer."""

    peak_memory_mib: int | None = None
    """Largest resident memory of the process, tuning and measuring included."""

    config: dict[str, object] = {}
    curves: dict[int, list[CurvePoint]] = {}
    """How far it was after each pass of that training, by the length of its vectors."""


def measure_ranking(method: str, window: EvaluationWindow, ranking: Ranking, config: TrainConfig) -> RankingResult:
    """Return what a method's lists reach in a window."""
    found = window.measure(ranking, config.k_values)[0]
    pairs = window.pair_products[: int((window.pair_rows < len(window.known_positions)).sum())]
    customers = window.product_customer_counts[pairs.clamp(min=0)].where(pairs >= 0, 0)
    is_hit = torch.zeros(len(pairs), dtype=torch.bool)
    hits = window.find_hit_pairs(ranking)[: len(window.known_positions)]
    is_hit[hits[hits >= 0]] = True
    kinds = {
        "new": customers == 0,
        "rare": (customers > 0) & (customers < RARE_CUSTOMER_COUNT),
        "warm": customers >= RARE_CUSTOMER_COUNT,
    }
    return RankingResult(
        method=method,
        k=found.k,
        user_count=found.user_count,
        recall=found.recall,
        precision=found.precision,
        ndcg=found.ndcg,
        hit_rate=found.hit_rate,
        recall_by_product_group={
            kind: float(is_hit[chosen].float().mean()) if chosen.any() else None for kind, chosen in kinds.items()
        },
    )


def log_progress(message: str) -> None:
    """Tell what is going on; it is a process of its own, so standard error is where progress can go."""
    sys.stderr.write(message + "\n")
