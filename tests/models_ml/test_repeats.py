"""Repeat purchases: lists, reasons and metrics in a shop whose customers buy the same products again."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.data.interactions import Interactions
from models_ml.data.sparse import Csr
from models_ml.errors import ModelError
from models_ml.evaluation.baselines import rank_by_popularity, rank_by_purchases
from models_ml.evaluation.comparison import ComparedModel, compare_models
from models_ml.evaluation.ranking import Ranking
from models_ml.evaluation.repeat_selection import select_repeat_params
from models_ml.evaluation.window import EvaluationWindow
from models_ml.inference.candidates import Candidates
from models_ml.inference.explanations import find_strongest_reasons
from models_ml.inference.recommender import Recommender
from models_ml.ranking_model import SelectedParams, fit_ranking_model
from models_ml.training import TrainingResult, train
from tests.models_ml.synthetic_tables import (
    build_evaluation_pairs,
    build_interactions,
    build_product_features,
    to_dense,
)

DAYS = {"validation": 80, "test": 90, "now": 100}
WINDOW_DAYS = 10

Purchases = dict[tuple[str, str], list[int]]


def simulate_purchases(customer_count: int = 120, product_count: int = 60) -> Purchases:
    """Return the days of each customer's purchases: of staples by their rate for some time, of other products once."""
    rng = np.random.default_rng(3)
    popularity = rng.dirichlet(np.ones(product_count) * 0.4)
    purchases: Purchases = {}
    for customer in range(customer_count):
        for product in rng.choice(product_count, 6, replace=False):
            start, length = rng.uniform(-30, 70), 60
            days = rng.uniform(start, start + length, rng.poisson(length / rng.uniform(5, 30)))
            purchases[f"u{customer}", f"p{product}"] = sorted({int(day) for day in days if 0 <= day < 100})
        for product in rng.choice(product_count, 12, p=popularity):
            purchases.setdefault((f"u{customer}", f"p{product}"), [int(rng.uniform(0, 100))])
    return purchases


def build_cutoff(cutoff: str, purchases: Purchases, is_repeat_shop: bool) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Return the interactions, the product features and the evaluation pairs at a cutoff."""
    as_of = DAYS[cutoff]
    past = {pair: [day for day in days if day < as_of] for pair, days in purchases.items()}
    past = {pair: days for pair, days in past.items() if days}
    repeats = {
        # An estimate of the rate from the last weeks.
        pair: (len(days), 1 - np.exp(-WINDOW_DAYS * sum(0.5 ** ((as_of - day) / 14) for day in days) * np.log(2) / 14))
        for pair, days in past.items()
    }
    bought = {
        pair
        for pair, days in purchases.items()
        if cutoff != "now" and any(as_of <= day < as_of + WINDOW_DAYS for day in days)
    }
    pairs = sorted(pair for pair in bought if pair not in past or is_repeat_shop)
    known_users = {user for user, _ in past}
    popularity = {product: float(sum(pair[1] == product for pair in past)) for _, product in purchases}
    return (
        build_interactions(
            cutoff,
            as_of,
            [(*pair, float(len(days)), True) for pair, days in past.items()],
            repeats if is_repeat_shop else None,
        ),
        build_product_features(cutoff, popularity, recent_popularity=popularity),
        build_evaluation_pairs(cutoff, [(*pair, pair[0] in known_users) for pair in pairs], past.keys() & bought),
    )


def build_dataset(repeat_cutoffs: Collection[str] = DAYS) -> Dataset:
    """Return a shop that recommends purchased products again at the `repeat_cutoffs`."""
    purchases = simulate_purchases()
    tables = [build_cutoff(cutoff, purchases, cutoff in repeat_cutoffs) for cutoff in DAYS]
    return Dataset.from_tables(*(pa.concat_tables(parts) for parts in zip(*tables, strict=True)))


@pytest.fixture(scope="module")
def grocer() -> Dataset:
    return build_dataset()


@pytest.fixture(scope="module")
def grocer_training(grocer: Dataset, config: TrainConfig) -> TrainingResult:
    return train(grocer, config, "run")


@pytest.fixture(scope="module")
def window(grocer: Dataset) -> EvaluationWindow:
    window = EvaluationWindow.from_dataset(grocer, "test", 1000)
    assert window is not None
    return window


def get_pairs(window: EvaluationWindow, ranking: Ranking) -> set[tuple[str, str]]:
    rows = window.build_candidate_table("run", "method", ranking).to_pylist()
    return {(row["user_id"], row["product_id"]) for row in rows}


def get_ndcg(result: TrainingResult, segment_value: str) -> dict[str, float]:
    return {
        row["method"]: row["ndcg"]
        for row in result.ranking_metrics.to_pylist()
        if (row["cutoff"], row["segment_value"], row["k"]) == ("test", segment_value, 10)
        and row["segment"] in ("all", "purchase")
    }


def test_model_beats_buy_again(grocer_training: TrainingResult) -> None:
    ndcg = get_ndcg(grocer_training, "all")
    assert ndcg["als"] > ndcg["buy_again"] > ndcg["popularity"]
    assert grocer_training.recommender.card.repeat_weight > 0


def test_repeat_weight_without_validation(config: TrainConfig) -> None:
    """The default weight is used when repeat purchases begin after the validation window."""
    card = train(build_dataset(repeat_cutoffs=("now",)), config, "run").recommender.card
    assert card.repeat_weight == config.default_repeat_weight


@pytest.mark.parametrize("weights", [(0.0, 1.0, 2.0, 4.0, 1000.0), (0.0, 0.5, 3.0, 1000.0)])
def test_best_repeat_weight_is_selected(
    grocer: Dataset, grocer_training: TrainingResult, config: TrainConfig, weights: tuple[float, ...]
) -> None:
    """The selected weight has the highest NDCG of all candidates; it is neither the first nor the last."""
    window = EvaluationWindow.from_dataset(grocer, "validation", 1000)
    assert window is not None
    settings = config.model_copy(update={"repeat_weights": weights, "trend_powers": (0.0,), "popularity_damping": 0.0})
    params = replace(grocer_training.recommender.card.selected_params, trend_power=0.0, repeat_weight=0.0)
    features = window.build_customer_features(settings)
    model = fit_ranking_model(window.interactions.strength, settings, params)
    ndcg = {}
    for weight in weights:
        ranking = window.rank_by_model(replace(model, repeat_weight=weight), features, settings)
        ndcg[weight] = window.evaluate(ranking, (settings.selection_k,))[0].ndcg
    selected, _ = select_repeat_params(window, settings, params, model, features)
    assert selected.repeat_weight == max(weights, key=lambda weight: ndcg[weight])
    assert selected.repeat_weight not in (weights[0], weights[-1])
    assert selected.validation_ndcg == pytest.approx(ndcg[selected.repeat_weight])


def test_segments_of_new_and_repeat(grocer: Dataset, grocer_training: TrainingResult) -> None:
    pairs = grocer_training.evaluation_pairs.to_pylist()
    expected = {
        (row["user_id"], row["product_id"]): "repeat" if row["is_repeat"] else "new"
        for row in grocer.select_cutoff("test").evaluation_pairs.to_pylist()
    }
    assert {(row["user_id"], row["product_id"]): row["purchase"] for row in pairs} == expected
    assert set(expected.values()) == {"new", "repeat"}
    assert get_ndcg(grocer_training, "repeat")["als"] > get_ndcg(grocer_training, "new")["als"]


def test_other_shop_has_new_products_only(config: TrainConfig) -> None:
    """Without repeat scores, no list has a purchased product, and no segment or baseline of repeats is reported."""
    dataset = build_dataset(repeat_cutoffs=())
    result = train(dataset, config, "run")
    metrics = result.ranking_metrics.to_pylist()
    assert "purchase" not in {row["segment"] for row in metrics}
    assert "buy_again" not in {row["method"] for row in metrics} | result.skip_reasons.keys()
    past = {(row["user_id"], row["product_id"]) for row in dataset.select_cutoff("test").interactions.to_pylist()}
    assert not past & {(row["user_id"], row["product_id"]) for row in result.evaluation_candidates.to_pylist()}
    assert result.recommender.repeat_scores is None
    candidates = pa.concat_tables(Candidates.create(result.recommender, dataset.current_interactions).iter_blocks())
    assert all(row["reason_product_id"] != row["product_id"] for row in candidates.to_pylist())


def test_lists_allow_only_repeatable_products(config: TrainConfig) -> None:
    """A product that the customer only viewed stays out of every method's list."""
    interactions = build_interactions(
        "test", 90, [("u", "tea", 3.0, True), ("u", "mug", 1.0, False), ("v", "pan", 1.0, True)],
        {("u", "tea"): (2, 0.5), ("v", "pan"): (1, 0.1)},
    )  # fmt: skip
    window = EvaluationWindow.create(
        "test",
        Interactions.from_table(interactions),
        build_product_features("test", {"tea": 1.0, "mug": 3.0, "pan": 2.0, "new": 0.0}),
        build_evaluation_pairs("test", [("u", "tea", True), ("u", "new", True)], [("u", "tea")]),
        10,
    )
    assert window is not None
    assert get_pairs(window, rank_by_popularity(window, config)) == {("u", "pan"), ("u", "tea"), ("u", "new")}
    by_purchases = window.build_candidate_table("run", "method", rank_by_purchases(window, config)).to_pylist()
    assert [row["product_id"] for row in by_purchases] == ["tea", "pan"]
    new_only = window.without_repeats()
    assert get_pairs(new_only, rank_by_popularity(new_only, config)) == {("u", "pan"), ("u", "new")}
    assert new_only.pairs["product_id"].to_pylist() == ["new"]
    with pytest.raises(ModelError, match="needs repeat purchases"):
        rank_by_purchases(new_only, config)


def test_lists_exclude_products_until_due(config: TrainConfig) -> None:
    """No method ranks a product that is not due at the cutoff; a purchase of it in the window stays relevant."""
    interactions = build_interactions(
        "test", 90, [("u", "tea", 3.0, True), ("u", "milk", 1.0, True), ("v", "pan", 1.0, True)],
        {("u", "tea"): (2, 0.5), ("u", "milk"): (1, 0.9)},
        not_due=[("u", "milk")],
    )  # fmt: skip
    window = EvaluationWindow.create(
        "test",
        Interactions.from_table(interactions),
        build_product_features("test", {"tea": 1.0, "milk": 3.0, "pan": 2.0}),
        build_evaluation_pairs("test", [("u", "milk", True), ("u", "tea", True)], [("u", "milk"), ("u", "tea")]),
        10,
    )
    assert window is not None
    assert window.repeat_scores is not None
    products, users = torch.zeros((3, 1)), torch.zeros((1, 1))
    by_repeats = window.rank_for_known_customers(users, products, config, repeat_terms=window.repeat_scores)
    for ranking in (by_repeats, rank_by_purchases(window, config), rank_by_popularity(window, config)):
        assert get_pairs(window, ranking) == {("u", "tea"), ("u", "pan")}
    assert window.pairs["product_id"].to_pylist() == ["milk", "tea"]


@pytest.mark.parametrize("method", ["mmr", "calibrated"])
def test_published_lists_equal_evaluated_lists(grocer: Dataset, grocer_training: TrainingResult, method: str) -> None:
    """The re-ranking puts products that are due into the same order in both kinds of lists; others are in neither."""
    settings = {"rerank_method": method, "rerank_weight": 0.7, "rerank_depth": 20, "candidates_per_user": 60}
    recommender = grocer_training.recommender
    settings_of_lists = recommender.card.config.model_copy(update=settings)
    rows = grocer.current_interactions
    is_due = pa.array([row["product_id"] not in ("p1", "p2", "p3") for row in rows.to_pylist()])
    rows = rows.set_column(rows.column_names.index("is_due"), "is_due", is_due)
    features = grocer.select_cutoff("now").product_features
    interactions = Interactions.from_table(rows, features["product_id"])
    window = EvaluationWindow.create(
        "now",
        interactions,
        features,
        build_evaluation_pairs("now", [(user, "p0", True) for user in interactions.users.ids.to_pylist()]),
        1000,
    )
    assert window is not None
    reranked = replace(
        recommender,
        card=recommender.card.model_copy(update={"config": settings_of_lists}),
        categories=torch.zeros(len(recommender.products), dtype=torch.int64),
    )
    evaluated = window.rank_by_model(
        recommender.model, window.build_customer_features(settings_of_lists), settings_of_lists
    )
    excluded = {
        (row["user_id"], row["product_id"]) for row in rows.to_pylist() if row["has_purchased"] and not row["is_due"]
    }
    assert excluded
    published: dict[str, list[str]] = {}
    for row in pa.concat_tables(Candidates.create(reranked, rows).iter_blocks()).to_pylist():
        if (row["user_id"], row["product_id"]) not in excluded:
            published.setdefault(row["user_id"], []).append(row["product_id"])
    lists: dict[str, list[str]] = {}
    for row in window.build_candidate_table("run", "method", evaluated).to_pylist():
        lists.setdefault(row["user_id"], []).append(row["product_id"])
    assert lists == {user: products[: len(lists[user])] for user, products in published.items()}


def test_comparison_ranks_as_lists(grocer: Dataset, grocer_training: TrainingResult) -> None:
    """The repeat term is added to scores with trends, those of the window: another power gives other lists."""
    card = grocer_training.recommender.card
    features = grocer.product_features
    position = features.column_names.index("active_users_28d")
    recent = pa.array(np.random.default_rng(1).uniform(0, 10, features.num_rows))
    dataset = replace(grocer, product_features=features.set_column(position, "active_users_28d", recent))
    ndcg = set()
    for power in (0.0, 2.0):
        model = ComparedModel(card.model_copy(update={"trend_power": power}), dataset)
        comparison = compare_models(model, model, 10)
        assert comparison is not None
        assert comparison.new_ndcg == comparison.serving_ndcg
        ndcg.add(comparison.new_ndcg)
    assert len(ndcg) == 2


def test_buy_again_ranks_by_purchase_days(window: EvaluationWindow, grocer: Dataset, config: TrainConfig) -> None:
    rows = grocer.select_cutoff("test").interactions.to_pylist()
    days = {(row["user_id"], row["product_id"]): row["purchase_days"] for row in rows}
    lists: dict[str, list[int]] = {}
    for row in window.build_candidate_table("run", "method", rank_by_purchases(window, config)).to_pylist():
        lists.setdefault(row["user_id"], []).append(days.get((row["user_id"], row["product_id"]), 0))
    assert set(window.known_customer_ids.to_pylist()) <= lists.keys()
    assert all(counts == sorted(counts, reverse=True) for counts in lists.values())


def test_repeat_term_is_reason(strength: Csr) -> None:
    """The reason of a product with a repeat term is the product; other products are never their own reason."""
    params = SelectedParams(4, 0.0, 0.3, 0.25, repeat_weight=2.0)
    model = fit_ranking_model(strength, TrainConfig(factors=8, graph_neighbors=6, device="cpu"), params)
    is_repeat = torch.arange(strength.entry_count) % 2 == 0
    repeat_scores = Csr.from_pairs(
        strength.row_of_entry[is_repeat],
        strength.columns.long()[is_repeat],
        torch.full((int(is_repeat.sum()),), 0.25),
        (60, 40),
    )
    terms = model.weight_repeats(repeat_scores)
    assert terms is not None
    assert set(terms.values.tolist()) == {0.5}
    candidates = torch.arange(40).repeat(60, 1)
    reasons, shares = find_strongest_reasons(model, strength, candidates, repeat_terms=terms)
    other_reasons, other_shares = find_strongest_reasons(model, strength, candidates)
    is_own = torch.from_numpy(to_dense(repeat_scores) > 0)
    assert torch.equal(reasons == candidates, is_own)
    assert torch.equal(reasons[~is_own], other_reasons[~is_own])
    assert torch.equal(shares[~is_own], other_shares[~is_own])
    assert ((shares > 0) & (shares <= 1))[is_own].all()


def test_candidates_equal_explanations(grocer: Dataset, grocer_training: TrainingResult, tmp_path: Path) -> None:
    """Candidates, the artifact and explanations have the same scores, and contributions add up to them."""
    grocer_training.recommender.save(tmp_path / "run")
    recommender = Recommender.load(tmp_path / "run")
    table = pa.concat_tables(Candidates.create(recommender, grocer.current_interactions).iter_blocks())
    rows = [row for row in table.to_pylist() if row["user_id"] == "u7"]
    history = {row["product_id"]: row for row in grocer.current_interactions.to_pylist() if row["user_id"] == "u7"}
    assert rows[0]["product_id"] in history
    for row in rows[:15]:
        product = row["product_id"]
        own = recommender.explain(product, user_id="u7")
        published = recommender.explain(
            product,
            user_id="u7",
            basket={past: values["strength"] for past, values in history.items()},
            repeat_scores={past: values["repeat_score"] for past, values in history.items()},
        )
        assert (row["reason_product_id"] == product) == (product in history)
        for explanation in (own, published):
            assert explanation.score == pytest.approx(row["score"], rel=1e-4, abs=1e-5)
            total = sum(part.contribution for part in explanation.contributions)
            assert total == pytest.approx(row["score"], rel=1e-3, abs=1e-5)


def test_removed_customer_has_no_repeats(grocer_training: TrainingResult, tmp_path: Path) -> None:
    recommender = grocer_training.recommender
    recommender.remove_customer("u7").save(tmp_path / "run")
    remaining = Recommender.load(tmp_path / "run")
    assert recommender.repeat_scores is not None
    assert remaining.repeat_scores is not None
    row = recommender.users.get_position("u7")
    removed = recommender.repeat_scores.slice_rows(row, row + 1).entry_count
    assert removed
    assert remaining.repeat_scores.entry_count == recommender.repeat_scores.entry_count - removed
    assert remaining.repeat_scores.row_count == recommender.repeat_scores.row_count - 1


def test_matrix_without_pairs_and_values(strength: Csr) -> None:
    half = strength.select_rows(torch.arange(60))
    is_kept = torch.arange(half.entry_count) % 2 == 0
    pairs = Csr.from_pairs(half.row_of_entry[is_kept], half.columns.long()[is_kept], half.values[is_kept], (60, 40))
    dense = to_dense(strength)
    assert (to_dense(strength.without(pairs)) == np.where(to_dense(pairs) != 0, 0, dense)).all()
    columns = torch.arange(-1, 40).repeat(60, 1)
    assert (pairs.get_values(columns)[:, 1:].double().numpy() == to_dense(pairs)).all()
    assert not pairs.get_values(columns)[:, 0].any()
    assert not Csr.empty(60, 40).get_values(columns).any()
