"""Tests of evaluation windows."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.data.interactions import Interactions
from models_ml.data.sparse import Csr
from models_ml.errors import ModelError
from models_ml.evaluation.window import EvaluationWindow
from models_ml.training import train
from tests.models_ml.synthetic_tables import (
    build_evaluation_pairs,
    build_interactions,
    build_product_features,
    to_dense,
)


def test_global_score_equals_full_ranking(config: TrainConfig, strength: Csr) -> None:
    known_pairs = [
        (f"u{user:02}", f"p{product:02}", 1.0, False) for user, product in np.argwhere(to_dense(strength)).tolist()
    ]
    relevant_pairs = [(f"u{user:02}", "new product", True) for user in range(0, 60, 2)]
    window = EvaluationWindow.create(
        "test",
        Interactions.from_table(build_interactions("test", 90, known_pairs)),
        build_product_features("test", {}),
        build_evaluation_pairs("test", relevant_pairs),
        100,
    )
    assert window is not None
    scores = torch.randint(0, 5, (40,), generator=torch.Generator().manual_seed(0)).float()
    top_3 = config.model_copy(update={"k_values": (3,)})
    expected = window.rank_for_all_customers(torch.ones((30, 1)), scores[:, None], top_3)
    assert torch.equal(window.rank_by_global_score(scores, top_3).positions, expected.positions)


def test_window_rejects_repeated_pair(dataset: Dataset, config: TrainConfig) -> None:
    repeated = pa.concat_tables([dataset.evaluation_pairs, dataset.evaluation_pairs.slice(0, 1)])
    with pytest.raises(ModelError, match="evaluation pairs of 'test' repeat a pair"):
        train(replace(dataset, evaluation_pairs=repeated), config, "run")
