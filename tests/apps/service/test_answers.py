"""What the service answers, over real HTTP, beside what Python answers."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
import requests

from apps.recommendation_queries import Storefront
from tests.apps.service.conftest import Service

pytestmark = pytest.mark.usefixtures("own_torch_threads")

NAMES = ["p00001", "p00002", "p00003"]
ODD_IDS = ["no body", "🙂 smile", "a/b/c?d=1#e", "50% off", "O'Brien", "../x", "ü" * 300]


def ids(offers: Sequence[dict[str, Any]]) -> list[str]:
    return [offer["product_id"] for offer in offers]


def basket(*products: str, **more: Any) -> dict[str, Any]:
    return {"basket": [{"product_id": product} for product in products], **more}


@pytest.fixture(scope="module")
def user(storefront: Storefront) -> str:
    return str(storefront.copy.customers(limit=1)["user_id"].iloc[0])


@pytest.fixture(scope="module")
def popular(storefront: Storefront) -> list[str]:
    return list(storefront.copy.popular_products(1000)["product_id"])


def test_it_is_healthy_and_names_its_version_and_its_model(service: Service, storefront: Storefront, user: str) -> None:
    published = storefront.copy.published
    health = service.get("/health").json()
    assert (health["status"], health["problem"]) == ("ok", None)
    assert health["version"] == {
        "run_id": published.run_id,
        "published_copy": published.file,
        "published_at": published.published_at.isoformat().replace("+00:00", "Z"),
    }
    model = service.get("/model").json()
    assert model["card"] == storefront.recommender.card.model_dump(mode="json")
    for answer in (
        model,
        service.get(f"/customers/{user}/recommendations").json(),
        service.post("/recommendations", basket("p00001")).json(),
        service.get("/products/p00001/similar").json(),
        service.get(f"/customers/{user}/explanations/p00001").json(),
        service.post("/explanations", basket("p00001", product_id="p00002")).json(),
    ):
        assert answer["version"] == health["version"]


def test_a_customer_gets_the_published_list(service: Service, storefront: Storefront, user: str) -> None:
    answer = service.get(f"/customers/{user}/recommendations", n=7).json()
    expected = storefront.copy.recommendations(user, 7).drop(columns=["run_id", "user_id"])
    assert answer["offers"] == expected.to_dict("records")
    assert (answer["is_fallback"], answer["notes"]) == (False, [])
    assert len(service.get(f"/customers/{user}/recommendations").json()["offers"]) == 10
    longest = service.get(f"/customers/{user}/recommendations", n=1000).json()
    assert len(longest["offers"]) == storefront.copy.longest_list()
    assert "there are 50 to show" in longest["notes"][0]


@pytest.mark.parametrize("unknown", ODD_IDS)
def test_an_unknown_customer_gets_what_is_popular_and_is_told_so(
    service: Service, popular: list[str], unknown: str
) -> None:
    answer = service.get(f"/customers/{quote(unknown, safe='')}/recommendations", n=3).json()
    assert ids(answer["offers"]) == popular[:3]
    assert {offer["source"] for offer in answer["offers"]} == {"popularity"}
    assert answer["is_fallback"]
    assert f"customer '{unknown}' is not known" in answer["notes"][0]


def test_a_basket_gets_what_python_answers_among_what_may_be_offered(service: Service, storefront: Storefront) -> None:
    answer = service.post("/recommendations", basket(*NAMES, n=1000)).json()
    expected = storefront.recommender.recommend(basket=NAMES, n=1000).items
    assert ids(answer["offers"]) == [item.product_id for item in expected]
    assert [offer["score"] for offer in answer["offers"]] == pytest.approx([item.score for item in expected])
    offerable = storefront.rules.offered
    known = set(storefront.recommender.products.ids.to_pylist())
    assert set(ids(answer["offers"])) == (offerable & known) - set(NAMES)
    assert known - offerable, "the shop has nothing that it may not offer, so this shows nothing"
    assert [offer["rank"] for offer in answer["offers"]] == list(range(1, len(expected) + 1))
    first = answer["offers"][0]
    facts = storefront.copy.products([first["product_id"]]).iloc[0]
    assert (first["product_name"], first["price"]) == (facts["product_name"], facts["price"])
    assert first["reason"].startswith("Goes with ")
    assert first["reason_product_id"] in NAMES


def test_strengths_count_and_those_of_a_product_named_twice_add_up(service: Service, storefront: Storefront) -> None:
    def scores(*items: tuple[str, float | None]) -> list[float]:
        body = {"basket": [{"product_id": product, "strength": strength} for product, strength in items]}
        return [offer["score"] for offer in service.post("/recommendations", body).json()["offers"]]

    mean = storefront.recommender.card.mean_strength
    assert scores((NAMES[0], 2.0), (NAMES[1], 1.0), (NAMES[0], 3.0)) == scores((NAMES[0], 5.0), (NAMES[1], 1.0))
    assert scores((NAMES[0], None), (NAMES[1], None)) == scores((NAMES[0], mean), (NAMES[1], mean))
    assert scores((NAMES[0], 9.0), (NAMES[1], 1.0)) != scores((NAMES[0], 1.0), (NAMES[1], 1.0))


def test_filters_narrow_a_basket_and_its_fallback(service: Service, popular: list[str]) -> None:
    ranked = ids(service.post("/recommendations", basket(*NAMES, n=100)).json()["offers"])
    narrowed = basket(*NAMES, n=100, only=[*ranked[:6], "🙂"], without=[ranked[0], "no such"])
    few = service.post("/recommendations", narrowed).json()
    assert ids(few["offers"]) == ranked[1:6]
    assert few["notes"] == ["there are 5 to show: the shop's rules or what was asked for leave no more"]
    fallback = basket("no such", n=2, only=popular[3:9], without=popular[3:5])
    answer = service.post("/recommendations", fallback).json()
    assert ids(answer["offers"]) == popular[5:7]
    assert [offer["rank"] for offer in answer["offers"]] == [1, 2]
    assert service.post("/recommendations", basket(*NAMES, only=[])).json()["offers"] == []


def test_a_basket_of_which_nothing_or_little_is_known_is_told_so(service: Service, popular: list[str]) -> None:
    for nothing in ([], ODD_IDS):
        answer = service.post("/recommendations", basket(*nothing, n=4)).json()
        assert ids(answer["offers"]) == popular[:4]
        assert answer["is_fallback"]
        assert "nothing in the basket is known" in answer["notes"][-1]
    little = service.post("/recommendations", basket("🙂 smile", NAMES[0])).json()
    assert not little["is_fallback"]
    assert little["notes"] == ["not known to the model, left out: 🙂 smile"]
    assert little["offers"] == service.post("/recommendations", basket(NAMES[0])).json()["offers"]


def test_similar_products_are_those_of_python_and_may_be_offered(
    service: Service, storefront: Storefront, popular: list[str]
) -> None:
    answer = service.get(f"/products/{NAMES[0]}/similar", n=6).json()
    expected = storefront.recommender.similar_items(NAMES[0], 6).items
    assert ids(answer["offers"]) == [item.product_id for item in expected]
    assert {offer["reason_product_id"] for offer in answer["offers"]} == {NAMES[0]}
    for unknown in ODD_IDS:
        answer = service.get(f"/products/{quote(unknown, safe='')}/similar", n=2).json()
        assert (ids(answer["offers"]), answer["is_fallback"]) == (popular[:2], True)
        assert f"product '{unknown}' is not known" in answer["notes"][0]


def test_explanations_add_up_to_the_score_and_name_their_products(
    service: Service, storefront: Storefront, user: str
) -> None:
    product = service.get(f"/customers/{user}/recommendations", n=1).json()["offers"][0]
    explained = service.get(f"/customers/{user}/explanations/{product['product_id']}").json()
    parts = explained["contributions"]
    assert explained["product_name"] == product["product_name"]
    assert explained["score"] == pytest.approx(product["score"], rel=1e-3)
    assert sum(part["contribution"] for part in parts) == pytest.approx(explained["score"], rel=1e-3)
    recommender = storefront.recommender
    assert len(parts) == int(recommender.history.lengths[recommender.users.position(user)])
    assert all(part["product_name"] for part in parts)
    of_basket = service.post("/explanations", basket(*NAMES, "🙂", product_id=NAMES[0])).json()
    assert sorted(ids(of_basket["contributions"])) == NAMES
    assert of_basket["notes"] == ["not known to the model, left out: 🙂"]


def test_who_is_unknown_has_nothing_to_explain_and_is_told_so(service: Service) -> None:
    of_nobody = service.get("/customers/no%20body/explanations/p00001").json()
    of_nothing = service.post("/explanations", basket(product_id="p00001")).json()
    for answer in (of_nobody, of_nothing):
        assert (answer["score"], answer["contributions"], answer["is_fallback"]) == (None, [], True)
        assert "no score to explain" in answer["notes"][0]


def test_eight_clients_at_once_see_no_error_and_the_same_answers(service: Service, user: str) -> None:
    bodies = [basket(*NAMES[: 1 + number % 3], n=5) for number in range(6)]
    alone = [service.post("/recommendations", body).json() for body in bodies]
    list_alone = service.get(f"/customers/{user}/recommendations").json()

    def client(number: int) -> None:
        own = service.another()
        for turn in range(12):
            which = (number + turn) % len(bodies)
            assert own.post("/recommendations", bodies[which]).json() == alone[which]
            assert own.get(f"/customers/{user}/recommendations").json() == list_alone

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
def test_values_of_the_path_that_cannot_be_taken_are_named(service: Service, path: str, where: str) -> None:
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
        (b'{"basket": [], "only": "p1"}', "body.only"),
        (b'{"basket": [' + b",".join([b'{"product_id": "p"}'] * 1001) + b"]}", "body.basket"),
        (b'{"basket": [], "without": [' + b",".join([b'"p"'] * 10_001) + b"]}", "body.without"),
        (b'{"basket": [{"product_id": "\\ud800"}]}', "body"),
        (b'{"basket": [], "\\ud800": 1}', "body"),
        (b"\xff\xfe", "body"),
    ],
)
def test_bodies_that_cannot_be_taken_are_told_where_they_are_wrong(service: Service, text: bytes, where: str) -> None:
    assert_problem(service.send("/recommendations", text), 422, where)


def test_a_strength_too_small_for_the_model_is_refused(service: Service) -> None:
    body = {"basket": [{"product_id": NAMES[0], "strength": 1e-60}]}
    problem = service.post("/recommendations", body)
    assert_problem(problem, 422)
    assert "finite numbers above zero" in problem.json()["detail"]


def test_what_is_not_there_and_what_may_not_be_done_have_the_same_shape(service: Service, user: str) -> None:
    assert_problem(service.get(f"/customers/{user}/explanations/no%20such%20%F0%9F%99%82"), 404)
    assert "unknown product 'x'" in service.get(f"/customers/{user}/explanations/x").json()["detail"]
    assert_problem(service.post("/explanations", basket(product_id="x")), 404)
    assert_problem(service.get("/nothing"), 404)
    not_allowed = service.delete("/health")
    assert_problem(not_allowed, 405)
    assert not_allowed.headers["allow"] == "GET"


def test_health_can_be_asked_without_its_words(service: Service) -> None:
    assert service.head("/health").status_code == 200


def assert_problem(response: requests.Response, status: int, where: str | None = None) -> None:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"title", "status", "detail", "invalid"}
    assert problem["status"] == status
    assert problem["detail"]
    if where is not None:
        assert any(one["where"].startswith(where) and one["message"] for one in problem["invalid"]), problem
