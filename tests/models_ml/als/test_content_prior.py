"""Tests of the content prior and its effect on training."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from models_ml.als.content_prior import ContentPrior
from models_ml.als.trainer import AlsTrainer, fit
from models_ml.config import TrainConfig
from models_ml.data.id_map import IdMap
from models_ml.data.item_features import ItemFeatures
from models_ml.data.sparse import Csr
from tests.models_ml.synthetic_tables import build_product_features, to_csr, to_dense


def build_item_features(features: pa.Table, config: TrainConfig) -> ItemFeatures:
    return ItemFeatures.from_table(features, IdMap(features["product_id"], "product"), config)


@pytest.fixture
def two_preference_groups() -> tuple[Csr, pa.Table]:
    """Customers who take either even or odd products; the last four products are new, two of each kind."""
    rng = np.random.default_rng(3)
    customers, products, new = 80, 40, 4
    taken = rng.random((customers, products)) < np.where(
        np.arange(products) % 2 == np.arange(customers)[:, None] % 2, 0.4, 0.02
    )
    taken[:, -new:] = False
    taken[np.arange(customers), np.arange(customers) % 2] = True
    kinds = {f"p{product:02}": ("even", "odd")[product % 2] for product in range(products)}
    return to_csr(taken.astype(float)), build_product_features("now", dict.fromkeys(kinds, 1.0), category=kinds)


def test_predictions_equal_ridge_regression(config: TrainConfig) -> None:
    rng = np.random.default_rng(0)
    content = to_csr(rng.random((12, 5)) * (rng.random((12, 5)) < 0.6) + np.eye(12, 5))
    customers, factors = rng.integers(0, 40, 12), rng.normal(size=(12, 3))
    prior = ContentPrior.create(content, torch.from_numpy(customers).float(), config)
    assert prior is not None
    design, trust = to_dense(content), customers / (customers + config.content_prior_customers)
    matrix = design.T @ (trust[:, None] * design) + config.content_ridge * np.eye(5)
    expected = design @ np.linalg.solve(matrix, design.T @ (trust[:, None] * factors))
    np.testing.assert_allclose(prior.predict_factors(torch.from_numpy(factors).float()), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(prior.content_weight, np.where(content.lengths > 0, 1 - trust, 0), rtol=1e-6)


def test_product_factors_with_prior_are_exact(strength: Csr) -> None:
    config = TrainConfig(factors=6, cg_steps=40, device="cpu")
    kinds = {f"p{product:02}": f"kind {product % 3}" for product in range(40)}
    facts = build_item_features(build_product_features("now", dict.fromkeys(kinds, 0.0), category=kinds), config)
    trainer = AlsTrainer(strength, config, facts)
    trainer.train_epoch()
    prior = trainer.content_prior
    assert prior is not None
    eigenvalues = trainer._rotate(trainer.user_factors)
    expected, users = (
        prior.predict_factors(trainer.product_factors).double().numpy(),
        trainer.user_factors.double().numpy(),
    )
    trainer._improve_products(eigenvalues)
    confidence = to_dense(trainer.product_side.confidence)
    penalty = trainer.product_side.penalty.double().numpy()
    for product, weights in enumerate(confidence):
        matrix = users.T @ (weights[:, None] * users) + trainer.unobserved_pair_weight * users.T @ users
        pulled = users.T @ weights + penalty[product] * float(prior.content_weight[product]) * expected[product]
        solved = np.linalg.solve(matrix + penalty[product] * np.eye(6), pulled)
        np.testing.assert_allclose(trainer.product_factors[product], solved, rtol=1e-3, atol=1e-5)


def test_new_products_score_by_category(two_preference_groups: tuple[Csr, pa.Table], config: TrainConfig) -> None:
    strength, features = two_preference_groups
    model = fit(strength, config, 5, item_features=build_item_features(features, config))
    scores = model.fold_in(strength) @ model.scoring_factors[-4:].T
    even, odd = scores[::2].mean(0), scores[1::2].mean(0)
    assert (even[[0, 2]] > 2 * odd[[0, 2]]).all()
    assert (odd[[1, 3]] > 2 * even[[1, 3]]).all()


def test_new_products_do_not_change_scores(two_preference_groups: tuple[Csr, pa.Table], config: TrainConfig) -> None:
    strength, features = two_preference_groups
    without = Csr(strength.row_starts, strength.columns, strength.values, strength.column_count - 4)
    config = config.model_copy(update={"content_prior_customers": 0})
    started = torch.randn((40, config.factors), generator=torch.Generator().manual_seed(1))
    models = [
        fit(
            matrix,
            config,
            3,
            initial_product_factors=started[: matrix.column_count],
            item_features=build_item_features(rows, config),
        )
        for matrix, rows in ((strength, features), (without, features.slice(0, 36)))
    ]
    torch.testing.assert_close(
        *(
            model.fold_in(matrix) @ model.product_factors[:36].T
            for model, matrix in zip(models, (strength, without), strict=True)
        ),
        rtol=1e-4,
        atol=1e-5,
    )
    assert not models[0].product_factors[36:].any()


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
    kinds = {f"p{product:02}": f"kind {product % 3}" for product in range(40)}
    left_out = config.model_copy(update={"content_prior_customers": 0})
    known = build_item_features(build_product_features("now", dict.fromkeys(kinds, 0.0), category=kinds), config)
    unknown = build_item_features(build_product_features("now", dict.fromkeys(kinds, 0.0)), config)
    plain = fit(strength, config, 2).product_factors
    assert torch.equal(plain, fit(strength, left_out, 2, item_features=known).product_factors)
    assert torch.equal(plain, fit(strength, config, 2, item_features=unknown).product_factors)
    assert not torch.equal(plain, fit(strength, config, 2, item_features=known).product_factors)
