"""Responses of the service over HTTP, compared with the Python queries."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
import requests

from apps.recommendations.recommendation_queries import RecommendationQueries
from tests.apps.service.conftest import ServiceClient, run_service
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.rules.rule import Rule
from warehouse.rules.rule_store import RuleStore
from warehouse.settings import Settings

pytestmark = pytest.mark.usefixtures("restore_torch_threads")

PRODUCT_IDS = ["p00001", "p00002", "p00003"]
ODD_IDS = ["no body", "🙂 smile", "a/b/c?d=1#e", "50% off", "O'Brien", "../x", "ü" * 300]


def get_product_ids(recommendations: Sequence[dict[str, Any]]) -> list[str]:
    return [item["product_id"] for item in recommendations]


def build_basket(*product_ids: str, **fields: Any) -> dict[str, Any]:
    return {"basket": [{"product_id": product} for product in product_ids], **fields}


@pytest.fixture(scope="module")
def most_active_user(demo_queries: RecommendationQueries) -> str:
    return str(demo_queries.serving_copy.search_customers(limit=1)["user_id"].iloc[0])


@pytest.fixture(scope="module")
def popular_product_ids(demo_queries: RecommendationQueries) -> list[str]:
    return list(demo_queries.serving_copy.get_popular_products(1000)["product_id"])


def test_health_and_version(service: ServiceClient, demo_queries: RecommendationQueries, most_active_user: str) -> None:
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
    for payload in (
        model,
        service.get(f"/customers/{most_active_user}/recommendations").json(),
        service.post("/recommendations", build_basket("p00001")).json(),
        service.get("/products/p00001/similar").json(),
        service.get(f"/customers/{most_active_user}/explanations/p00001").json(),
        service.post("/explanations", build_basket("p00001", product_id="p00002")).json(),
    ):
        assert payload["version"] == health["version"]


def test_customer_gets_published_list(
    service: ServiceClient, demo_queries: RecommendationQueries, most_active_user: str
) -> None:
    payload = service.get(f"/customers/{most_active_user}/recommendations", n=7).json()
    expected = demo_queries.serving_copy.get_recommendations(most_active_user, 7)
    expected = expected.drop(columns=["run_id", "user_id", "reason_key", "propensity"])
    expected = expected.astype(object).where(expected.notna(), None)
    assert payload["recommendations"] == expected.to_dict("records")
    assert (payload["is_fallback"], payload["notes"]) == (False, [])
    assert len(service.get(f"/customers/{most_active_user}/recommendations").json()["recommendations"]) == 10
    longest = service.get(f"/customers/{most_active_user}/recommendations", n=1000).json()
    assert len(longest["recommendations"]) == demo_queries.serving_copy.get_max_list_length()
    assert "the list has 50 products" in longest["notes"][0]


def test_placement_decides_list(
    service: ServiceClient, demo_queries: RecommendationQueries, most_active_user: str
) -> None:
    """The lists are those of the published tables."""
    for path, placement, condition in (
        (f"/customers/{most_active_user}/recommendations", "email", f"user_id = '{most_active_user}'"),
        (f"/customers/{most_active_user}/recommendations", "recently_viewed", f"user_id = '{most_active_user}'"),
        ("/products/p00001/recommendations", "product_page", "list_product_id = 'p00001'"),
        ("/categories/AUDIO/recommendations", "new_arrivals", "list_category = 'audio'"),
        ("/categories/audio/recommendations", "popular_in_category", "list_category = 'audio'"),
    ):
        expected = demo_queries.serving_copy.query_frame(
            f"select product_id from rec_placement_lists where placement = '{placement}' and {condition} order by rank"
        )
        payload = service.get(path, n=100, placement=placement).json()
        assert get_product_ids(payload["recommendations"]) == list(expected["product_id"]), placement
        assert payload["recommendations"]


@pytest.mark.parametrize(
    ("path", "placement"),
    [
        ("/customers/u00001/recommendations", "hoem"),
        ("/customers/u00001/recommendations", "product_page"),
        ("/products/p00001/recommendations", "email"),
        ("/categories/audio/recommendations", "home"),
        ("/products/p00001/similar", "nowhere"),
        ("/products/p00001/similar", "email"),
        ("/products/p00001/similar", "basket"),
    ],
)
def test_wrong_placement_is_refused(service: ServiceClient, path: str, placement: str) -> None:
    response = service.get(path, placement=placement)
    assert response.status_code == 422
    assert f"placement '{placement}'" in response.json()["detail"]
    assert "Use " in response.json()["detail"]


@pytest.mark.parametrize("unknown", ODD_IDS)
def test_unknown_customer_gets_popular_products(
    service: ServiceClient, popular_product_ids: list[str], unknown: str
) -> None:
    payload = service.get(f"/customers/{quote(unknown, safe='')}/recommendations", n=3).json()
    assert get_product_ids(payload["recommendations"]) == popular_product_ids[:3]
    assert {item["source"] for item in payload["recommendations"]} == {"popularity"}
    assert payload["is_fallback"]
    assert f"customer '{unknown}' is unknown" in payload["notes"][0]


def test_basket_gets_recommendable_products(service: ServiceClient, demo_queries: RecommendationQueries) -> None:
    payload = service.post("/recommendations", build_basket(*PRODUCT_IDS, n=1000)).json()
    expected = demo_queries.recommender.recommend(basket=PRODUCT_IDS, n=1000).items
    assert get_product_ids(payload["recommendations"]) == [item.product_id for item in expected]
    assert [item["score"] for item in payload["recommendations"]] == pytest.approx([item.score for item in expected])
    recommendable_products = demo_queries.rules.recommendable_products
    known_products = set(demo_queries.recommender.products.ids.to_pylist())
    assert set(get_product_ids(payload["recommendations"])) == (recommendable_products & known_products) - set(
        PRODUCT_IDS
    )
    assert known_products - recommendable_products, "the test needs a product that may not be recommended"
    assert [item["rank"] for item in payload["recommendations"]] == list(range(1, len(expected) + 1))
    first = payload["recommendations"][0]
    product_row = demo_queries.serving_copy.get_products([first["product_id"]]).iloc[0]
    assert (first["product_name"], first["price"]) == (product_row["product_name"], product_row["price"])
    assert first["reason"].startswith("Goes with ")
    assert first["reason_product_id"] in PRODUCT_IDS


def test_basket_strengths_are_added(service: ServiceClient, demo_queries: RecommendationQueries) -> None:
    def scores(*items: tuple[str, float | None]) -> list[float]:
        body = {"basket": [{"product_id": product, "strength": strength} for product, strength in items]}
        return [item["score"] for item in service.post("/recommendations", body).json()["recommendations"]]

    mean = demo_queries.recommender.card.mean_strength
    assert scores((PRODUCT_IDS[0], 2.0), (PRODUCT_IDS[1], 1.0), (PRODUCT_IDS[0], 3.0)) == scores(
        (PRODUCT_IDS[0], 5.0), (PRODUCT_IDS[1], 1.0)
    )
    assert scores((PRODUCT_IDS[0], None), (PRODUCT_IDS[1], None)) == scores(
        (PRODUCT_IDS[0], mean), (PRODUCT_IDS[1], mean)
    )
    assert scores((PRODUCT_IDS[0], 9.0), (PRODUCT_IDS[1], 1.0)) != scores((PRODUCT_IDS[0], 1.0), (PRODUCT_IDS[1], 1.0))


def test_filters_apply_to_basket_and_fallback(service: ServiceClient, popular_product_ids: list[str]) -> None:
    product_ids = get_product_ids(
        service.post("/recommendations", build_basket(*PRODUCT_IDS, n=100)).json()["recommendations"]
    )
    filtered_basket = build_basket(
        *PRODUCT_IDS, n=100, allowed_products=[*product_ids[:6], "🙂"], excluded_products=[product_ids[0], "no such"]
    )
    filtered = service.post("/recommendations", filtered_basket).json()
    assert get_product_ids(filtered["recommendations"]) == product_ids[1:6]
    assert filtered["notes"] == [
        "allowed products unknown to the model, ignored: 🙂",
        "the list has 5 products; the merchandising rules or the filters of the request allow no more",
    ]
    fallback = build_basket(
        "no such", n=2, allowed_products=popular_product_ids[3:9], excluded_products=popular_product_ids[3:5]
    )
    payload = service.post("/recommendations", fallback).json()
    assert get_product_ids(payload["recommendations"]) == popular_product_ids[5:7]
    assert [item["rank"] for item in payload["recommendations"]] == [1, 2]
    assert (
        service.post("/recommendations", build_basket(*PRODUCT_IDS, allowed_products=[])).json()["recommendations"]
        == []
    )


def test_basket_with_unknown_products(service: ServiceClient, popular_product_ids: list[str]) -> None:
    for unknown_products in ([], ODD_IDS):
        payload = service.post("/recommendations", build_basket(*unknown_products, n=4)).json()
        assert get_product_ids(payload["recommendations"]) == popular_product_ids[:4]
        assert payload["is_fallback"]
        assert "no product of the basket is known" in payload["notes"][-1]
    partly_known = service.post("/recommendations", build_basket("🙂 smile", PRODUCT_IDS[0])).json()
    assert not partly_known["is_fallback"]
    assert partly_known["notes"] == ["unknown to the model, ignored: 🙂 smile"]
    assert (
        partly_known["recommendations"]
        == service.post("/recommendations", build_basket(PRODUCT_IDS[0])).json()["recommendations"]
    )


def test_similar_products(
    service: ServiceClient, demo_queries: RecommendationQueries, popular_product_ids: list[str]
) -> None:
    payload = service.get(f"/products/{PRODUCT_IDS[0]}/similar", n=6).json()
    expected = demo_queries.recommender.find_similar_products(PRODUCT_IDS[0], 6).items
    assert get_product_ids(payload["recommendations"]) == [item.product_id for item in expected]
    assert {item["reason_product_id"] for item in payload["recommendations"]} == {PRODUCT_IDS[0]}
    for unknown in ODD_IDS:
        payload = service.get(f"/products/{quote(unknown, safe='')}/similar", n=2).json()
        assert (get_product_ids(payload["recommendations"]), payload["is_fallback"]) == (popular_product_ids[:2], True)
        assert f"product '{unknown}' is unknown" in payload["notes"][0]


def test_explanations_add_up_to_score(
    service: ServiceClient, demo_queries: RecommendationQueries, most_active_user: str
) -> None:
    product = service.get(f"/customers/{most_active_user}/recommendations", n=1).json()["recommendations"][0]
    explanation = service.get(f"/customers/{most_active_user}/explanations/{product['product_id']}").json()
    parts = explanation["contributions"]
    assert explanation["product_name"] == product["product_name"]
    assert explanation["score"] == pytest.approx(product["score"], rel=1e-3)
    assert sum(part["contribution"] for part in parts) == pytest.approx(explanation["score"], rel=1e-3)
    assert explanation["feature_contributions"] == []
    recommender = demo_queries.recommender
    assert len(parts) == int(recommender.history.lengths[recommender.users.get_position(most_active_user)])
    assert all(part["product_name"] for part in parts)
    basket_explanation = service.post(
        "/explanations", build_basket(*PRODUCT_IDS, "🙂", product_id=PRODUCT_IDS[0])
    ).json()
    assert sorted(get_product_ids(basket_explanation["contributions"])) == PRODUCT_IDS
    assert basket_explanation["notes"] == ["unknown to the model, ignored: 🙂"]


def test_explanation_of_unknown_customer(service: ServiceClient) -> None:
    unknown_customer = service.get("/customers/no%20body/explanations/p00001").json()
    empty_basket = service.post("/explanations", build_basket(product_id="p00001")).json()
    for payload in (unknown_customer, empty_basket):
        assert (payload["score"], payload["contributions"], payload["is_fallback"]) == (None, [], True)
        assert "no score to explain" in payload["notes"][0]


def test_concurrent_clients_get_equal_responses(service: ServiceClient, most_active_user: str) -> None:
    bodies = [build_basket(*PRODUCT_IDS[: 1 + number % 3], n=5) for number in range(6)]

    def post_basket(client: ServiceClient, body: dict[str, Any]) -> dict[str, Any]:
        return {**client.post("/recommendations", body).json(), "recommendation_id": ""}

    def get_list(client: ServiceClient) -> dict[str, Any]:
        return {**client.get(f"/customers/{most_active_user}/recommendations").json(), "recommendation_id": ""}

    expected_responses = [post_basket(service, body) for body in bodies]
    expected_list = get_list(service)

    def send_requests(number: int) -> None:
        client_session = service.create_client()
        for request_number in range(12):
            body_index = (number + request_number) % len(bodies)
            assert post_basket(client_session, bodies[body_index]) == expected_responses[body_index]
            assert get_list(client_session) == expected_list

    with ThreadPoolExecutor(8) as clients:
        list(clients.map(send_requests, range(8)))


@pytest.mark.parametrize(
    ("path", "location"),
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
def test_invalid_path_values_are_named(service: ServiceClient, path: str, location: str) -> None:
    assert_problem(service.get(path), 422, location)


@pytest.mark.parametrize(
    ("text", "location"),
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
def test_invalid_bodies_are_located(service: ServiceClient, text: bytes, location: str) -> None:
    assert_problem(service.post_bytes("/recommendations", text), 422, location)


@pytest.mark.parametrize(
    ("text", "content_type", "location", "message"),
    [
        (b'{"basket": []}', None, "body", "Send it with the header Content-Type: application/json"),
        (b"{", "application/json", "body", "the body is not valid JSON (character 1)"),
        (
            b'{"basket": [], "nn": 1}',
            "application/json",
            "body.nn",
            "unknown field. Known: basket, n, ",
        ),
        (
            b'{"basket": [{"product_id": "p1", "strenth": 1}]}',
            "application/json",
            "body.basket.0.strenth",
            "unknown field. Known: product_id, strength",
        ),
    ],
)
def test_invalid_body_names_remedy(
    service: ServiceClient, text: bytes, content_type: str | None, location: str, message: str
) -> None:
    (error,) = service.post_bytes("/recommendations", text, content_type).json()["errors"]
    assert error["location"] == location
    assert message in error["message"]


def test_unknown_allowed_product_gets_note(service: ServiceClient) -> None:
    body = build_basket(PRODUCT_IDS[0], allowed_products=[PRODUCT_IDS[1], "x1"])
    payload = service.post("/recommendations", body).json()
    assert get_product_ids(payload["recommendations"]) == [PRODUCT_IDS[1]]
    assert payload["notes"][0] == "allowed products unknown to the model, ignored: x1"


def test_too_small_strength_is_an_error(service: ServiceClient) -> None:
    body = {"basket": [{"product_id": PRODUCT_IDS[0], "strength": 1e-60}]}
    problem = service.post("/recommendations", body)
    assert_problem(problem, 422)
    assert "finite numbers above zero" in problem.json()["detail"]


def test_not_found_and_not_allowed_are_problems(service: ServiceClient, most_active_user: str) -> None:
    assert_problem(service.get(f"/customers/{most_active_user}/explanations/no%20such%20%F0%9F%99%82"), 404)
    assert "unknown product 'x'" in service.get(f"/customers/{most_active_user}/explanations/x").json()["detail"]
    assert_problem(service.post("/explanations", build_basket(product_id="x")), 404)
    assert_problem(service.get("/unknown"), 404)
    not_allowed = service.delete("/health")
    assert_problem(not_allowed, 405)
    assert not_allowed.headers["allow"] == "GET"


def test_health_supports_head(service: ServiceClient) -> None:
    assert service.head("/health").status_code == 200


def assert_problem(response: requests.Response, status: int, location: str | None = None) -> None:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"title", "status", "detail", "errors"}
    assert problem["status"] == status
    assert problem["detail"]
    if location is not None:
        assert any(error["location"].startswith(location) and error["message"] for error in problem["errors"]), problem


def test_reasons_name_no_blocked_product(
    writable_shop: Settings, publish_again: Callable[[], PublishedCopy], demo_queries: RecommendationQueries
) -> None:
    """A block acts at once on the reasons of published lists and of those that the service ranks."""
    publish_again()
    user_id, blocked = (
        demo_queries.serving_copy.query_frame(
            "select user_id, reason_product_id from rec_placement_lists "
            "where placement = 'email' and reason_product_id is not null order by all limit 1"
        )
    ).iloc[0]
    paths = {
        f"/customers/{user_id}/recommendations?n=50": None,
        f"/customers/{user_id}/recommendations?placement=email": None,
        f"/products/{blocked}/recommendations": None,
        f"/products/{blocked}/similar": None,
        "/recommendations": build_basket(blocked, n=10),
    }
    with run_service(writable_shop) as service:

        def read_lists() -> list[list[dict[str, Any]]]:
            responses = [
                service.get(path) if body is None else service.post(path, body) for path, body in paths.items()
            ]
            return [response.json()["recommendations"] for response in responses]

        name = demo_queries.serving_copy.get_products([blocked])["product_name"].iloc[0]
        for items in read_lists():
            assert any(item["reason_product_id"] == blocked and name in item["reason"] for item in items)
        RuleStore(writable_shop).add([Rule(kind="block", scope="product", value=blocked)], "ann")
        for items in read_lists():
            assert items
            assert not [item for item in items if item["reason_product_id"] == blocked or name in item["reason"]]
            assert any(item["reason"].startswith("More from ") for item in items)
