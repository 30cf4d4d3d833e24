"""Why a product is recommended: what each past interaction contributes to its score."""

from collections.abc import Iterator

import torch
from torch import Tensor

from models_ml.als.factor_model import FactorModel, HistoryBlock
from models_ml.data.sparse import Csr


def iter_contributions(model: FactorModel, strength: Csr, candidates: Tensor) -> Iterator[tuple[HistoryBlock, Tensor]]:
    """Yield blocks of rows with what each past product adds to each candidate: (rows, candidates, longest).

    `candidates` (rows, n) are product positions for every row of `strength`, -1 for none. A candidate's contributions
    add up to its score; those of padding are zero.
    """
    for block in model.iter_history_blocks(strength, candidates.shape[1]):
        products = model.scoring_factors[candidates[block.rows].clamp(min=0)]
        yield block, products @ block.compute_influence().mT


def find_strongest_reasons(model: FactorModel, strength: Csr, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """Return each candidate's strongest past product (int64, -1 for none) and its share, both (rows, n).

    The share is of the positive contributions of all past products but the candidate itself, which is never its own
    reason. There is no reason where nothing else speaks for the candidate.
    """
    reasons = torch.full_like(candidates, -1)
    shares = torch.zeros(candidates.shape, device=candidates.device)
    for block, parts in iter_contributions(model, strength, candidates):
        rows, past, of_row = block.rows, block.products, candidates[block.rows]
        parts.clamp_(min=0).masked_fill_((past[:, None, :] == of_row[:, :, None]) | (of_row < 0)[:, :, None], 0)
        strongest, slot = parts.max(2)
        spoken_for = strongest > 0
        shares[rows] = torch.where(spoken_for, strongest / parts.sum(2), 0)
        reasons[rows] = torch.where(spoken_for, past.gather(1, slot), -1)
    return reasons, shares
