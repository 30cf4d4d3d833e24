"""Tests of declared features in the model: customers' factors, explanations, new customers, ablations, leakage."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from models_ml.als.feature_prior import FeaturePrior
from models_ml.als.trainer import AlsTrainer, fit
from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.data.dataset_store import Provenance, read_dataset, write_dataset
from models_ml.data.sparse import Csr
from models_ml.inference.candidates import Candidates
from models_ml.inference.explanations import iter_contributions
from models_ml.inference.recommender import Recommender
from models_ml.neighbors.item_graph import ItemGraph
from models_ml.ranking_model import RankingModel
from models_ml.training import TrainingResult, train
from tests.models_ml.synthetic_tables import (
    build_evaluation_pairs,
    build_feature_rows,
    build_interactions,
    build_product_features,
    to_csr,
    to_dense,
)

CUTOFFS = ("validation", "test", "now")


@pytest.fixture(scope="module")
def club_dataset() -> Dataset:
    """A dataset in which the customer's club and the product's shelf decide what a customer buys.

    Ten customers of each club are new in the test window, and the products p0 and p1 are new. The feature `luck` has
    nothing to do with the purchases.
    """
    rng = np.random.default_rng(4)
    customers = [f"u{number:03}" for number in range(160)]
    products = [f"p{number}" for number in range(60)]
    clubs = {customer: ("red", "blue")[number % 2] for number, customer in enumerate(customers)}
    shelves = {product: [("red", "blue")[number % 2], "all"] for number, product in enumerate(products)}
    luck = {customer: float(rng.random()) for customer in customers}
    pairs = [
        (customer, product, rng.random())
        for customer in customers
        for product in products
        if rng.random() < (0.3 if clubs[customer] in shelves[product] else 0.02)
    ]
    new_customers = set(customers[:20])
    new_products = {"p0", "p1"}
    interactions, product_rows, evaluation_pairs, features = [], [], [], []
    for cutoff, (start, end) in zip(CUTOFFS, ((0.7, 0.8), (0.8, 1.0), (1.0, 1.0)), strict=True):
        earlier = [
            (customer, product, 1.0, True)
            for customer, product, at in pairs
            if at < start and customer not in new_customers and product not in new_products
        ]
        known = {customer for customer, *_ in earlier}
        window = [(customer, product, customer in known) for customer, product, at in pairs if start <= at < end]
        interactions.append(build_interactions(cutoff, int(start * 100), earlier))
        popularity = {product: float(sum(row[1] == product for row in earlier)) for product in products}
        product_rows.append(build_product_features(cutoff, popularity, recent_popularity=popularity))
        evaluation_pairs.append(build_evaluation_pairs(cutoff, window))
        features += [
            build_feature_rows(cutoff, "customer", "feat_club.club", "category", clubs),
            build_feature_rows(cutoff, "customer", "feat_luck.luck", "number", luck),
            build_feature_rows(cutoff, "product", "shelves.shelf", "category", shelves),
        ]
    return Dataset.from_tables(*map(pa.concat_tables, (interactions, product_rows, evaluation_pairs, features)))


@pytest.fixture(scope="module")
def club_config() -> TrainConfig:
    # Without the item graph, whose scores only products with customers have.
    return TrainConfig(factors=8, device="cpu", feature_number_bands=4, graph_weights=())


@pytest.fixture(scope="module")
def club_training(club_dataset: Dataset, club_config: TrainConfig) -> TrainingResult:
    return train(club_dataset, club_config, "run-1")


def get_ndcg(result: TrainingResult, method: str, segment: str = "all", value: str = "all") -> float:
    (row,) = [
        row
        for row in result.ranking_metrics.to_pylist()
        if (row["cutoff"], row["method"], row["segment"], row["segment_value"], row["k"])
        == ("test", method, segment, value, 10)
    ]
    return float(row["ndcg"])


@pytest.mark.parametrize("factors", [4, 64])
def test_fold_in_with_features_is_exact(strength: Csr, factors: int) -> None:
    """Both forms of the equations: histories shorter and longer than the factors."""
    config = TrainConfig(factors=factors, device="cpu")
    features = to_csr(np.eye(3)[np.arange(60) % 3][:, :2])
    model = fit(strength, config, 3, customer_features=features)
    assert model.customer_coefficients is not None
    fixed, confidence = model.product_factors.double().numpy(), to_dense(model.confidence.transform(strength))
    predicted = to_dense(features) @ model.customer_coefficients.double().numpy()
    for row, (weights, factor) in enumerate(zip(confidence, model.fold_in(strength, features).numpy(), strict=True)):
        penalty = model.regularization * (weights.sum() + model.unobserved_pair_weight * len(fixed))
        matrix = fixed.T @ (weights[:, None] * fixed) + model.unobserved_pair_weight * fixed.T @ fixed
        share = 10 / (10 + (weights > 0).sum())
        expected = np.linalg.solve(
            matrix + penalty * np.eye(factors), fixed.T @ weights + penalty * share * predicted[row]
        )
        np.testing.assert_allclose(factor, expected, rtol=1e-3, atol=1e-5)


def test_customers_without_features_are_unchanged(strength: Csr, config: TrainConfig) -> None:
    features = to_csr(np.zeros((60, 2)))
    plain, empty = fit(strength, config, 3), fit(strength, config, 3, customer_features=features)
    assert empty.customer_coefficients is None
    assert torch.equal(plain.product_factors, empty.product_factors)
    assert torch.equal(plain.fold_in(strength), empty.fold_in(strength, features))


def test_loss_decreases_with_customer_penalty(strength: Csr, config: TrainConfig) -> None:
    trainer = AlsTrainer(strength, config, customer_features=to_csr(np.eye(2)[np.arange(60) % 2]))
    assert isinstance(trainer.customer_prior, FeaturePrior)
    losses = [trainer.train_epoch().loss for _ in range(5)]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("factors", [4, 64])
def test_contributions_with_features_add_up(strength: Csr, factors: int) -> None:
    features = to_csr(np.eye(3)[np.arange(60) % 3][:, :2])
    model = fit(strength, TrainConfig(factors=factors, device="cpu"), 3, customer_features=features)
    scores = model.fold_in(strength, features) @ model.scoring_factors.T
    all_products = torch.arange(40).expand(60, -1)
    for block, contributions, from_features in iter_contributions(
        RankingModel(model, ItemGraph.empty(40)), strength, all_products, features
    ):
        total = contributions.sum(2) + from_features
        torch.testing.assert_close(total, scores[block.rows], rtol=1e-3, atol=1e-5)
        assert from_features[block.rows % 3 < 2].any()
        assert not from_features[block.rows % 3 == 2].any()


def test_explanation_names_features(club_training: TrainingResult) -> None:
    recommender = club_training.recommender
    for user in ("u100", "u001"):
        items = recommender.recommend(user_id=user, n=3).items
        for item in items:
            explanation = recommender.explain(item.product_id, user_id=user)
            parts = [*explanation.contributions, *explanation.feature_contributions]
            assert explanation.score == pytest.approx(sum(part.contribution for part in parts), rel=1e-3, abs=1e-6)
            assert explanation.score == pytest.approx(item.score, rel=1e-3)
            features = {part.feature: part.value for part in explanation.feature_contributions}
            assert features["feat_club.club"] == ("blue" if int(user[1:]) % 2 else "red")
            assert features.keys() == {"feat_club.club", "feat_luck.luck"}


def test_new_customer_is_ranked_by_features(club_training: TrainingResult) -> None:
    """u000 and u001 have no history; their clubs buy even and odd products."""
    recommender = club_training.recommender
    assert "u000" not in recommender.users
    for number in (0, 1):
        result = recommender.recommend(user_id=f"u00{number}", n=10)
        assert result.source == "model"
        assert {int(item.product_id[1:]) % 2 for item in result.items} == {number}
        assert all(item.reason_product_id is None for item in result.items)
    assert recommender.recommend(user_id="unknown", n=10).source == "popularity"


def test_basket_of_customer_uses_features(club_training: TrainingResult) -> None:
    recommender = club_training.recommender
    anonymous = recommender.explain("p3", basket=["p5"])
    of_customer = recommender.explain("p3", user_id="u001", basket=["p5"])
    assert anonymous.feature_contributions == []
    assert [part.product_id for part in of_customer.contributions] == ["p5"]
    assert (of_customer.score or 0) > (anonymous.score or 0) > 0


def test_ablation_shows_value_of_feature(club_training: TrainingResult) -> None:
    known = {row["method"] for row in club_training.ranking_metrics.to_pylist()}
    assert {"without feat_club.club", "without feat_luck.luck", "without shelves.shelf"} <= known
    assert get_ndcg(club_training, "als", "customer", "new") > 1.5 * get_ndcg(
        club_training, "without feat_club.club", "customer", "new"
    )
    differences = {
        row["method"]: row
        for row in club_training.metric_differences.to_pylist()
        if (row["segment"], row["segment_value"], row["metric"], row["k"]) == ("product", "new", "recall", 20)
    }
    assert differences["without shelves.shelf"]["lower_bound"] > 0
    luck = [
        row
        for row in club_training.metric_differences.to_pylist()
        if (row["method"], row["segment"], row["metric"], row["k"]) == ("without feat_luck.luck", "all", "ndcg", 10)
    ]
    assert luck[0]["lower_bound"] <= 0.01


def test_ablations_can_be_switched_off(club_dataset: Dataset, club_config: TrainConfig) -> None:
    result = train(club_dataset, club_config.model_copy(update={"ablations": False}), "run")
    assert not [method for method in result.ranking_metrics["method"].to_pylist() if method.startswith("without")]


def test_customer_features_can_be_switched_off(club_dataset: Dataset, club_config: TrainConfig, tmp_path: Path) -> None:
    config = club_config.model_copy(update={"ablations": False, "customer_prior_products": 0.0})
    result = train(club_dataset, config, "run")
    result.recommender.save(tmp_path / "model")
    recommender = Recommender.load(tmp_path / "model")
    assert recommender.recommend(user_id="u000").source == "popularity"
    assert recommender.explain("p3", user_id="u100").feature_contributions == []
    assert get_ndcg(result, "als", "customer", "new") == get_ndcg(result, "recent_popularity", "customer", "new")


def test_features_of_later_cutoffs_do_not_leak(club_dataset: Dataset, club_config: TrainConfig) -> None:
    """A feature at 'now' that gives away the test window's pairs changes no metric, and a wrong one neither."""
    window_pairs = club_dataset.select_cutoff("test").evaluation_pairs
    bought = dict(zip(window_pairs["user_id"].to_pylist(), window_pairs["product_id"].to_pylist(), strict=True))
    planted = [
        build_feature_rows("now", "customer", "feat_future.next_product", "category", bought),
        build_feature_rows(
            "now", "product", "future.own_id", "category", {product: [product, "x"] for product in bought.values()}
        ),
    ]
    leaking = Dataset.from_tables(
        club_dataset.interactions,
        club_dataset.product_features,
        club_dataset.evaluation_pairs,
        pa.concat_tables([club_dataset.features, *planted]),
    )
    config = club_config.model_copy(update={"ablations": False})
    honest, planted_result = train(club_dataset, config, "run"), train(leaking, config, "run")
    assert planted_result.ranking_metrics.equals(honest.ranking_metrics)
    assert "feat_future.next_product" in {feature for feature, _ in planted_result.recommender.card.customer_features}


def test_features_survive_artifact_and_dataset(
    club_dataset: Dataset, club_config: TrainConfig, club_training: TrainingResult, tmp_path: Path
) -> None:
    write_dataset(club_dataset, Provenance(), tmp_path / "datasets")
    restored = read_dataset(tmp_path / "datasets", club_dataset.dataset_hash)
    assert restored.own_features == ["feat_club.club", "feat_luck.luck", "shelves.shelf"]
    retrained = train(restored, club_config.model_copy(update={"ablations": False}), "run-2").recommender
    club_training.recommender.save(tmp_path / "model")
    loaded = Recommender.load(tmp_path / "model")
    for recommender in (retrained, loaded):
        for name in ("product_factors", "customer_coefficients"):
            expected = getattr(club_training.recommender.model.factors, name)
            assert getattr(recommender.model.factors, name).numpy().tobytes() == expected.numpy().tobytes()
        for user in ("u001", "u100"):
            assert recommender.recommend(user_id=user) == club_training.recommender.recommend(user_id=user)


def test_model_without_customer_can_be_loaded(club_training: TrainingResult, tmp_path: Path) -> None:
    """The card counts the customers with features, and their features."""
    model = club_training.recommender
    user_id = model.customer_features.ids.ids[0].as_py()
    remaining = model.remove_customer(user_id)
    remaining.save(tmp_path / "model")
    loaded = Recommender.load(tmp_path / "model")
    assert user_id not in loaded.customer_features.ids
    assert loaded.card.customers_with_features == model.card.customers_with_features - 1


def test_candidates_have_scores_of_features(club_dataset: Dataset, club_training: TrainingResult) -> None:
    """Batch scores equal the scores of the online path."""
    candidates = pa.concat_tables(
        Candidates.create(club_training.recommender, club_dataset.current_interactions).iter_blocks()
    )
    rows = candidates.filter(pc.equal(candidates["user_id"], "u100")).to_pylist()
    for row in rows[:3]:
        explanation = club_training.recommender.explain(row["product_id"], user_id="u100")
        assert row["score"] == pytest.approx(explanation.score, rel=1e-3)


def test_hash_covers_features(club_dataset: Dataset) -> None:
    changed = Dataset.from_tables(
        club_dataset.interactions,
        club_dataset.product_features,
        club_dataset.evaluation_pairs,
        club_dataset.features.slice(1),
    )
    assert changed.dataset_hash != club_dataset.dataset_hash
