"""Tests of fold-in and of scores with trends and popularity damping."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models_ml.als.trainer import fit
from models_ml.config import TrainConfig
from models_ml.data.item_features import ItemFeatures
from models_ml.data.sparse import Csr
from models_ml.inference.explanations import iter_contributions
from models_ml.neighbors.item_graph import ItemGraph
from models_ml.ranking_model import RankingModel, SelectedParams, fit_ranking_model
from tests.models_ml.als.dense_reference import solve_rows
from tests.models_ml.synthetic_tables import to_dense


@pytest.mark.parametrize("factors", [4, 16, 64])
def test_fold_in_solves_normal_equations(strength: Csr, factors: int) -> None:
    model = fit(strength, TrainConfig(factors=factors, device="cpu"), 3)
    fixed = model.product_factors.double().numpy()
    confidence = to_dense(model.confidence.transform(strength))
    expected = solve_rows(confidence, fixed, model.unobserved_pair_weight, model.regularization)
    np.testing.assert_allclose(model.fold_in(strength).numpy(), expected, rtol=1e-3, atol=1e-5)


def test_fold_in_of_single_history(strength: Csr, config: TrainConfig) -> None:
    model = fit(strength, config, 3)
    users = model.fold_in(strength)
    for row in (0, 1, 59):
        torch.testing.assert_close(
            model.fold_in(strength.slice_rows(row, row + 1))[0], users[row], rtol=1e-4, atol=1e-6
        )


def test_fold_in_of_empty_basket_is_zero(strength: Csr, config: TrainConfig) -> None:
    empty = Csr(torch.zeros(2, dtype=torch.int32), strength.columns[:0], strength.values[:0], strength.column_count)
    assert not fit(strength, config, 1).fold_in(empty).any()


def test_trends_scale_scores_and_contributions(strength: Csr, config: TrainConfig) -> None:
    item_features = replace(ItemFeatures.empty(40), trends=torch.linspace(0.1, 4, 40))
    plain, trending = (fit(strength, config, 3, item_features=item_features, trend_power=power) for power in (0.0, 0.5))
    users = plain.fold_in(strength)
    torch.testing.assert_close(trending.fold_in(strength), users)
    scores = users @ trending.scoring_factors.T
    torch.testing.assert_close(scores, users @ plain.scoring_factors.T * item_features.trends.sqrt())
    all_products = torch.arange(40).expand(60, -1)
    for block, contributions, _ in iter_contributions(
        RankingModel(trending, ItemGraph.empty(40)), strength, all_products
    ):
        torch.testing.assert_close(contributions.sum(2), scores[block.rows], rtol=1e-4, atol=1e-5)


def test_damping_scales_scores_and_contributions(strength: Csr, config: TrainConfig) -> None:
    """Factors are unchanged, and contributions with an item graph add up to the damped scores."""
    params = SelectedParams(3, 0.5, 0.3, 0.25)
    item_features = replace(
        ItemFeatures.empty(40), trends=torch.linspace(0.1, 4, 40), popularity=torch.linspace(5, 0, 40)
    )
    plain, damped = (
        fit_ranking_model(strength, settings, params, item_features=item_features)
        for settings in (config.model_copy(update={"popularity_damping": damping}) for damping in (0.0, 0.4))
    )
    multipliers = item_features.compute_damping(0.4)
    assert torch.equal(damped.factors.product_factors, plain.factors.product_factors)
    torch.testing.assert_close(damped.factors.multipliers, plain.factors.multipliers * multipliers)
    neighbors = plain.graph.neighbors
    torch.testing.assert_close(damped.graph.neighbors.values, neighbors.values * multipliers[neighbors.columns.long()])
    scores = damped.factors.fold_in(strength) @ damped.factors.scoring_factors.T
    damped.graph.add_scores(strength, scores)
    for block, contributions, _ in iter_contributions(damped, strength, torch.arange(40).expand(60, -1)):
        torch.testing.assert_close(contributions.sum(2), scores[block.rows], rtol=1e-4, atol=1e-5)
