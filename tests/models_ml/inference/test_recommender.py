"""Tests of recommendations, filters, similar products and explanations."""

from dataclasses import replace
from itertools import islice
from typing import Any

import pyarrow as pa
import pytest
import torch

from models_ml.data.dataset import Dataset
from models_ml.errors import ModelError, UnknownIdError
from models_ml.inference.baskets import Basket
from models_ml.inference.candidates import Candidates
from models_ml.inference.recommender import Recommender
from models_ml.inference.results import Recommendations
from models_ml.training import TrainingResult


@pytest.fixture
def recommender(trained: TrainingResult) -> Recommender:
    return trained.recommender


def get_product_ids(recommendations: Recommendations) -> list[str]:
    return [item.product_id for item in recommendations.items]


def test_recommend_equals_unseen_candidates(trained: TrainingResult, dataset: Dataset) -> None:
    recommender = trained.recommender
    history_products = {row["product_id"] for row in dataset.current_interactions.to_pylist() if row["user_id"] == "u7"}
    candidates = pa.concat_tables(Candidates.create(recommender, dataset.current_interactions).iter_blocks())
    rows = [row for row in candidates.to_pylist() if row["user_id"] == "u7"]
    recommendations = recommender.recommend(user_id="u7", n=5)
    expected = [row for row in rows if row["product_id"] not in history_products][:5]
    assert recommendations.source == "model"
    assert get_product_ids(recommendations) == [row["product_id"] for row in expected]
    assert [item.reason_product_id for item in recommendations.items] == [row["reason_product_id"] for row in expected]
    assert [item.score for item in recommendations.items] == pytest.approx([row["score"] for row in expected], rel=1e-3)


def test_basket_equals_same_history(trained: TrainingResult, dataset: Dataset) -> None:
    rows = [row for row in dataset.current_interactions.to_pylist() if row["user_id"] == "u3"]
    basket = {row["product_id"]: row["strength"] for row in reversed(rows)}
    assert trained.recommender.recommend(basket=basket) == trained.recommender.recommend(user_id="u3")


def test_unknown_customer_gets_popular_products(trained: TrainingResult, dataset: Dataset) -> None:
    assert not trained.recommender.is_known_user("unknown_user")
    result = trained.recommender.recommend(user_id="unknown_user", n=3)
    counts: dict[str, int] = {}
    for product in dataset.current_interactions["product_id"].to_pylist():
        counts[product] = counts.get(product, 0) + 1
    best = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3]
    assert result.source == "popularity"
    assert [(item.product_id, item.score) for item in result.items] == best


@pytest.mark.parametrize("basket", [["unknown", "🛒 unknown"], [], {}])
def test_unknown_basket_gets_popular_products(trained: TrainingResult, basket: Basket) -> None:
    result = trained.recommender.recommend(basket=basket, n=3)
    assert result.items == trained.recommender.recommend(user_id="unknown_user", n=3).items
    assert (result.source, result.unknown_products) == ("popularity", list(basket))


def test_repeated_basket_product_counts_twice(trained: TrainingResult) -> None:
    mean = trained.recommender.card.mean_strength
    assert trained.recommender.recommend(basket=["p1", "p2", "p1"]) == trained.recommender.recommend(
        basket={"p1": 2 * mean, "p2": mean}
    )


def test_unknown_basket_products_are_ignored(trained: TrainingResult) -> None:
    result = trained.recommender.recommend(basket=["p1", "unknown", "p2"])
    assert result.unknown_products == ["unknown"]
    assert result.items == trained.recommender.recommend(basket=["p2", "p1"]).items
    assert not {"p1", "p2"} & set(get_product_ids(result))
    assert {item.reason_product_id for item in result.items} <= {"p1", "p2", None}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"basket": "p1"}, "a list of product ids, not a text"),
        ({"basket": {"p1": float("nan")}}, "finite numbers above zero"),
        ({"basket": {"p1": 0.0}}, "finite numbers above zero"),
        ({"basket": {"p1": 1e39}}, "the strength of 'p1' is 1e[+]39"),
        ({"user_id": "u1", "n": 0}, "n >= 1"),
        ({}, "give a customer or a basket"),
    ],
)
def test_recommend_rejects_invalid_request(trained: TrainingResult, request_: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        trained.recommender.recommend(**request_)  # type: ignore[arg-type]


def test_filters_keep_order(recommender: Recommender) -> None:
    ranked = get_product_ids(recommender.recommend(user_id="u7", n=1000))
    every_third = recommender.recommend(user_id="u7", n=5, allowed_products={*ranked[::3], "unknown"})
    assert get_product_ids(every_third) == ranked[::3][:5]
    others = recommender.recommend(user_id="u7", n=4, excluded_products=[*ranked[:4], ranked[6], "unknown"])
    assert get_product_ids(others) == [*ranked[4:6], *ranked[7:9]]
    both_filters = recommender.recommend(
        user_id="u7", n=1000, allowed_products=ranked[:9], excluded_products=ranked[:3]
    )
    assert get_product_ids(both_filters) == ranked[3:9]
    assert get_product_ids(recommender.recommend(basket=["p1"], allowed_products=[])) == []


def test_iter_ranking_equals_recommend(recommender: Recommender) -> None:
    basket = ["p1", "p2"]
    ranked = get_product_ids(recommender.recommend(basket=basket, n=1000))
    assert list(recommender.iter_ranking(basket, 2)) == ranked
    after_third = recommender.iter_ranking(basket, 5, excluded_products=ranked[:3])
    assert list(islice(after_third, 9)) == ranked[3:12]
    every_fourth = recommender.iter_ranking(basket, 5, allowed_products=[*ranked[::4], "unknown"])
    assert list(every_fourth) == ranked[::4]
    assert list(recommender.iter_ranking(["unknown"], 5)) == []


def test_filters_of_fallback_and_similar(recommender: Recommender) -> None:
    popular = get_product_ids(recommender.recommend(user_id="unknown_user", n=1000))
    filtered = recommender.recommend(user_id="unknown_user", n=3, excluded_products=popular[:2])
    assert get_product_ids(filtered) == popular[2:5]
    assert get_product_ids(recommender.recommend(basket=["unknown"], allowed_products=popular[5:7])) == popular[5:7]
    similar = get_product_ids(recommender.find_similar_products("p1", 1000))
    assert get_product_ids(recommender.find_similar_products("p1", 3, excluded_products=similar[:2])) == similar[2:5]
    assert get_product_ids(recommender.find_similar_products("p1", allowed_products=similar[5:7])) == similar[5:7]


def test_restrict_products_limits_results(recommender: Recommender) -> None:
    """Products outside the restriction are never recommended, but count in baskets and can be explained."""
    products = {f"p{number}" for number in range(40, 60)} | {"unknown"}
    restricted = recommender.restrict_products(sorted(products))
    for result in (restricted.recommend(user_id="unknown_user", n=1000), restricted.find_similar_products("p1", 1000)):
        assert set(get_product_ids(result)) == products & set(recommender.products.ids.to_pylist())
    result = restricted.recommend(basket=["p1", "p2"], n=1000)
    assert set(get_product_ids(result)) <= products
    assert result.items == recommender.recommend(basket=["p1", "p2"], n=1000, allowed_products=products).items
    assert {item.reason_product_id for item in result.items} <= {"p1", "p2", None}
    assert restricted.explain("p1", basket=["p2"]).score is not None


def test_n_above_catalog_size_returns_all(recommender: Recommender) -> None:
    catalog = set(recommender.products.ids.to_pylist())
    assert set(get_product_ids(recommender.recommend(basket=["p1"], n=10**9))) == catalog - {"p1"}
    assert set(get_product_ids(recommender.find_similar_products("p1", 10**9))) == catalog - {"p1"}
    assert set(get_product_ids(recommender.recommend(user_id="unknown_user", n=10**9))) == catalog


def test_similar_products_have_largest_cosine(recommender: Recommender) -> None:
    factors = recommender.model.factors.product_factors.double()
    position = recommender.products.get_position("p7")
    cosines = torch.nn.functional.cosine_similarity(factors, factors[position][None])
    neighbors = recommender.model.graph.neighbors.slice_rows(position, position + 1)
    assert recommender.card.graph_weight > 0
    cosines[neighbors.columns.long()] += recommender.card.graph_weight * neighbors.values / neighbors.values.max()
    best = [
        int(position)
        for position in cosines.argsort(descending=True)
        if recommender.products.get_id(int(position)) != "p7"
    ]
    result = recommender.find_similar_products("p7", 5)
    assert (result.source, result.unknown_products) == ("model", [])
    assert get_product_ids(result) == [recommender.products.get_id(position) for position in best[:5]]
    assert [item.score for item in result.items] == pytest.approx(cosines[best[:5]].tolist(), rel=1e-4)


def test_similar_products_of_unknown_product(recommender: Recommender) -> None:
    popular = recommender.recommend(user_id="unknown_user", n=3).items
    result = recommender.find_similar_products("unknown", 3)
    assert (result.items, result.source, result.unknown_products) == (popular, "popularity", ["unknown"])
    factors = recommender.model.factors.product_factors.clone()
    factors[recommender.products.get_position("p7")] = 0
    model = replace(recommender.model, factors=replace(recommender.model.factors, product_factors=factors))
    without_p7 = replace(recommender, model=model)
    assert without_p7.find_similar_products("p7", 3).source == "popularity"
    assert "p7" not in get_product_ids(without_p7.find_similar_products("p8", 1000))


@pytest.mark.parametrize(
    "query", [{"user_id": "u7"}, {"basket": ["p1", "p2", "p5"]}, {"basket": {"p1": 9.0, "p7": 0.1}}]
)
def test_explain_contributions_add_up_to_score(
    recommender: Recommender, dataset: Dataset, query: dict[str, Any]
) -> None:
    past = (
        {row["product_id"] for row in dataset.current_interactions.to_pylist() if row["user_id"] == "u7"}
        if "user_id" in query
        else set(query["basket"])
    )
    scores = {item.product_id: item.score for item in recommender.recommend(**query, n=1000).items}
    assert not past & scores.keys()
    for product in ("p3", "p7", *sorted(past)[:2]):
        explanation = recommender.explain(product, **query)
        contributions = [item.contribution for item in explanation.contributions]
        assert {item.product_id for item in explanation.contributions} == past
        assert contributions == sorted(contributions, reverse=True)
        if product not in past:
            assert explanation.score == pytest.approx(scores[product], rel=1e-4, abs=1e-6)
        assert sum(contributions) == pytest.approx(explanation.score, rel=1e-4, abs=1e-6)


def test_reason_is_largest_contribution(recommender: Recommender) -> None:
    for item in recommender.recommend(user_id="u7", n=5).items:
        largest, *others = recommender.explain(item.product_id, user_id="u7").contributions
        assert item.reason_product_id == largest.product_id
        positive_sum = sum(other.contribution for other in [largest, *others] if other.contribution > 0)
        assert item.reason_share == pytest.approx(largest.contribution / positive_sum, rel=1e-3)


def test_explain_unknown_customer_or_basket(recommender: Recommender) -> None:
    for query in ({"user_id": "unknown_user"}, {"basket": ["unknown"]}, {"basket": []}):
        explanation = recommender.explain("p1", **query)  # type: ignore[arg-type]
        assert (explanation.score, explanation.contributions, explanation.source) == (None, [], "popularity")
    assert recommender.explain("p1", basket=["p2", "unknown"]).unknown_products == ["unknown"]


def test_explain_rejects_invalid_request(recommender: Recommender) -> None:
    with pytest.raises(UnknownIdError, match="unknown product 'x'"):
        recommender.explain("x", user_id="u7")
    with pytest.raises(ModelError, match="give a customer or a basket"):
        recommender.explain("p1")
    with pytest.raises(ModelError, match="n >= 1"):
        recommender.find_similar_products("p1", 0)
