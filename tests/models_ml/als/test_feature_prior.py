"""Tests of the prior from declared features and its effect on training."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from models_ml.als.feature_prior import FeaturePrior
from models_ml.als.trainer import AlsTrainer, fit
from models_ml.config import TrainConfig
from models_ml.data.id_map import IdMap
from models_ml.data.item_features import ItemFeatures
from models_ml.data.sparse import Csr
from tests.models_ml.synthetic_tables import build_features, build_product_features, to_csr, to_dense

CATEGORIES = {f"p{product:02}": f"category {product % 3}" for product in range(40)}


def build_item_features(features: pa.Table, config: TrainConfig) -> ItemFeatures:
    products = IdMap(features["product_id"], "product")
    return ItemFeatures.from_tables(features, build_features(features), products, config)


@pytest.fixture
def two_preference_groups() -> tuple[Csr, pa.Table]:
    """Interactions and features of customers who prefer even or odd products; the last four products are new."""
    rng = np.random.default_rng(3)
    customer_count, product_count, new_count = 80, 40, 4
    is_preferred = np.arange(product_count) % 2 == np.arange(customer_count)[:, None] % 2
    has_interaction = rng.random((customer_count, product_count)) < np.where(is_preferred, 0.4, 0.02)
    has_interaction[:, -new_count:] = False
    has_interaction[np.arange(customer_count), np.arange(customer_count) % 2] = True
    categories = {f"p{product:02}": ("even", "odd")[product % 2] for product in range(product_count)}
    features = build_product_features("now", dict.fromkeys(categories, 1.0), category=categories)
    return to_csr(has_interaction.astype(float)), features


def test_predictions_equal_ridge_regression(config: TrainConfig) -> None:
    rng = np.random.default_rng(0)
    content = to_csr(rng.random((12, 5)) * (rng.random((12, 5)) < 0.6) + np.eye(12, 5))
    customer_counts, factors = rng.integers(0, 40, 12), rng.normal(size=(12, 3))
    prior = FeaturePrior.create(content, torch.from_numpy(customer_counts).float(), 10.0, config)
    assert prior is not None
    design = to_dense(content)
    weights = customer_counts / (customer_counts + 10)
    matrix = design.T @ (weights[:, None] * design) + config.feature_ridge * np.eye(5)
    expected = design @ np.linalg.solve(matrix, design.T @ (weights[:, None] * factors))
    np.testing.assert_allclose(prior.predict_factors(torch.from_numpy(factors).float()), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(prior.weight, np.where(customer_counts > 0, 1 - weights, 0), rtol=1e-6)


def test_product_factors_with_prior_are_exact(strength: Csr) -> None:
    config = TrainConfig(factors=6, cg_steps=40, device="cpu")
    features = build_product_features("now", dict.fromkeys(CATEGORIES, 0.0), category=CATEGORIES)
    trainer = AlsTrainer(strength, config, build_item_features(features, config))
    trainer.train_epoch()
    prior = trainer.product_prior
    assert prior is not None
    eigenvalues = trainer._rotate(trainer.user_factors)
    predicted = prior.predict_factors(trainer.product_factors).double().numpy()
    users = trainer.user_factors.double().numpy()
    trainer._improve_products(eigenvalues)
    confidence = to_dense(trainer.product_side.confidence)
    penalty = trainer.product_side.penalty.double().numpy()
    for product, weights in enumerate(confidence):
        matrix = users.T @ (weights[:, None] * users) + trainer.unobserved_pair_weight * users.T @ users
        target = users.T @ weights + penalty[product] * float(prior.weight[product]) * predicted[product]
        expected = np.linalg.solve(matrix + penalty[product] * np.eye(6), target)
        np.testing.assert_allclose(trainer.product_factors[product], expected, rtol=1e-3, atol=1e-5)


def test_new_products_score_by_category(two_preference_groups: tuple[Csr, pa.Table], config: TrainConfig) -> None:
    strength, features = two_preference_groups
    model = fit(strength, config, 5, item_features=build_item_features(features, config))
    scores = model.fold_in(strength) @ model.scoring_factors[-4:].T
    even, odd = scores[::2].mean(0), scores[1::2].mean(0)
    assert (even[[0, 2]] > 2 * odd[[0, 2]]).all()
    assert (odd[[1, 3]] > 2 * even[[1, 3]]).all()


def test_new_products_do_not_change_scores(two_preference_groups: tuple[Csr, pa.Table], config: TrainConfig) -> None:
    strength, features = two_preference_groups
    strength_without_new = Csr(strength.row_starts, strength.columns, strength.values, strength.column_count - 4)
    config = config.model_copy(update={"content_prior_customers": 0})
    initial_factors = torch.randn((40, config.factors), generator=torch.Generator().manual_seed(1))
    with_new, without_new = (
        fit(
            matrix,
            config,
            3,
            initial_product_factors=initial_factors[: matrix.column_count],
            item_features=build_item_features(rows, config),
        )
        for matrix, rows in ((strength, features), (strength_without_new, features.slice(0, 36)))
    )
    torch.testing.assert_close(
        with_new.fold_in(strength) @ with_new.product_factors[:36].T,
        without_new.fold_in(strength_without_new) @ without_new.product_factors[:36].T,
        rtol=1e-4,
        atol=1e-5,
    )
    assert not with_new.product_factors[36:].any()


def test_loss_decreases_with_content_penalty(two_preference_groups: tuple[Csr, pa.Table], config: TrainConfig) -> None:
    strength, features = two_preference_groups
    losses = []
    fit(
        strength,
        config,
        5,
        lambda report: losses.append(report.loss),
        item_features=build_item_features(features, config),
    )
    assert losses == sorted(losses, reverse=True)
    assert 0 < losses[-1] < losses[0] < 1


def test_missing_content_changes_nothing(strength: Csr, config: TrainConfig) -> None:
    ids = dict.fromkeys(CATEGORIES, 0.0)
    without_prior = config.model_copy(update={"content_prior_customers": 0})
    content = build_item_features(build_product_features("now", ids, category=CATEGORIES), config)
    no_content = build_item_features(build_product_features("now", ids), config)
    plain = fit(strength, config, 2).product_factors
    assert torch.equal(plain, fit(strength, without_prior, 2, item_features=content).product_factors)
    assert torch.equal(plain, fit(strength, config, 2, item_features=no_content).product_factors)
    assert not torch.equal(plain, fit(strength, config, 2, item_features=content).product_factors)
