"""The products that SQL chooses from: every known customer's best, with reasons, before the shop's rules."""

import pyarrow as pa
import torch
from torch import Tensor

from models_ml.reasons import strongest_reasons
from models_ml.recommender import Recommender
from models_ml.scoring import top_n
from models_ml.sparse import Csr


def candidate_table(recommender: Recommender, n: int, purchased: Csr) -> pa.Table:
    """Return ml.candidates for every known customer, best first, with reasons.

    A customer has the `n` best of the products they have not bought, and of those in `purchased` (users x products)
    the ones among their `n` best of all: SQL decides whether bought products may be offered, and has enough either
    way. Columns run_id, user_id, product_id, rank (from 1), score, reason_product_id, reason_share.
    """
    model, history = recommender.model, recommender.history
    factors = model.user_factors(history)
    block_rows = recommender.card.config.block_rows(len(recommender.products))
    new = top_n(factors, model.offered_factors, n, purchased, block_rows)
    best = top_n(factors, model.offered_factors, n, None, block_rows)
    positions, scores = _merged(new, best, len(recommender.products))
    reasons, shares = strongest_reasons(model, history, positions)
    found = positions >= 0
    user, rank = torch.nonzero(found, as_tuple=True)
    reason = reasons[found].cpu().numpy()
    return pa.table(
        {
            "run_id": pa.repeat(recommender.card.run_id, len(user)),
            "user_id": recommender.users.take(user.cpu().numpy()),
            "product_id": recommender.products.take(positions[found].cpu().numpy()),
            "rank": pa.array((rank + 1).int().cpu().numpy()),
            "score": pa.array(scores[found].double().cpu().numpy()),
            "reason_product_id": recommender.products.take(reason),
            "reason_share": pa.array(shares[found].double().cpu().numpy(), mask=reason < 0),
        }
    )


def _merged(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor], products: int) -> tuple[Tensor, Tensor]:
    """Return positions and scores of both top lists as one, best first, every product once; -1 where none is left."""
    row = torch.arange(len(one[0]), device=one[0].device)[:, None] * products
    is_new = ~torch.isin(row + other[0], row + one[0]) & (other[0] >= 0)
    positions = torch.cat((one[0], other[0].where(is_new, -1)), dim=1)
    scores = torch.cat((one[1], other[1].where(is_new, -torch.inf)), dim=1)
    # Two stable sorts: by score, and by position where scores are equal.
    by_position = positions.argsort(dim=1, stable=True)
    by_score = scores.gather(1, by_position).argsort(dim=1, descending=True, stable=True)
    order = by_position.gather(1, by_score)
    return positions.gather(1, order), scores.gather(1, order)
