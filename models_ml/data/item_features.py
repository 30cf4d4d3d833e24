"""What training knows of products besides their customers."""

from dataclasses import dataclass

import pyarrow as pa
import torch
from torch import Tensor

from models_ml.als.content_prior import content_features
from models_ml.config import TrainConfig
from models_ml.data.id_map import IdMap
from models_ml.data.sparse import Csr
from models_ml.data.trend import product_trends


@dataclass(frozen=True)
class ProductFacts:
    """Content and trends of the products of a matrix, in the order of its columns."""

    content: Csr
    """products x features; an empty row where nothing is known."""
    trends: Tensor
    """float32 of shape (products): how much more they are in demand lately; 1 where nothing is known."""

    @classmethod
    def of(cls, product_features: pa.Table, products: IdMap, config: TrainConfig) -> "ProductFacts":
        """Take them from the rows of one as_of of marts.ml_product_features."""
        return cls(
            content_features(product_features, products, config), product_trends(product_features, products, config)
        )

    @classmethod
    def unknown(cls, products: int) -> "ProductFacts":
        """Return the facts where nothing is known of any product."""
        nothing = torch.empty(0, dtype=torch.int32)
        content = Csr(torch.zeros(products + 1, dtype=torch.int32), nothing, torch.empty(0), 1)
        return cls(content, torch.ones(products))

    def to(self, device: torch.device) -> "ProductFacts":
        """Return the facts on `device`."""
        return ProductFacts(self.content.to(device), self.trends.to(device))
