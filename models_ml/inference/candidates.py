"""The products that SQL chooses from: every known customer's best, with reasons, before the shop's rules."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import torch
from torch import Tensor

from models_ml.data.sparse import Csr, iter_row_blocks
from models_ml.inference.explanations import find_strongest_reasons
from models_ml.inference.recommender import Recommender
from models_ml.inference.scoring import BlockScorer, select_top_n

CELLS_PER_CANDIDATE = 64
"""Size of a candidate in 32-bit numbers, with its ids as text, its reason, and what finding them takes for a moment."""


@dataclass(frozen=True)
class Candidates:
    """ml.candidates for every known customer, best first, with reasons, computed while they are read.

    A customer has the `n` best of the products they have not bought, and of those in `purchased` (users x products)
    the ones among their `n` best of all: SQL decides whether bought products may be offered, and has enough either
    way. Columns run_id, user_id, product_id, rank (from 1), score, reason_product_id, reason_share.
    """

    recommender: Recommender
    n: int
    purchased: Csr

    @classmethod
    def create(cls, model: Recommender, interactions: pa.Table) -> "Candidates":
        """Score for the customers of `rows`, a dataset's interactions as of now; the model may be older than they are.

        Raises ModelError when the model knows none of their products.
        """
        recommender = model.replace_histories(interactions)
        bought = model.filter_known_products(interactions.filter(interactions["has_purchased"]))
        users, products = (
            torch.from_numpy(ids.get_positions(bought[name]))
            for ids, name in ((recommender.users, "user_id"), (recommender.products, "product_id"))
        )
        shape = (len(recommender.users), len(recommender.products))
        purchased = Csr.from_pairs(users, products, torch.ones(len(users)), shape)
        return cls(
            recommender, recommender.card.config.candidates_per_user, purchased.to(recommender.history.values.device)
        )

    def iter_blocks(self) -> Iterator[pa.Table]:
        """Yield the table in blocks of customers that fit the config's `block_mib`."""
        model, history, products = (
            self.recommender.factor_model,
            self.recommender.history,
            len(self.recommender.products),
        )
        block_rows = self.recommender.card.config.compute_block_rows(max(products, CELLS_PER_CANDIDATE * self.n))
        scorer = BlockScorer(model.scoring_factors, min(block_rows, history.row_count))
        for start, stop in iter_row_blocks(history.row_count, block_rows):
            past = history.slice_rows(start, stop)
            scores = scorer.score(model.fold_in(past))
            best = select_top_n(scores, self.n)
            new = select_top_n(scores, self.n, self.purchased.slice_rows(start, stop))
            positions, merged = _merge_top_lists(new, best, products)
            yield self._build_table(start, positions, merged, *find_strongest_reasons(model, past, positions))

    def to_table(self) -> pa.Table:
        """Return all of it at once."""
        return pa.concat_tables(self.iter_blocks())

    def _build_table(
        self, first_user: int, positions: Tensor, scores: Tensor, reasons: Tensor, shares: Tensor
    ) -> pa.Table:
        users, products = self.recommender.users, self.recommender.products
        found = positions >= 0
        user, rank = torch.nonzero(found, as_tuple=True)
        reason = reasons[found].cpu().numpy()
        return pa.table(
            {
                "run_id": pa.repeat(self.recommender.card.run_id, len(user)),
                "user_id": users.take_ids((first_user + user).cpu().numpy()),
                "product_id": products.take_ids(positions[found].cpu().numpy()),
                "rank": pa.array((rank + 1).int().cpu().numpy()),
                "score": pa.array(scores[found].double().cpu().numpy()),
                "reason_product_id": products.take_ids(reason),
                "reason_share": pa.array(shares[found].double().cpu().numpy(), mask=reason < 0),
            }
        )


def _merge_top_lists(
    first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], product_count: int
) -> tuple[Tensor, Tensor]:
    """Return positions and scores of both top lists as one, best first, every product once; -1 where none is left."""
    row = torch.arange(len(first[0]), device=first[0].device)[:, None] * product_count
    is_new = ~torch.isin(row + second[0], row + first[0]) & (second[0] >= 0)
    positions = torch.cat((first[0], second[0].where(is_new, -1)), dim=1)
    scores = torch.cat((first[1], second[1].where(is_new, -torch.inf)), dim=1)
    # Two stable sorts: by score, and by position where scores are equal.
    by_position = positions.argsort(dim=1, stable=True)
    by_score = scores.gather(1, by_position).argsort(dim=1, descending=True, stable=True)
    order = by_position.gather(1, by_score)
    return positions.gather(1, order), scores.gather(1, order)
