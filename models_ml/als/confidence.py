"""How much a pair's observed strength is believed: the weights of the training objective."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr


@dataclass(frozen=True)
class Confidence:
    """Turns strengths into confidences, in training and for a basket alike.

    c = scale * (1 + strength_scale * log(1 + strength / mean_strength)) * (products in the row)^-user_damping
    * product_weight; the scale makes the mean over the training pairs 1.
    """

    mean_strength: float
    strength_scale: float
    user_damping: float
    product_weight: Tensor
    """float32 of shape (products): (customers of the product, at least 1)^-product_damping * scale."""

    @classmethod
    def fit(cls, strength: Csr, config: TrainConfig) -> "Confidence":
        """Learn the means from training `strength` (customers x products)."""
        popularity = torch.bincount(strength.columns, minlength=strength.column_count).clamp(min=1)
        weight = popularity.double().pow(-config.product_damping)
        mean_strength = float(strength.values.mean(dtype=torch.float64))
        unscaled = cls(mean_strength, config.strength_scale, config.user_damping, weight.float())
        mean = unscaled.transform(strength).values.mean(dtype=torch.float64)
        return cls(mean_strength, config.strength_scale, config.user_damping, (weight / mean).float())

    def transform(self, strength: Csr) -> Csr:
        """Return the confidences of `strength`, whose rows are whole histories or baskets."""
        believed = 1 + self.strength_scale * torch.log1p(strength.values / self.mean_strength)
        damping = strength.lengths.clamp(min=1).float().pow(-self.user_damping)
        by_row = torch.repeat_interleave(damping, strength.lengths)
        return strength.replace_values(believed * by_row * self.product_weight[strength.columns.long()])
