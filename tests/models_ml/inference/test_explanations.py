"""Contributions of past interactions to scores."""

import pytest
import torch

from models_ml.als.trainer import fit
from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr
from models_ml.inference.explanations import find_strongest_reasons, iter_contributions


@pytest.mark.parametrize("factors", [4, 64])
def test_contributions_add_up_to_score(strength: Csr, factors: int) -> None:
    model = fit(strength, TrainConfig(factors=factors, device="cpu"), 4)
    candidates = torch.arange(40).expand(60, 40)
    scores = model.fold_in(strength) @ model.product_factors.T
    rows_seen = 0
    for block, parts in iter_contributions(model, strength, candidates):
        rows_seen += len(block.rows)
        torch.testing.assert_close(parts.sum(2), scores[block.rows], rtol=1e-3, atol=1e-5)
        padding = block.root_confidence == 0
        assert not parts.mT[padding].any()
    assert rows_seen == 60


def test_influence_equals_closed_form(strength: Csr) -> None:
    model = fit(strength, TrainConfig(factors=8, device="cpu"), 4)
    row = strength.slice_rows(0, 1)
    (block,) = model.iter_history_blocks(row)
    confidence = model.confidence.transform(row)
    fixed = model.product_factors.double()
    history = fixed[confidence.columns.long()]
    weights = confidence.values.double()
    penalty = model.regularization * (weights.sum() + model.unobserved_pair_weight * len(fixed))
    matrix = (
        history.T @ (weights[:, None] * history)
        + model.unobserved_pair_weight * fixed.T @ fixed
        + penalty * torch.eye(8)
    )
    expected = (weights[:, None] * history) @ torch.linalg.inv(matrix)
    torch.testing.assert_close(block.compute_influence()[0].double(), expected, rtol=1e-3, atol=1e-5)


def test_strongest_reasons_and_shares(strength: Csr) -> None:
    model = fit(strength, TrainConfig(factors=16, device="cpu"), 4)
    candidates = torch.arange(40).repeat(60, 1)
    candidates[:, 5] = -1
    reasons, shares = find_strongest_reasons(model, strength, candidates)
    assert (reasons[:, 5] == -1).all()
    for block, parts in iter_contributions(model, strength, candidates):
        for row, past, of_row in zip(block.rows.tolist(), block.products.tolist(), parts, strict=True):
            for slot, product in enumerate(candidates[row].tolist()):
                others = {
                    other: float(part)
                    for other, part in zip(past, of_row[slot], strict=True)
                    if other != product and part > 0 and product >= 0
                }
                if not others:
                    assert reasons[row, slot] == -1
                    assert shares[row, slot] == 0
                    continue
                strongest = max(others, key=others.__getitem__)
                assert reasons[row, slot] == strongest
                assert float(shares[row, slot]) == pytest.approx(others[strongest] / sum(others.values()), rel=1e-4)
