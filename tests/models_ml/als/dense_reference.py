"""Dense float64 reference implementations of the training objective."""

import numpy as np
import numpy.typing as npt

from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr
from tests.models_ml.synthetic_tables import to_dense

Array = npt.NDArray[np.float64]


def compute_confidences(strength: Csr, config: TrainConfig) -> Array:
    """Return the confidences by their definition, customers x products."""
    values = to_dense(strength)
    is_observed = values > 0
    config = config.adapt_to_matrix(float(is_observed.mean()), float(is_observed.sum(1).mean()))
    unscaled = is_observed * (1 + config.strength_scale * np.log1p(values / values[is_observed].mean()))
    unscaled *= is_observed.sum(1)[:, None] ** -config.user_damping * is_observed.sum(0) ** -config.product_damping
    confidences: Array = unscaled / unscaled[is_observed].mean()
    return confidences


def solve_rows(confidence: Array, fixed: Array, unobserved_pair_weight: float, regularization: float) -> Array:
    """Return the solution of each row's normal equations, (rows, factors)."""
    penalty = regularization * (confidence.sum(1) + unobserved_pair_weight * len(fixed))
    return np.stack(
        [
            np.linalg.solve(
                fixed.T @ (row[:, None] * fixed)
                + unobserved_pair_weight * fixed.T @ fixed
                + weight * np.eye(fixed.shape[1]),
                fixed.T @ row,
            )
            for row, weight in zip(confidence, penalty, strict=True)
        ]
    )


def compute_objective(
    confidence: Array, users: Array, products: Array, unobserved_pair_weight: float, regularization: float
) -> float:
    """Return the training objective, computed over every cell of the matrix."""
    scores = users @ products.T
    user_totals = confidence.sum(1) + unobserved_pair_weight * len(products)
    product_totals = confidence.sum(0) + unobserved_pair_weight * len(users)
    penalties = user_totals @ (users**2).sum(1) + product_totals @ (products**2).sum(1)
    return float(
        (confidence * (1 - scores) ** 2).sum() + unobserved_pair_weight * (scores**2).sum() + regularization * penalties
    )
