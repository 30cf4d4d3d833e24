"""What is known of products besides their customers, and the factors that one would expect from it.

Product factors are regressed on content (category, brand, price band, words of the name), and products with few
customers are pulled to what the regression says: Agarwal, Chen, "Regression-based latent factor models" (KDD 2009). A
product that nobody has dealt with yet has those factors as they are.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from models_ml.als.solver import row_blocks
from models_ml.config import TrainConfig
from models_ml.data.columns import require_columns
from models_ml.data.id_map import IdMap
from models_ml.data.sparse import Csr

Positions = npt.NDArray[np.int64]

NOT_IN_A_WORD = r"[^\pL\pN]+"


def content_features(product_features: pa.Table, products: IdMap, config: TrainConfig) -> Csr:
    """Return `products` x features: one each for what a product has, in rows of length 1; empty where nothing is known.

    `product_features` has product_id, product_name, category, brand and price, null where unknown, one row per product.
    A feature that only one product has tells nothing about another, so it is left out.
    """
    require_columns(product_features, ("product_id", "product_name", "category", "brand", "price"), "product features")
    known = product_features.filter(pc.is_in(product_features["product_id"].cast(pa.large_string()), products.ids))
    position = products.positions(known["product_id"])
    word_of, words = _words(known["product_name"], config.content_words)
    every = np.arange(len(known))
    parts = [
        (every, known["category"]),
        (every, known["brand"]),
        (every, _price_bands(known["price"], config.content_price_bands)),
        (word_of, words),
    ]
    rows, columns, start = list[Positions](), list[Positions](), 0
    for row, values in parts:
        codes, several = _codes(values)
        rows.append(position[row[codes >= 0]])
        columns.append(start + codes[codes >= 0])
        start += several
    width = max(start, 1)
    pairs = torch.from_numpy(np.unique(np.concatenate(rows) * width + np.concatenate(columns)))
    features = Csr.from_pairs(pairs // width, pairs % width, torch.ones(len(pairs)), (len(products), width))
    norms = features.lengths.clamp(min=1).float().rsqrt()
    return features.with_values(torch.repeat_interleave(norms, features.lengths))


def _words(names: pa.ChunkedArray, most: int) -> tuple[Positions, pa.Array]:
    """Return the most frequent words of the names: each one's row, and the word."""
    lists = pc.split_pattern_regex(pc.utf8_lower(names.cast(pa.large_string())), NOT_IN_A_WORD).combine_chunks()
    words, rows = pc.list_flatten(lists), pc.list_parent_indices(lists)
    counts = pc.value_counts(words)
    order = pc.sort_indices(
        pa.table({"word": counts.field("values"), "products": counts.field("counts")}),
        [("products", "descending"), ("word", "ascending")],
    )
    frequent = (
        counts.field("values").take(order).filter(pc.not_equal(counts.field("values").take(order), "")).slice(0, most)
    )
    kept = pc.is_in(words, frequent)
    return rows.filter(kept).to_numpy(), words.filter(kept)


def _price_bands(prices: pa.ChunkedArray, bands: int) -> pa.Array:
    """Return the prices' quantile bands, null where there is no price."""
    values = prices.to_numpy().astype(np.float64)
    known = np.isfinite(values)
    edges = np.quantile(values[known], np.linspace(0, 1, bands + 1)[1:-1]) if known.any() else np.zeros(0)
    return pa.array(np.searchsorted(edges, np.nan_to_num(values), side="right"), mask=~known)


def _codes(values: pa.Array | pa.ChunkedArray) -> tuple[Positions, int]:
    """Return a number for each value that occurs more than once, -1 for the others and null, and how many there are."""
    counts = pc.value_counts(values.drop_null())
    several = counts.field("values").filter(pc.greater(counts.field("counts"), 1)).sort()
    codes = pc.fill_null(pc.index_in(values, value_set=several, skip_nulls=True), -1)
    return np.asarray(codes, dtype=np.int64), len(several)


@dataclass(frozen=True)
class ContentPrior:
    """The ridge regression of product factors on content features."""

    features: Csr
    """products x features."""
    lean: Tensor
    """float32 of shape (products): how much a product leans on its content, from 0 (not at all) to 1 (wholly)."""
    weighted: Csr
    """features x products: what each product adds to the regression, more the more customers it has."""
    root: Tensor
    """float64 of shape (features, features): Cholesky factor of the regression's matrix."""

    @classmethod
    def of(cls, features: Csr, customers: Tensor, config: TrainConfig) -> "ContentPrior | None":
        """Take `features` and each product's number of `customers`; None when content is left out or unknown."""
        if not config.content_customers or not len(features.values):
            return None
        lean = config.content_customers / (customers + config.content_customers)
        lean = lean.masked_fill(features.lengths == 0, 0)
        trust = customers / (customers + config.content_customers)
        by_product = torch.repeat_interleave(trust, features.lengths)
        weighted = features.with_values(features.values * by_product)
        matrix = config.content_ridge * torch.eye(features.n_columns, dtype=torch.float64, device=trust.device)
        for start, stop in row_blocks(features.n_rows, config.block_rows(features.n_columns)):
            # A product has a handful of features: with 200,000 products and 1,500 features a dense product takes 5.2 s,
            # this one 1.2.
            block = weighted.slice_rows(start, stop).transposed().as_torch()
            matrix += (block @ features.slice_rows(start, stop).as_torch().to_dense()).double()
        return cls(features, lean.float(), weighted.transposed(), torch.linalg.cholesky(matrix))

    def expected(self, factors: Tensor) -> Tensor:
        """Return the factors (products, factors) that content tells, given the present `factors` of the products."""
        target = (self.weighted.as_torch() @ factors).double()
        coefficients = torch.cholesky_solve(target, self.root).float()
        told: Tensor = self.features.as_torch() @ coefficients
        return told
