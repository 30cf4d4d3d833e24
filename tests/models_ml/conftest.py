"""A small shop with planted tastes, and a small matrix."""

import numpy as np
import pyarrow as pa
import pytest

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.data.sparse import Csr
from models_ml.evaluation.baselines import OracleFactors
from models_ml.training import TrainingResult, train
from tests.models_ml.synthetic_tables import (
    build_evaluation_pairs,
    build_factor_table,
    build_interactions,
    build_product_features,
    to_csr,
)

WINDOWS = {"validation": (0.8, 0.9), "test": (0.9, 1.0), "now": (1.0, 1.0)}


@pytest.fixture(scope="session")
def config() -> TrainConfig:
    """Settings for tiny data."""
    return TrainConfig(factors=16, device="cpu")


@pytest.fixture(scope="session")
def strength() -> Csr:
    """A random matrix of 60 customers x 40 products with one customer longer than the factors are."""
    rng = np.random.default_rng(1)
    dense = rng.gamma(1.0, 2.0, (60, 40)) * (rng.random((60, 40)) < 0.15)
    dense[0, :30] = rng.gamma(1.0, 2.0, 30)
    dense[np.arange(60), np.arange(60) % 40] = 1.0
    return to_csr(dense)


@pytest.fixture(scope="session")
def shop_and_oracle() -> tuple[Dataset, OracleFactors]:
    """300 customers and 120 products whose pairs follow planted tastes, in three as_ofs, and the truth."""
    rng = np.random.default_rng(2)
    users, products = 300, 120
    tastes, traits = rng.normal(size=(users, 4)), rng.normal(size=(products, 4))
    appeal = rng.normal(size=products)
    pairs = []
    for user, logits in enumerate(1.2 * tastes @ traits.T + appeal):
        chance = np.exp(logits - logits.max())
        chosen = rng.choice(products, 25, replace=False, p=chance / chance.sum())
        pairs += [(f"u{user}", f"p{product}", rng.random(), 0.1 + rng.gamma(1.0, 2.0)) for product in chosen]
    interactions, features, evaluation = [], [], []
    for name, (start, end) in WINDOWS.items():
        before = [pair for pair in pairs if pair[2] < start]
        known = {pair[0] for pair in before}
        interactions.append(build_interactions(name, int(start * 100), [(u, p, s, s > 3) for u, p, _, s in before]))
        counts = {f"p{product}": 0.0 for product in range(products)}
        for _, product, _, _ in before:
            counts[product] += 1
        features.append(build_product_features(name, counts))
        evaluation.append(
            build_evaluation_pairs(name, [(u, p, u in known) for u, p, t, _ in pairs if start <= t < end])
        )
    oracle = (
        build_factor_table("user_id", "u", np.c_[1.2 * tastes, np.ones(users)]),
        build_factor_table("product_id", "p", np.c_[traits, appeal]),
    )
    return Dataset.from_tables(
        pa.concat_tables(interactions), pa.concat_tables(features), pa.concat_tables(evaluation)
    ), oracle


@pytest.fixture(scope="session")
def shop(shop_and_oracle: tuple[Dataset, OracleFactors]) -> Dataset:
    """What is known of the shop."""
    return shop_and_oracle[0]


@pytest.fixture(scope="session")
def oracle(shop_and_oracle: tuple[Dataset, OracleFactors]) -> OracleFactors:
    """The truth about the shop."""
    return shop_and_oracle[1]


@pytest.fixture(scope="session")
def trained(shop: Dataset, oracle: OracleFactors, config: TrainConfig) -> TrainingResult:
    """The whole flow on the shop; not to be changed."""
    return train(shop, config, "run-1", oracle_factors=oracle)
