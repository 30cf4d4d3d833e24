"""What the service answers, over real HTTP, beside what Python answers."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
import requests

from apps.recommendation_queries import RecommendationQueries
from tests.apps.service.conftest import ServiceClient

pytestmark = pytest.mark.usefixtures("restore_torch_threads")

PRODUCT_IDS = ["p00001", "p00002", "p00003"]
ODD_IDS = ["no body", "🙂 smile", "a/b/c?d=1#e", "50% off", "O'Brien", "../x", "ü" * 300]


def get_product_ids(recommendations: Sequence[dict[str, Any]]) -> list[str]:
    return [offer["product_id"] for offer in recommendations]


def build_basket(*product_ids: str, **fields: Any) -> dict[str, Any]:
    return {"basket": [{"product_id": product} for product in product_ids], **fields}


@pytest.fixture(scope="module")
def most_active_user(demo_queries: RecommendationQueries) -> str:
    return str(demo_queries.serving_copy.search_customers(limit=1)["user_id"].iloc[0])


@pytest.fixture(scope="module")
def popular_product_ids(demo_queries: RecommendationQueries) -> list[str]:
    return list(demo_queries.serving_copy.get_popular_products(1000)["product_id"])


def test_it_is_healthy_and_names_its_version_and_its_model(
    service: ServiceClient, demo_queries: RecommendationQueries, most_active_user: str
) -> None:
    published = demo_queries.serving_copy.published
    health = service.get("/health").json()
    assert (health["status"], health["problem"]) == ("ok", None)
    assert health["version"] == {
        "run_id": published.run_id,
        "published_copy": published.file,
        "published_at": published.published_at.isoformat().replace("+00:00", "Z"),
    }
    model = service.get("/model").json()
    assert model["card"] == demo_queries.recommender.card.model_dump(mode="json")
    for answer in (
        model,
        service.get(f"/customers/{most_active_user}/recommendations").json(),
        service.post("/recommendations", build_basket("p00001")).json(),
        service.get("/products/p00001/similar").json(),
        service.get(f"/customers/{most_active_user}/explanations/p00001").json(),
        service.post("/explanations", build_basket("p00001", product_id="p00002")).json(),
    ):
        assert answer["version"] == health["version"]


def test_a_customer_gets_the_published_list(
    service: ServiceClient, demo_queries: RecommendationQueries, most_active_user: str
) -> None:
    answer = service.get(f"/customers/{most_active_user}/recommendations", n=7).json()
    expected = demo_queries.serving_copy.get_recommendations(most_active_user, 7).drop(columns=["run_id", "user_id"])
    assert answer["recommendations"] == expected.to_dict("records")
    assert (answer["is_fallback"], answer["notes"]) == (False, [])
    assert len(service.get(f"/customers/{most_active_user}/recommendations").json()["recommendations"]) == 10
    longest = service.get(f"/customers/{most_active_user}/recommendations", n=1000).json()
    assert len(longest["recommendations"]) == demo_queries.serving_copy.get_max_list_length()
    assert "the list has 50 products" in longest["notes"][0]


@pytest.mark.parametrize("unknown", ODD_IDS)
def test_an_unknown_customer_gets_what_is_popular_and_is_told_so(
    service: ServiceClient, popular_product_ids: list[str], unknown: str
) -> None:
    answer = service.get(f"/customers/{quote(unknown, safe='')}/recommendations", n=3).json()
    assert get_product_ids(answer["recommendations"]) == popular_product_ids[:3]
    assert {offer["source"] for offer in answer["recommendations"]} == {"popularity"}
    assert answer["is_fallback"]
    assert f"customer '{unknown}' is unknown" in answer["notes"][0]


def test_a_basket_gets_what_python_answers_among_what_may_be_offered(
    service: ServiceClient, demo_queries: RecommendationQueries
) -> None:
    answer = service.post("/recommendations", build_basket(*PRODUCT_IDS, n=1000)).json()
    expected = demo_queries.recommender.recommend(basket=PRODUCT_IDS, n=1000).items
    assert get_product_ids(answer["recommendations"]) == [item.product_id for item in expected]
    assert [offer["score"] for offer in answer["recommendations"]] == pytest.approx([item.score for item in expected])
    offerable = demo_queries.rules.recommendable_products
    known = set(demo_queries.recommender.products.ids.to_pylist())
    assert set(get_product_ids(answer["recommendations"])) == (offerable & known) - set(PRODUCT_IDS)
    assert known - offerable, "the shop has nothing that it may not offer, so this shows nothing"
    assert [offer["rank"] for offer in answer["recommendations"]] == list(range(1, len(expected) + 1))
    first = answer["recommendations"][0]
    facts = demo_queries.serving_copy.get_products([first["product_id"]]).iloc[0]
    assert (first["product_name"], first["price"]) == (facts["product_name"], facts["price"])
    assert first["reason"].startswith("Goes with ")
    assert first["reason_product_id"] in PRODUCT_IDS


def test_strengths_count_and_those_of_a_product_named_twice_add_up(
    service: ServiceClient, demo_queries: RecommendationQueries
) -> None:
    def scores(*items: tuple[str, float | None]) -> list[float]:
        body = {"basket": [{"product_id": product, "strength": strength} for product, strength in items]}
        return [offer["score"] for offer in service.post("/recommendations", body).json()["recommendations"]]

    mean = demo_queries.recommender.card.mean_strength
    assert scores((PRODUCT_IDS[0], 2.0), (PRODUCT_IDS[1], 1.0), (PRODUCT_IDS[0], 3.0)) == scores(
        (PRODUCT_IDS[0], 5.0), (PRODUCT_IDS[1], 1.0)
    )
    assert scores((PRODUCT_IDS[0], None), (PRODUCT_IDS[1], None)) == scores(
        (PRODUCT_IDS[0], mean), (PRODUCT_IDS[1], mean)
    )
    assert scores((PRODUCT_IDS[0], 9.0), (PRODUCT_IDS[1], 1.0)) != scores((PRODUCT_IDS[0], 1.0), (PRODUCT_IDS[1], 1.0))


def test_filters_narrow_a_basket_and_its_fallback(service: ServiceClient, popular_product_ids: list[str]) -> None:
    ranked = get_product_ids(
        service.post("/recommendations", build_basket(*PRODUCT_IDS, n=100)).json()["recommendations"]
    )
    narrowed = build_basket(
        *PRODUCT_IDS, n=100, allowed_products=[*ranked[:6], "🙂"], excluded_products=[ranked[0], "no such"]
    )
    few = service.post("/recommendations", narrowed).json()
    assert get_product_ids(few["recommendations"]) == ranked[1:6]
    assert few["notes"] == [
        "the list has 5 products; the merchandising rules or the filters of the request allow no more"
    ]
    fallback = build_basket(
        "no such", n=2, allowed_products=popular_product_ids[3:9], excluded_products=popular_product_ids[3:5]
    )
    answer = service.post("/recommendations", fallback).json()
    assert get_product_ids(answer["recommendations"]) == popular_product_ids[5:7]
    assert [offer["rank"] for offer in answer["recommendations"]] == [1, 2]
    assert service.post("/recommendations", build_basket(*PRODUCT_IDS, only=[])).json()["recommendations"] == []


def test_a_basket_of_which_nothing_or_little_is_known_is_told_so(
    service: ServiceClient, popular_product_ids: list[str]
) -> None:
    for nothing in ([], ODD_IDS):
        answer = service.post("/recommendations", build_basket(*nothing, n=4)).json()
        assert get_product_ids(answer["recommendations"]) == popular_product_ids[:4]
        assert answer["is_fallback"]
        assert "the model knows no product of the basket" in answer["notes"][-1]
    little = service.post("/recommendations", build_basket("🙂 smile", PRODUCT_IDS[0])).json()
    assert not little["is_fallback"]
    assert little["notes"] == ["unknown to the model, ignored: 🙂 smile"]
    assert (
        little["recommendations"]
        == service.post("/recommendations", build_basket(PRODUCT_IDS[0])).json()["recommendations"]
    )


def test_similar_products_are_those_of_python_and_may_be_offered(
    service: ServiceClient, demo_queries: RecommendationQueries, popular_product_ids: list[str]
) -> None:
    answer = service.get(f"/products/{PRODUCT_IDS[0]}/similar", n=6).json()
    expected = demo_queries.recommender.similar_items(PRODUCT_IDS[0], 6).items
    assert get_product_ids(answer["recommendations"]) == [item.product_id for item in expected]
    assert {offer["reason_product_id"] for offer in answer["recommendations"]} == {PRODUCT_IDS[0]}
    for unknown in ODD_IDS:
        answer = service.get(f"/products/{quote(unknown, safe='')}/similar", n=2).json()
        assert (get_product_ids(answer["recommendations"]), answer["is_fallback"]) == (popular_product_ids[:2], True)
        assert f"product '{unknown}' is unknown" in answer["notes"][0]


def test_explanations_add_up_to_the_score_and_name_their_products(
    service: ServiceClient, demo_queries: RecommendationQueries, most_active_user: str
) -> None:
    product = service.get(f"/customers/{most_active_user}/recommendations", n=1).json()["recommendations"][0]
    explained = service.get(f"/customers/{most_active_user}/explanations/{product['product_id']}").json()
    parts = explained["contributions"]
    assert explained["product_name"] == product["product_name"]
    assert explained["score"] == pytest.approx(product["score"], rel=1e-3)
    assert sum(part["contribution"] for part in parts) == pytest.approx(explained["score"], rel=1e-3)
    recommender = demo_queries.recommender
    assert len(parts) == int(recommender.history.lengths[recommender.users.get_position(most_active_user)])
    assert all(part["product_name"] for part in parts)
    of_basket = service.post("/explanations", build_basket(*PRODUCT_IDS, "🙂", product_id=PRODUCT_IDS[0])).json()
    assert sorted(get_product_ids(of_basket["contributions"])) == PRODUCT_IDS
    assert of_basket["notes"] == ["unknown to the model, ignored: 🙂"]


def test_who_is_unknown_has_nothing_to_explain_and_is_told_so(service: ServiceClient) -> None:
    of_nobody = service.get("/customers/no%20body/explanations/p00001").json()
    of_nothing = service.post("/explanations", build_basket(product_id="p00001")).json()
    for answer in (of_nobody, of_nothing):
        assert (answer["score"], answer["contributions"], answer["is_fallback"]) == (None, [], True)
        assert "no score to explain" in answer["notes"][0]


def test_eight_clients_at_once_see_no_error_and_the_same_answers(service: ServiceClient, most_active_user: str) -> None:
    bodies = [build_basket(*PRODUCT_IDS[: 1 + number % 3], n=5) for number in range(6)]
    alone = [service.post("/recommendations", body).json() for body in bodies]
    list_alone = service.get(f"/customers/{most_active_user}/recommendations").json()

    def client(number: int) -> None:
        own = service.create_client()
        for turn in range(12):
            which = (number + turn) % len(bodies)
            assert own.post("/recommendations", bodies[which]).json() == alone[which]
            assert own.get(f"/customers/{most_active_user}/recommendations").json() == list_alone

    with ThreadPoolExecutor(8) as clients:
        list(clients.map(client, range(8)))


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/customers/u/recommendations?n=0", "query.n"),
        ("/customers/u/recommendations?n=1001", "query.n"),
        ("/customers/u/recommendations?n=ten", "query.n"),
        ("/products/p/similar?n=-1", "query.n"),
        ("/customers//recommendations", "path.user_id"),
        ("/products//similar", "path.product_id"),
        (f"/customers/{'u' * 1001}/recommendations", "path.user_id"),
    ],
)
def test_values_of_the_path_that_cannot_be_taken_are_named(service: ServiceClient, path: str, where: str) -> None:
    assert_problem(service.get(path), 422, where)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b"{}", "body.basket"),
        (b'{"basket": "p1"}', "body.basket"),
        (b'{"basket": ["p1"]}', "body.basket.0"),
        (b'{"basket": [{"product_id": ""}]}', "body.basket.0.product_id"),
        (b'{"basket": [{"product_id": 7}]}', "body.basket.0.product_id"),
        (b'{"basket": [{"product_id": "p1", "strength": NaN}]}', "body.basket.0.strength"),
        (b'{"basket": [{"product_id": "p1", "strength": 0}]}', "body.basket.0.strength"),
        (b'{"basket": [{"product_id": "p1", "strength": 1e39}]}', "body.basket.0.strength"),
        (b'{"basket": [{"product_id": "p1", "strenth": 1}]}', "body.basket.0.strenth"),
        (b'{"basket": [], "n": 1001}', "body.n"),
        (b'{"basket": [], "nn": 1}', "body.nn"),
        (b'{"basket": [], "allowed_products": "p1"}', "body.allowed_products"),
        (b'{"basket": [' + b",".join([b'{"product_id": "p"}'] * 1001) + b"]}", "body.basket"),
        (b'{"basket": [], "excluded_products": [' + b",".join([b'"p"'] * 10_001) + b"]}", "body.excluded_products"),
        (b'{"basket": [{"product_id": "\\ud800"}]}', "body"),
        (b'{"basket": [], "\\ud800": 1}', "body"),
        (b"\xff\xfe", "body"),
    ],
)
def test_bodies_that_cannot_be_taken_are_told_where_they_are_wrong(
    service: ServiceClient, text: bytes, where: str
) -> None:
    assert_problem(service.post_bytes("/recommendations", text), 422, where)


def test_a_strength_too_small_for_the_model_is_refused(service: ServiceClient) -> None:
    body = {"basket": [{"product_id": PRODUCT_IDS[0], "strength": 1e-60}]}
    problem = service.post("/recommendations", body)
    assert_problem(problem, 422)
    assert "finite numbers above zero" in problem.json()["detail"]


def test_what_is_not_there_and_what_may_not_be_done_have_the_same_shape(
    service: ServiceClient, most_active_user: str
) -> None:
    assert_problem(service.get(f"/customers/{most_active_user}/explanations/no%20such%20%F0%9F%99%82"), 404)
    assert "unknown product 'x'" in service.get(f"/customers/{most_active_user}/explanations/x").json()["detail"]
    assert_problem(service.post("/explanations", build_basket(product_id="x")), 404)
    assert_problem(service.get("/nothing"), 404)
    not_allowed = service.delete("/health")
    assert_problem(not_allowed, 405)
    assert not_allowed.headers["allow"] == "GET"


def test_health_can_be_asked_without_its_words(service: ServiceClient) -> None:
    assert service.head("/health").status_code == 200


def assert_problem(response: requests.Response, status: int, location: str | None = None) -> None:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"title", "status", "detail", "errors"}
    assert problem["status"] == status
    assert problem["detail"]
    if location is not None:
        assert any(one["location"].startswith(location) and one["message"] for one in problem["errors"]), problem
