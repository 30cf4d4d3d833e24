"""Features of products besides their interactions: content (category, brand, price, name) and trends."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from models_ml.config import TrainConfig
from models_ml.data.dataset import require_columns
from models_ml.data.id_map import IdMap
from models_ml.data.sparse import Csr

Positions = npt.NDArray[np.int64]

WORD_SEPARATOR = r"[^\pL\pN]+"


@dataclass(frozen=True)
class ItemFeatures:
    """Content and trends of the products of an interaction matrix, in the order of its columns."""

    content: Csr
    """Products x content features; the row of a product without content is empty."""
    trends: Tensor
    """float32 of shape (products): recent demand relative to the average product; 1 if unknown."""

    @classmethod
    def from_table(cls, product_features: pa.Table, products: IdMap, config: TrainConfig) -> "ItemFeatures":
        """Build the features from the rows of marts.ml_product_features at one cutoff."""
        return cls(
            build_content_features(product_features, products, config),
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


def build_content_features(product_features: pa.Table, products: IdMap, config: TrainConfig) -> Csr:
    """Return products x content features; every row that is not empty has the Euclidean norm 1.

    `product_features` has product_id, product_name, category, brand and price (null if unknown), one row per product.
    The features are categories, brands, price bands and the frequent words of names. A feature that only one product
    has carries no information about other products, so it is dropped.
    """
    require_columns(product_features, ("product_id", "product_name", "category", "brand", "price"), "product features")
    features = product_features.filter(pc.is_in(product_features["product_id"].cast(pa.large_string()), products.ids))
    position = products.get_positions(features["product_id"])
    word_rows, words = _find_frequent_words(features["product_name"], config.max_content_words)
    all_rows = np.arange(len(features))
    feature_groups = [
        (all_rows, features["category"]),
        (all_rows, features["brand"]),
        (all_rows, _assign_price_bands(features["price"], config.content_price_bands)),
        (word_rows, words),
    ]
    rows, columns, first_column = list[Positions](), list[Positions](), 0
    for group_rows, values in feature_groups:
        codes, code_count = _encode_shared_values(values)
        rows.append(position[group_rows[codes >= 0]])
        columns.append(first_column + codes[codes >= 0])
        first_column += code_count
    width = max(first_column, 1)
    pairs = torch.from_numpy(np.unique(np.concatenate(rows) * width + np.concatenate(columns)))
    features = Csr.from_pairs(pairs // width, pairs % width, torch.ones(len(pairs)), (len(products), width))
    inverse_norms = features.lengths.clamp(min=1).float().rsqrt()
    return features.replace_values(torch.repeat_interleave(inverse_norms, features.lengths))


def _find_frequent_words(names: pa.ChunkedArray, max_words: int) -> tuple[Positions, pa.Array]:
    """Return the occurrences of the `max_words` most frequent words: the row of the name, and the word."""
    lists = pc.split_pattern_regex(pc.utf8_lower(names.cast(pa.large_string())), WORD_SEPARATOR).combine_chunks()
    words, rows = pc.list_flatten(lists), pc.list_parent_indices(lists)
    counts = pc.value_counts(words)
    order = pc.sort_indices(
        pa.table({"word": counts.field("values"), "products": counts.field("counts")}),
        [("products", "descending"), ("word", "ascending")],
    )
    frequent = (
        counts.field("values")
        .take(order)
        .filter(pc.not_equal(counts.field("values").take(order), ""))
        .slice(0, max_words)
    )
    is_frequent = pc.is_in(words, frequent)
    return rows.filter(is_frequent).to_numpy(), words.filter(is_frequent)


def _assign_price_bands(prices: pa.ChunkedArray, band_count: int) -> pa.Array:
    """Return the quantile band of each price, null for an unknown price."""
    values = prices.to_numpy().astype(np.float64)
    is_known = np.isfinite(values)
    edges = np.quantile(values[is_known], np.linspace(0, 1, band_count + 1)[1:-1]) if is_known.any() else np.zeros(0)
    return pa.array(np.searchsorted(edges, np.nan_to_num(values), side="right"), mask=~is_known)


def _encode_shared_values(values: pa.Array | pa.ChunkedArray) -> tuple[Positions, int]:
    """Return a code for each value that occurs more than once (-1 otherwise), and the number of codes."""
    counts = pc.value_counts(values.drop_null())
    shared = counts.field("values").filter(pc.greater(counts.field("counts"), 1)).sort()
    codes = pc.fill_null(pc.index_in(values, value_set=shared, skip_nulls=True), -1)
    return np.asarray(codes, dtype=np.int64), len(shared)
