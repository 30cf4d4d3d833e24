"""Contributions of past interactions and features to scores.

The contributions to the score of the factors are those of Hu, Koren, Volinsky (ICDM 2008), section 5. The score of the
item graph is the sum of one contribution per past product. A repeat term is a contribution of the product itself.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from models_ml.als.factor_model import HistoryBlock
from models_ml.data.sparse import Csr
from models_ml.ranking_model import RankingModel


def iter_contributions(
    model: RankingModel, strength: Csr, candidates: Tensor, features: Csr | None = None
) -> Iterator[tuple[HistoryBlock, Tensor, Tensor]]:
    """Yield blocks of rows with the contributions to each candidate's score.

    `candidates` (rows, n) are product positions for each row of `strength`, -1 for an unused rank; `features` (rows x
    feature values) are the customers' features. The contributions of a row's past products, float32 of (rows, n,
    length), and that of its features together, (rows, n), add up to the candidate's score without a repeat term;
    padding has contribution 0.
    """
    for block in model.factors.iter_history_blocks(strength, features, candidates.shape[1]):
        block_candidates = candidates[block.rows]
        products = model.factors.scoring_factors[block_candidates.clamp(min=0)]
        contributions = products @ block.compute_influence().mT
        if not model.graph.is_empty:
            contributions += model.graph.compute_contributions(strength.select_rows(block.rows), block_candidates)
        if block.prior_rhs is None:
            yield block, contributions, torch.zeros_like(contributions[:, :, 0])
        else:
            from_features = products @ block.compute_prior_influence(block.prior_rhs[:, None]).mT
            yield block, contributions, from_features[:, :, 0]


class ScoreParts(NamedTuple):
    """A score and its parts, whose sum it is, each with the largest first."""

    score: float
    products: list[tuple[int, float]]
    """Position and contribution of each past product."""
    features: list[tuple[int, float]]
    """Column and contribution of each known feature value of the customer."""


def split_score(
    model: RankingModel, history: Csr, position: int, features: Csr | None, repeat_term: float
) -> ScoreParts:
    """Return the parts of the score of the product at `position` for one customer.

    `history` (1 x products) and `features` (1 x feature values) are the customer's. The product's own contribution
    includes its `repeat_term`.
    """
    factors, candidate = model.factors, model.factors.scoring_factors[position]
    candidates = torch.tensor([[position]], device=candidate.device)
    from_graph = model.graph.compute_contributions(history, candidates)[0, 0]
    graph_score = torch.zeros((1, history.column_count), device=candidate.device)
    model.graph.add_scores(history, graph_score)
    score = factors.fold_in(history, features)[0] @ candidate + graph_score[0, position] + repeat_term
    from_products, from_features = list[tuple[int, float]](), list[tuple[int, float]]()
    feature_factors = factors.split_by_feature(features)[None] if features is not None else None
    # One history gives one block, an empty history none.
    for block in factors.iter_history_blocks(history, features):
        from_repeat = repeat_term * (block.products[0] == position)
        parts = (block.compute_influence()[0] @ candidate + from_graph + from_repeat).tolist()
        from_products = sorted(
            zip(block.products[0].tolist(), parts, strict=True), key=lambda part: (-part[1], part[0])
        )
        if feature_factors is not None:
            feature_factors = block.compute_prior_influence(feature_factors * block.prior_weight[:, None, None])
    if features is not None and feature_factors is not None:
        feature_parts = (feature_factors[0] @ candidate).tolist()
        from_features = sorted(zip(features.columns.tolist(), feature_parts, strict=True), key=lambda part: -part[1])
    return ScoreParts(float(score), from_products, from_features)


def find_strongest_reasons(
    model: RankingModel,
    strength: Csr,
    candidates: Tensor,
    features: Csr | None = None,
    repeat_terms: Csr | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the reason of each candidate and the reason's share, both of shape (rows, n).

    The reason is the position (int64) of the past product with the largest positive contribution; a product is never
    its own reason, unless it has a repeat term: its past purchases are then the reason. Without a reason the position
    is -1 and the share 0. The share is relative to the sum of the repeat term and of all positive contributions of
    other products and of the customer's features. `repeat_terms` (rows x products) are those of
    `model.weight_repeats`, the other arguments those of `iter_contributions`.
    """
    reasons = torch.full_like(candidates, -1)
    shares = torch.zeros(candidates.shape, device=candidates.device)
    for block, contributions, from_features in iter_contributions(model, strength, candidates, features):
        rows, past, targets = block.rows, block.products, candidates[block.rows]
        is_ignored = (past[:, None, :] == targets[:, :, None]) | (targets < 0)[:, :, None]
        contributions.clamp_(min=0).masked_fill_(is_ignored, 0)
        strongest, slot = contributions.max(2)
        has_reason = strongest > 0
        total = contributions.sum(2) + from_features.clamp(min=0)
        shares[rows] = torch.where(has_reason, strongest / total, 0)
        reasons[rows] = torch.where(has_reason, past.gather(1, slot), -1)
        if repeat_terms is not None:
            own_terms = repeat_terms.select_rows(rows).get_values(targets)
            shares[rows] = torch.where(own_terms > 0, own_terms / (total + own_terms), shares[rows])
            reasons[rows] = torch.where(own_terms > 0, targets, reasons[rows])
    return reasons, shares
