"""Filters, similar products and explanations of a trained model."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.errors import ModelError, UnknownIdError
from models_ml.inference.recommender import Recommender
from models_ml.training import TrainingResult, train
from tests.models_ml.synthetic_tables import build_current_dataset


@pytest.fixture
def recommender(trained: TrainingResult) -> Recommender:
    return trained.recommender


def get_product_ids(answer: Any) -> list[str]:
    return [item.product_id for item in answer.items]


def test_filters_leave_the_order_of_what_they_keep(recommender: Recommender) -> None:
    ranked = get_product_ids(recommender.recommend(user_id="u7", n=1000))
    only = {*ranked[::3], "no such product"}
    assert get_product_ids(recommender.recommend(user_id="u7", n=5, only=only)) == ranked[::3][:5]
    without = [*ranked[:4], ranked[6], "no such product"]
    assert get_product_ids(recommender.recommend(user_id="u7", n=4, without=without)) == [*ranked[4:6], *ranked[7:9]]
    both = recommender.recommend(user_id="u7", n=1000, only=ranked[:9], without=ranked[:3])
    assert get_product_ids(both) == ranked[3:9]
    assert get_product_ids(recommender.recommend(basket=["p1"], only=[])) == []


def test_a_ranking_is_what_would_be_recommended_as_far_as_it_is_read(recommender: Recommender) -> None:
    everything = get_product_ids(recommender.recommend(basket=["p1", "p2"], n=1000))
    assert list(recommender.iter_ranking(["p1", "p2"], 2)) == everything
    assert list(islice(recommender.iter_ranking(["p1", "p2"], 5, without=everything[:3]), 9)) == everything[3:12]
    assert list(recommender.iter_ranking(["p1", "p2"], 5, only=[*everything[::4], "no such"])) == everything[::4]
    assert list(recommender.iter_ranking(["no such"], 5)) == []


def test_filters_hold_for_the_fallback_and_for_similar_products(recommender: Recommender) -> None:
    popular = get_product_ids(recommender.recommend(user_id="unknown_user", n=1000))
    assert get_product_ids(recommender.recommend(user_id="unknown_user", n=3, without=popular[:2])) == popular[2:5]
    assert get_product_ids(recommender.recommend(basket=["no such"], only=popular[5:7])) == popular[5:7]
    similar = get_product_ids(recommender.similar_items("p1", 1000))
    assert get_product_ids(recommender.similar_items("p1", 3, without=similar[:2])) == similar[2:5]
    assert get_product_ids(recommender.similar_items("p1", only=similar[5:7])) == similar[5:7]


def test_only_what_is_offered_is_in_any_answer_and_the_rest_still_counts(recommender: Recommender) -> None:
    offered = {f"p{number}" for number in range(40, 60)} | {"not known to the model"}
    shop = recommender.restrict_products(sorted(offered))
    for answer in (shop.recommend(user_id="unknown_user", n=1000), shop.similar_items("p1", 1000)):
        assert set(get_product_ids(answer)) == offered & set(recommender.products.ids.to_pylist())
    basket = shop.recommend(basket=["p1", "p2"], n=1000)
    assert set(get_product_ids(basket)) <= offered
    assert basket.items == recommender.recommend(basket=["p1", "p2"], n=1000, only=offered).items
    assert {item.reason_product_id for item in basket.items} <= {"p1", "p2", None}
    assert shop.explain("p1", basket=["p2"]).score is not None


def test_more_than_there_are_gives_all_there_are(recommender: Recommender) -> None:
    everything = set(recommender.products.ids.to_pylist())
    assert set(get_product_ids(recommender.recommend(basket=["p1"], n=10**9))) == everything - {"p1"}
    assert set(get_product_ids(recommender.similar_items("p1", 10**9))) == everything - {"p1"}
    assert set(get_product_ids(recommender.recommend(user_id="unknown_user", n=10**9))) == everything


def test_similar_products_are_those_with_the_largest_cosine(recommender: Recommender) -> None:
    factors = recommender.factor_model.product_factors.double()
    cosines = torch.nn.functional.cosine_similarity(factors, factors[recommender.products.get_position("p7")][None])
    best = [
        int(position)
        for position in cosines.argsort(descending=True)
        if recommender.products.get_id(int(position)) != "p7"
    ]
    answer = recommender.similar_items("p7", 5)
    assert (answer.source, answer.unknown_products) == ("model", [])
    assert get_product_ids(answer) == [recommender.products.get_id(position) for position in best[:5]]
    assert [item.score for item in answer.items] == pytest.approx(cosines[best[:5]].tolist(), rel=1e-4)


def test_a_product_that_nothing_is_known_of_is_like_the_popular_ones(recommender: Recommender) -> None:
    popular = recommender.recommend(user_id="unknown_user", n=3).items
    unknown = recommender.similar_items("no such", 3)
    assert (unknown.items, unknown.source, unknown.unknown_products) == (popular, "popularity", ["no such"])
    factors = recommender.factor_model.product_factors.clone()
    factors[recommender.products.get_position("p7")] = 0
    without_p7 = replace(recommender, factor_model=replace(recommender.factor_model, product_factors=factors))
    assert without_p7.similar_items("p7", 3).source == "popularity"
    assert "p7" not in get_product_ids(without_p7.similar_items("p8", 1000))


@pytest.mark.parametrize(
    "query", [{"user_id": "u7"}, {"basket": ["p1", "p2", "p5"]}, {"basket": {"p1": 9.0, "p7": 0.1}}]
)
def test_the_contributions_of_all_past_products_add_up_to_the_score(
    recommender: Recommender, shop: Dataset, query: dict[str, Any]
) -> None:
    past = (
        {row["product_id"] for row in shop.current_interactions.to_pylist() if row["user_id"] == "u7"}
        if "user_id" in query
        else set(query["basket"])
    )
    scores = {item.product_id: item.score for item in recommender.recommend(**query, n=1000, exclude_seen=False).items}
    for product in ("p3", "p7", *sorted(past)[:2]):
        explanation = recommender.explain(product, **query)
        parts = [part.contribution for part in explanation.contributions]
        assert {part.product_id for part in explanation.contributions} == past
        assert parts == sorted(parts, reverse=True)
        assert explanation.score == pytest.approx(scores[product], rel=1e-4, abs=1e-6)
        assert sum(parts) == pytest.approx(explanation.score, rel=1e-4, abs=1e-6)


def test_the_reason_of_a_recommendation_is_what_contributes_most(recommender: Recommender) -> None:
    for item in recommender.recommend(user_id="u7", n=5).items:
        best = recommender.explain(item.product_id, user_id="u7").contributions
        assert item.reason_product_id == best[0].product_id
        positive = sum(part.contribution for part in best if part.contribution > 0)
        assert item.reason_share == pytest.approx(best[0].contribution / positive, rel=1e-3)


def test_who_is_unknown_has_nothing_to_explain_and_is_told_so(recommender: Recommender) -> None:
    for query in ({"user_id": "unknown_user"}, {"basket": ["no such"]}, {"basket": []}):
        answer = recommender.explain("p1", **query)  # type: ignore[arg-type]
        assert (answer.score, answer.contributions, answer.source) == (None, [], "popularity")
    assert recommender.explain("p1", basket=["p2", "no such"]).unknown_products == ["no such"]


def test_what_cannot_be_asked_is_refused(recommender: Recommender) -> None:
    with pytest.raises(UnknownIdError, match="unknown product 'no such'"):
        recommender.explain("no such", user_id="u7")
    with pytest.raises(ModelError, match="either a customer or a basket"):
        recommender.explain("p1")
    with pytest.raises(ModelError, match="n >= 1"):
        recommender.similar_items("p1", 0)


def test_ids_are_any_text_and_survive_the_artifact(tmp_path: Path) -> None:
    people, things = (
        ["Zoë 🙂", " leading", "a/b?c#d", "O'Brien", "", "日本"],
        ["🛒 cart", "50% off", "line\nbreak", "a", "b"],
    )
    pairs = [
        (person, thing, 1.0, False)
        for row, person in enumerate(people)
        for column, thing in enumerate(things)
        if (row + column) % 2 or row == column
    ]
    result = train(build_current_dataset(pairs), TrainConfig(factors=4, device="cpu"), "run")
    result.recommender.save(tmp_path / "run")
    loaded = Recommender.load(tmp_path / "run")
    for person in people:
        history = {thing for one, thing, *_ in pairs if one == person}
        answer = loaded.recommend(user_id=person)
        assert answer.source == "model"
        assert set(get_product_ids(answer)) == set(things) - history
        assert {part.product_id for part in loaded.explain("a", user_id=person).contributions} == history
    assert set(get_product_ids(loaded.similar_items("🛒 cart"))) == {"50% off", "line\nbreak", "a", "b"}
    assert loaded.recommend(basket=["🛒 cart", "🛒"]).unknown_products == ["🛒"]
