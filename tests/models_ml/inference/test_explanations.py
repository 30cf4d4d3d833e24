"""Tests of contributions and reasons."""

import pytest
import torch

from models_ml.als.trainer import fit
from models_ml.config import TrainConfig
from models_ml.data.sparse import Csr
from models_ml.inference.explanations import find_strongest_reasons, iter_contributions
from models_ml.ranking_model import RankingModel, SelectedParams, fit_ranking_model


def fit_with_graph(strength: Csr, factors: int, graph_weight: float = 0.3) -> RankingModel:
    """Return a model with factors and an item graph."""
    params = SelectedParams(4, 0.0, graph_weight, 0.25)
    return fit_ranking_model(strength, TrainConfig(factors=factors, graph_neighbors=6, device="cpu"), params)


@pytest.mark.parametrize("factors", [4, 64])
@pytest.mark.parametrize("graph_weight", [0.0, 0.3])
def test_contributions_add_up_to_score(strength: Csr, factors: int, graph_weight: float) -> None:
    model = fit_with_graph(strength, factors, graph_weight)
    candidates = torch.arange(40).expand(60, 40)
    scores = model.factors.fold_in(strength) @ model.factors.product_factors.T
    model.graph.add_scores(strength, scores)
    row_count = 0
    for block, contributions, _ in iter_contributions(model, strength, candidates):
        row_count += len(block.rows)
        torch.testing.assert_close(contributions.sum(2), scores[block.rows], rtol=1e-3, atol=1e-5)
        is_padding = block.root_confidence == 0
        assert not contributions.mT[is_padding].any()
    assert row_count == 60


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
    """A product is never its own reason; the share is relative to the positive contributions of other products."""
    model = fit_with_graph(strength, 16)
    candidates = torch.arange(40).repeat(60, 1)
    candidates[:, 5] = -1
    reasons, shares = find_strongest_reasons(model, strength, candidates)
    assert (reasons[:, 5] == -1).all()
    for block, contributions, _ in iter_contributions(model, strength, candidates):
        for row, past, row_contributions in zip(
            block.rows.tolist(), block.products.tolist(), contributions, strict=True
        ):
            for slot, product in enumerate(candidates[row].tolist()):
                others = {
                    past_product: float(contribution)
                    for past_product, contribution in zip(past, row_contributions[slot], strict=True)
                    if past_product != product and contribution > 0 and product >= 0
                }
                if not others:
                    assert reasons[row, slot] == -1
                    assert shares[row, slot] == 0
                    continue
                strongest = max(others, key=others.__getitem__)
                assert reasons[row, slot] == strongest
                assert float(shares[row, slot]) == pytest.approx(others[strongest] / sum(others.values()), rel=1e-4)
