"""Similar products of every product, before SQL applies the merchandising rules."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import torch

from models_ml.data.sparse import Csr, iter_row_blocks
from models_ml.data.top_n import select_top_n
from models_ml.inference.recommender import Recommender
from models_ml.inference.scoring import BlockScorer
from models_ml.inference.screening import MIN_NORM

MAX_SIMILAR_PRODUCTS = 50
"""Maximum number of similar products of a product: a list is shorter, and rules drop some of them."""


@dataclass(frozen=True)
class SimilarProducts:
    """Rows of ml.similar_products for every product with factors, computed while they are read.

    The products and scores are those of `Recommender.find_similar_products`.

    Columns: run_id, product_id, rank (from 1), similar_product_id, score.
    """

    recommender: Recommender
    n: int = MAX_SIMILAR_PRODUCTS

    def iter_blocks(self) -> Iterator[pa.Table]:
        """Yield the table in blocks of products that fit the config's `block_mib`."""
        factors, graph = self.recommender.model.factors.scoring_factors, self.recommender.model.graph
        directions = torch.nn.functional.normalize(factors, eps=MIN_NORM)
        has_factors = torch.linalg.vector_norm(factors, dim=1) > 0
        product_count = len(factors)
        positions = torch.arange(product_count, device=factors.device)
        # Each row is the history of one product, whose graph score the similarity has too.
        histories = Csr.from_pairs(
            positions, positions, torch.ones(product_count, device=factors.device), (product_count, product_count)
        )
        block_rows = self.recommender.card.config.compute_block_rows(product_count)
        scorer = BlockScorer(directions, min(block_rows, product_count))
        for start, stop in iter_row_blocks(product_count, block_rows):
            block = histories.slice_rows(start, stop)
            scores = scorer.score(directions[start:stop])
            graph.add_scores(block, scores)
            scores[:, :product_count].masked_fill_(~has_factors, -torch.inf)
            scores[~has_factors[start:stop]] = -torch.inf
            yield self._build_table(start, *select_top_n(scores, self.n, block))

    def _build_table(self, first_product: int, positions: torch.Tensor, scores: torch.Tensor) -> pa.Table:
        products = self.recommender.products
        is_filled = positions >= 0
        product, rank = torch.nonzero(is_filled, as_tuple=True)
        return pa.table(
            {
                "run_id": pa.repeat(self.recommender.card.run_id, len(product)),
                "product_id": products.take_ids((first_product + product).cpu().numpy()),
                "rank": pa.array((rank + 1).int().cpu().numpy()),
                "similar_product_id": products.take_ids(positions[is_filled].cpu().numpy()),
                "score": pa.array(scores[is_filled].double().cpu().numpy()),
            }
        )
