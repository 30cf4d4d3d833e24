"""Confidences: the weights of observed pairs in the training objective (Hu, Koren, Volinsky, ICDM 2008)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr


@dataclass(frozen=True)
class Confidence:
    """Transforms strengths to confidences, both in training and for a basket.

    c = (1 + strength_scale * log(1 + strength / mean_strength)) * (products in the row)^-user_damping * product_weight

    The scale in `product_weight` makes the mean confidence of the training pairs 1.
    """

    mean_strength: float
    strength_scale: float
    user_damping: float
    product_weight: Tensor
    """float32 of shape (products): (customers of the product, at least 1)^-product_damping * scale."""

    @classmethod
    def fit(cls, strength: Csr, config: TrainConfig) -> "Confidence":
        """Compute the means and product weights from the training `strength` (customers x products)."""
        popularity = torch.bincount(strength.columns, minlength=strength.column_count).clamp(min=1)
        weight = popularity.double().pow(-config.product_damping)
        mean_strength = float(strength.values.mean(dtype=torch.float64))
        unscaled = cls(mean_strength, config.strength_scale, config.user_damping, weight.float())
        mean = unscaled.transform(strength).values.mean(dtype=torch.float64)
        return cls(mean_strength, config.strength_scale, config.user_damping, (weight / mean).float())

    def transform(self, strength: Csr) -> Csr:
        """Return the confidences of `strength` (rows x products); each row is a whole history or basket."""
        undamped = 1 + self.strength_scale * torch.log1p(strength.values / self.mean_strength)
        row_weight = strength.lengths.clamp(min=1).float().pow(-self.user_damping)
        user_weight = torch.repeat_interleave(row_weight, strength.lengths)
        return strength.replace_values(undamped * user_weight * self.product_weight[strength.columns.long()])
