"""How much more a product is in demand lately than its whole past says."""

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from models_ml.columns import require_columns
from models_ml.config import TrainConfig
from models_ml.identity import IdMap


def product_trends(product_features: pa.Table, products: IdMap, config: TrainConfig) -> Tensor:
    """Return the share of a product's customers who were active on it lately, over that of all products' customers.

    `product_features` has product_id, popularity (customers) and active_users_28d, one row per product. The result
    is float32 of shape (products); few customers leave it near 1, none at 1.
    """
    require_columns(product_features, ("product_id", "popularity", "active_users_28d"), "product features")
    position = products.find(product_features["product_id"])
    customers, lately = (
        product_features[name].to_numpy().astype(np.float64)[position >= 0]
        for name in ("popularity", "active_users_28d")
    )
    trends = torch.ones(len(products))
    if lately.sum() > 0:
        usual = lately.sum() / customers.sum()
        ratio = (lately / usual + config.trend_customers) / (customers + config.trend_customers)
        trends[torch.from_numpy(position[position >= 0])] = torch.from_numpy(
            np.where(customers > 0, ratio, 1).astype(np.float32)
        )
    return trends
