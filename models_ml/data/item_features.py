"""What training knows of products besides their customers."""

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
    """Content and trends of the products of a matrix, in the order of its columns."""

    content: Csr
    """products x features; an empty row where nothing is known."""
    trends: Tensor
    """float32 of shape (products): how much more they are in demand lately; 1 where nothing is known."""

    @classmethod
    def from_table(cls, product_features: pa.Table, products: IdMap, config: TrainConfig) -> "ItemFeatures":
        """Take them from the rows of one as_of of marts.ml_product_features."""
        return cls(
            build_content_features(product_features, products, config),
            compute_product_trends(product_features, products, config),
        )

    @classmethod
    def empty(cls, product_count: int) -> "ItemFeatures":
        """Return the facts where nothing is known of any product."""
        nothing = torch.empty(0, dtype=torch.int32)
        content = Csr(torch.zeros(product_count + 1, dtype=torch.int32), nothing, torch.empty(0), 1)
        return cls(content, torch.ones(product_count))

    def to(self, device: torch.device) -> "ItemFeatures":
        """Return the facts on `device`."""
        return ItemFeatures(self.content.to(device), self.trends.to(device))


def compute_product_trends(product_features: pa.Table, products: IdMap, config: TrainConfig) -> Tensor:
    """Return the share of a product's customers who were active on it lately, over that of all products' customers.

    `product_features` has product_id, popularity (customers) and active_users_28d, one row per product. The result
    is float32 of shape (products); few customers leave it near 1, none at 1.
    """
    require_columns(product_features, ("product_id", "popularity", "active_users_28d"), "product features")
    position = products.find_positions(product_features["product_id"])
    customers, lately = (
        product_features[name].to_numpy().astype(np.float64)[position >= 0]
        for name in ("popularity", "active_users_28d")
    )
    trends = torch.ones(len(products))
    if lately.sum() > 0:
        usual = lately.sum() / customers.sum()
        ratio = (lately / usual + config.trend_prior_customers) / (customers + config.trend_prior_customers)
        trends[torch.from_numpy(position[position >= 0])] = torch.from_numpy(
            np.where(customers > 0, ratio, 1).astype(np.float32)
        )
    return trends


def build_content_features(product_features: pa.Table, products: IdMap, config: TrainConfig) -> Csr:
    """Return `products` x features: one each for what a product has, in rows of length 1; empty where nothing is known.

    `product_features` has product_id, product_name, category, brand and price, null where unknown, one row per product.
    A feature that only one product has tells nothing about another, so it is left out.
    """
    require_columns(product_features, ("product_id", "product_name", "category", "brand", "price"), "product features")
    known = product_features.filter(pc.is_in(product_features["product_id"].cast(pa.large_string()), products.ids))
    position = products.get_positions(known["product_id"])
    word_of, words = _find_frequent_words(known["product_name"], config.max_content_words)
    every = np.arange(len(known))
    parts = [
        (every, known["category"]),
        (every, known["brand"]),
        (every, _assign_price_bands(known["price"], config.content_price_bands)),
        (word_of, words),
    ]
    rows, columns, start = list[Positions](), list[Positions](), 0
    for row, values in parts:
        codes, several = _encode_shared_values(values)
        rows.append(position[row[codes >= 0]])
        columns.append(start + codes[codes >= 0])
        start += several
    width = max(start, 1)
    pairs = torch.from_numpy(np.unique(np.concatenate(rows) * width + np.concatenate(columns)))
    features = Csr.from_pairs(pairs // width, pairs % width, torch.ones(len(pairs)), (len(products), width))
    norms = features.lengths.clamp(min=1).float().rsqrt()
    return features.replace_values(torch.repeat_interleave(norms, features.lengths))


def _find_frequent_words(names: pa.ChunkedArray, max_words: int) -> tuple[Positions, pa.Array]:
    """Return the most frequent words of the names: each one's row, and the word."""
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
    kept = pc.is_in(words, frequent)
    return rows.filter(kept).to_numpy(), words.filter(kept)


def _assign_price_bands(prices: pa.ChunkedArray, band_count: int) -> pa.Array:
    """Return the prices' quantile bands, null where there is no price."""
    values = prices.to_numpy().astype(np.float64)
    known = np.isfinite(values)
    edges = np.quantile(values[known], np.linspace(0, 1, band_count + 1)[1:-1]) if known.any() else np.zeros(0)
    return pa.array(np.searchsorted(edges, np.nan_to_num(values), side="right"), mask=~known)


def _encode_shared_values(values: pa.Array | pa.ChunkedArray) -> tuple[Positions, int]:
    """Return a number for each value that occurs more than once, -1 for the others and null, and how many there are."""
    counts = pc.value_counts(values.drop_null())
    several = counts.field("values").filter(pc.greater(counts.field("counts"), 1)).sort()
    codes = pc.fill_null(pc.index_in(values, value_set=several, skip_nulls=True), -1)
    return np.asarray(codes, dtype=np.int64), len(several)
