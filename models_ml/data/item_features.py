"""Features of products besides their factors: content (declared features), trends and the popularity damping."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from models_ml.config import TrainConfig
from models_ml.data.dataset import require_columns
from models_ml.data.feature_matrix import FeatureMatrix, select_subject
from models_ml.data.id_map import IdMap
from models_ml.data.sparse import Csr


@dataclass(frozen=True)
class ItemFeatures:
    """Content and trends of the products of an interaction matrix, in the order of its columns."""

    content: Csr
    """Products x feature values; the row of a product without content is empty."""
    trends: Tensor
    """float32 of shape (products): recent demand relative to the average product; 1 if unknown."""

    @classmethod
    def from_tables(
        cls, product_features: pa.Table, features: pa.Table, products: IdMap, config: TrainConfig
    ) -> "ItemFeatures":
        """Build the features from the rows of a dataset's `product_features` and `features` at one cutoff."""
        return cls(
            FeatureMatrix.from_rows(select_subject(features, "product"), products, config).matrix,
            compute_product_trends(product_features, products, config),
        )

    @classmethod
    def empty(cls, product_count: int) -> "ItemFeatures":
        """Return features without content and with trends of 1."""
        no_columns = torch.empty(0, dtype=torch.int32)
        content = Csr(torch.zeros(product_count + 1, dtype=torch.int32), no_columns, torch.empty(0), 1)
        return cls(content, torch.ones(product_count))

    def to(self, device: torch.device) -> "ItemFeatures":
        """Return the features on `device`."""
        return ItemFeatures(self.content.to(device), self.trends.to(device))


def compute_product_trends(product_features: pa.Table, products: IdMap, config: TrainConfig) -> Tensor:
    """Return each product's share of recently active customers, relative to the share over all products.

    `product_features` has product_id, popularity (number of customers) and active_users_28d, one row per product. The
    result is float32 of shape (products). The prior of `trend_prior_customers` keeps products with few customers near
    1; products without customers have 1.
    """
    require_columns(product_features, ("product_id", "popularity", "active_users_28d"), "product features")
    position = products.find_positions(product_features["product_id"])
    customers, recent_customers = (
        product_features[name].to_numpy().astype(np.float64)[position >= 0]
        for name in ("popularity", "active_users_28d")
    )
    trends = torch.ones(len(products))
    if recent_customers.sum() > 0:
        mean_share = recent_customers.sum() / customers.sum()
        ratio = (recent_customers / mean_share + config.trend_prior_customers) / (
            customers + config.trend_prior_customers
        )
        trends[torch.from_numpy(position[position >= 0])] = torch.from_numpy(
            np.where(customers > 0, ratio, 1).astype(np.float32)
        )
    return trends


def compute_popularity_multipliers(customer_counts: Tensor, damping: float) -> Tensor:
    """Return the multipliers of the products' scores that reduce the share of bestsellers in the lists.

    With the number c of a product's customers (`customer_counts`, of shape (products)) and its mean m over the products
    with customers, the multiplier is (2m / (c + m))^damping, float32. An average product has 1, and the m customers
    that are added to every product limit the multiplier of a product with few customers to 2^damping. A product
    without customers has 1: nothing is known about its popularity.

    Source of the power: Steck, "Item popularity and recommendation accuracy" (RecSys 2011).
    """
    counts = customer_counts.double()
    mean = counts.sum() / (counts > 0).sum()
    return torch.where(counts > 0, (2 * mean / (counts + mean)).pow(damping), 1).float()
