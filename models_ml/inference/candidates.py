"""Candidates: the best products of every known customer with reasons, before SQL applies the merchandising rules."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import torch
from torch import Tensor

from models_ml.data.sparse import Csr, iter_row_blocks
from models_ml.data.top_n import select_top_n
from models_ml.inference.explanations import find_strongest_reasons
from models_ml.inference.recommender import Recommender
from models_ml.inference.scoring import BlockScorer

CELLS_PER_CANDIDATE = 64
"""Memory per candidate in 32-bit numbers: its ids as text, its reason, and temporary tensors."""


@dataclass(frozen=True)
class Candidates:
    """Rows of ml.candidates for every known customer, in the order of the re-ranking, computed while they are read.

    A customer has the `n` best products among those they have not purchased, the `n` best among those that are not
    `excluded`, and in addition the products that are among their `n` best of all. SQL decides whether purchased
    products may be recommended, and has enough candidates in all cases.

    As in evaluated lists, the re-ranking applies to the products that are not `excluded`. An excluded product keeps the
    rank that its score has. The score of a product is that of the model in both cases.

    Columns: run_id, user_id, product_id, rank (from 1), score, reason_product_id, reason_share.
    """

    recommender: Recommender
    n: int
    purchased: Csr
    """Pairs of a user and a purchased product, users x products."""
    excluded: Csr
    """The pairs of `purchased` that are not due, users x products."""

    @classmethod
    def create(cls, model: Recommender, interactions: pa.Table) -> "Candidates":
        """Prepare candidates for the customers of `interactions`, the rows of a dataset at the cutoff 'now'.

        The model may be older than the interactions.

        Raises:
            ModelError: No product of the interactions is known.
        """
        recommender = model.replace_histories(interactions)
        purchases = model.filter_known_products(interactions.filter(interactions["has_purchased"]))
        users, products = (
            torch.from_numpy(ids.get_positions(purchases[name]))
            for ids, name in ((recommender.users, "user_id"), (recommender.products, "product_id"))
        )
        is_excluded = ~torch.from_numpy(purchases["is_due"].to_numpy())
        purchased, excluded = (
            Csr.from_pairs(users[mask], products[mask], torch.ones(int(mask.sum())), recommender.history.shape).to(
                recommender.history.values.device
            )
            for mask in (torch.ones_like(is_excluded), is_excluded)
        )
        return cls(recommender, recommender.card.config.candidates_per_user, purchased, excluded)

    def iter_blocks(self) -> Iterator[pa.Table]:
        """Yield the table in blocks of customers that fit the config's `block_mib`."""
        model, history = self.recommender.model, self.recommender.history
        product_count = len(self.recommender.products)
        block_rows = self.recommender.card.config.compute_block_rows(max(product_count, CELLS_PER_CANDIDATE * self.n))
        features = self.recommender.customer_features.select(self.recommender.users.ids).to(history.values.device)
        reranker = self.recommender.reranker
        has_due_products = self.excluded.entry_count < self.purchased.entry_count
        repeat_terms = model.weight_repeats(self.recommender.repeat_scores)
        scorer = BlockScorer(model.factors.scoring_factors, min(block_rows, history.row_count))
        for start, stop in iter_row_blocks(history.row_count, block_rows):
            block, block_features = history.slice_rows(start, stop), features.slice_rows(start, stop)
            scores = scorer.score(model.factors.fold_in(block, block_features))
            model.graph.add_scores(block, scores)
            block_terms = None if repeat_terms is None else repeat_terms.slice_rows(start, stop)
            if block_terms is not None:
                block_terms.add_to(scores)
            top_products = select_top_n(scores, self.n)
            # Each selection removes its excluded products from the scores.
            best_allowed = select_top_n(scores, self.n, self.excluded.slice_rows(start, stop))
            merged = _merge_top_lists(best_allowed, top_products, product_count)
            if has_due_products:
                best_unpurchased = select_top_n(scores, self.n, self.purchased.slice_rows(start, stop))
                merged = _merge_top_lists(merged, best_unpurchased, product_count)
            positions, merged_scores = merged
            if reranker.is_active:
                reranked = reranker.rerank(*best_allowed, block)
                positions, merged_scores = _replace_in_order(positions, merged_scores, reranked, product_count)
            reasons, shares = find_strongest_reasons(model, block, positions, block_features, block_terms)
            yield self._build_table(start, positions, merged_scores, reasons, shares)

    def _build_table(
        self, first_user: int, positions: Tensor, scores: Tensor, reasons: Tensor, shares: Tensor
    ) -> pa.Table:
        users, products = self.recommender.users, self.recommender.products
        is_filled = positions >= 0
        user, rank = torch.nonzero(is_filled, as_tuple=True)
        reason = reasons[is_filled].cpu().numpy()
        return pa.table(
            {
                "run_id": pa.repeat(self.recommender.card.run_id, len(user)),
                "user_id": users.take_ids((first_user + user).cpu().numpy()),
                "product_id": products.take_ids(positions[is_filled].cpu().numpy()),
                "rank": pa.array((rank + 1).int().cpu().numpy()),
                "score": pa.array(scores[is_filled].double().cpu().numpy()),
                "reason_product_id": products.take_ids(reason),
                "reason_share": pa.array(shares[is_filled].double().cpu().numpy(), mask=reason < 0),
            }
        )


def _merge_top_lists(
    first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], product_count: int
) -> tuple[Tensor, Tensor]:
    """Merge two top lists per row, each given as positions and scores of shape (rows, ranks).

    Returns positions and scores, best first, without duplicates; ties are ordered by position, and the end of a row is
    padded with position -1.
    """
    row_offset = torch.arange(len(first[0]), device=first[0].device)[:, None] * product_count
    first_keys = (row_offset + first[0])[first[0] >= 0]
    is_new = ~torch.isin(row_offset + second[0], first_keys) & (second[0] >= 0)
    positions = torch.cat((first[0], second[0].where(is_new, -1)), dim=1)
    scores = torch.cat((first[1], second[1].where(is_new, -torch.inf)), dim=1)
    # A stable sort by score after a sort by position orders ties by position.
    by_position = positions.argsort(dim=1, stable=True)
    by_score = scores.gather(1, by_position).argsort(dim=1, descending=True, stable=True)
    order = by_position.gather(1, by_score)
    return positions.gather(1, order), scores.gather(1, order)


def _replace_in_order(
    positions: Tensor, scores: Tensor, new_order: tuple[Tensor, Tensor], product_count: int
) -> tuple[Tensor, Tensor]:
    """Return lists in which the products of `new_order` share their places among themselves in its order.

    `positions` and `scores` are those of `_merge_top_lists`; `new_order` has positions and scores of some of the
    products of each row.
    """
    row_offset = torch.arange(len(positions), device=positions.device)[:, None] * product_count
    is_filled = new_order[0] >= 0
    is_replaced = torch.isin(row_offset + positions, (row_offset + new_order[0])[is_filled]) & (positions >= 0)
    positions, scores = positions.clone(), scores.clone()
    positions[is_replaced], scores[is_replaced] = new_order[0][is_filled], new_order[1][is_filled]
    return positions, scores
