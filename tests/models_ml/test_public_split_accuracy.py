"""Test of the default settings' accuracy on a public split."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from models_ml.als.trainer import fit
from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr
from models_ml.evaluation.metrics import compute_ranking_metrics
from models_ml.inference.scoring import rank_top_n

LASTFM = Path(__file__).parents[3] / "shared" / "data" / "lastfm"


def read_pairs(*names: str) -> npt.NDArray[np.int64]:
    """Return the distinct (user, item) pairs of files with lines `user item item ...`, shape (pairs, 2)."""
    lines = [line.split() for name in names for line in (LASTFM / name).read_text().splitlines()]
    return np.unique([(int(user), int(item)) for user, *items in lines for item in items], axis=0)


@pytest.mark.real_data
@pytest.mark.skipif(not LASTFM.is_dir(), reason=f"the Last.fm split is not in {LASTFM}")
def test_default_settings_on_lastfm() -> None:
    known_pairs, test_pairs = read_pairs("train.txt", "valid.txt"), read_pairs("test.txt")
    users, user_rows = np.unique(known_pairs[:, 0], return_inverse=True)
    items, item_columns = np.unique(known_pairs[:, 1], return_inverse=True)
    rows, columns = torch.from_numpy(user_rows), torch.from_numpy(item_columns)
    strength = Csr.from_pairs(rows, columns, torch.ones(len(known_pairs)), (len(users), len(items)))
    model = fit(strength, TrainConfig(factors=128), 6)
    positions, _ = rank_top_n(model.fold_in(strength), model.product_factors, 20, strength)
    test_pairs = test_pairs[np.isin(test_pairs[:, 0], users)]
    relevant_rows = np.searchsorted(users, test_pairs[:, 0])
    relevant_pairs = set(zip(relevant_rows.tolist(), test_pairs[:, 1].tolist(), strict=True))
    hits = torch.tensor(
        [
            [(row, item) in relevant_pairs for item in ranked_items]
            for row, ranked_items in enumerate(items[positions.numpy()].tolist())
        ]
    )
    relevant_counts = torch.from_numpy(np.bincount(relevant_rows, minlength=len(users)))
    (metrics,) = compute_ranking_metrics(hits, relevant_counts, [20])
    assert metrics.recall > 0.285
    assert metrics.ndcg > 0.285
