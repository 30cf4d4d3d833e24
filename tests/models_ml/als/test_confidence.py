"""Tests of confidences."""

import numpy as np

from models_ml.als.trainer import AlsTrainer
from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr
from tests.models_ml.als.dense_reference import compute_confidences
from tests.models_ml.synthetic_tables import to_dense


def test_confidences_equal_definition(strength: Csr, config: TrainConfig) -> None:
    trainer = AlsTrainer(strength, config)
    np.testing.assert_allclose(to_dense(trainer.user_side.confidence), compute_confidences(strength, config), rtol=1e-5)
