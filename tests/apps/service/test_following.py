"""The service follows what is published, and says so when it cannot."""

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from apps.service.live_recommendations import LiveStorefront
from tests.apps.service.conftest import Service, serving, wait_until
from warehouse.database import writer
from warehouse.publishing.live_copy import Published
from warehouse.settings import Settings

pytestmark = pytest.mark.usefixtures("own_torch_threads")

Publish = Callable[[], Published]
BASKET = {"basket": [{"product_id": "p00001"}]}


def change(settings: Settings, statement: str) -> None:
    with writer(settings) as connection:
        connection.execute(statement)


def live_copy(service: Service) -> Any:
    health = service.get("/health")
    return health.json()["version"]["published_copy"] if health.status_code == 200 else None


def test_a_new_publication_disturbs_no_client_and_every_answer_is_of_one_version(
    own_shop: Settings, publish_again: Publish
) -> None:
    user = "u00054"
    says: dict[str, str] = {}

    def publish_saying(words: str) -> str:
        change(own_shop, f"update marts.rec_top_n set reason = '{words}'")
        published = publish_again()
        says[published.file] = words
        return published.file

    stop = threading.Event()

    def client(own: Service) -> set[tuple[str, str | None]]:
        """Ask until told to stop, and once more; the copies that answered, with the words of lists."""
        seen: set[tuple[str, str | None]] = set()
        is_last = False
        while not is_last:
            is_last = stop.is_set()
            listed, fresh = own.get(f"/customers/{user}/recommendations"), own.post("/recommendations", BASKET)
            for answer in (listed, fresh):
                assert answer.status_code == 200, answer.text
            (words,) = {offer["reason"] for offer in listed.json()["offers"]}
            seen.add((listed.json()["version"]["published_copy"], words))
            seen.add((fresh.json()["version"]["published_copy"], None))
        return seen

    first = publish_saying("first")
    with serving(own_shop) as service, ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(client, service.another()) for _ in range(4)]
        try:
            # More than are kept: the file of the first is gone when the last is live.
            files = [first]
            for number in range(own_shop.serving_copies + 1):
                file = publish_saying(f"publication {number}")
                files.append(file)
                wait_until(lambda expected=file: live_copy(service) == expected)  # type: ignore[misc]
        finally:
            stop.set()
        seen = set().union(*(one.result() for one in clients))
    assert seen == {(file, words) for file in files for words in (says[file], None)}
    assert not (own_shop.serving_dir / first).exists()


def test_before_anything_is_published_it_says_what_to_do_and_then_goes_on_by_itself(
    own_shop: Settings, publish_again: Publish
) -> None:
    with serving(own_shop) as service:
        for response in (
            service.get("/health"),
            service.get("/model"),
            service.get("/customers/u/recommendations"),
            service.post("/recommendations", BASKET),
        ):
            assert response.status_code == 503
            assert "nothing is published yet; run `recomart run`" in response.json()["detail"]
        assert service.get("/openapi.json").status_code == 200
        published = publish_again()
        wait_until(lambda: live_copy(service) == published.file)
        assert service.post("/recommendations", BASKET).status_code == 200


def test_without_a_model_lists_are_served_and_the_rest_says_what_to_do(
    own_shop: Settings, publish_again: Publish
) -> None:
    change(own_shop, "update marts.rec_top_n set run_id = null")
    publish_again()
    with serving(own_shop) as service:
        health = service.get("/health").json()
        assert (health["status"], health["version"]["run_id"]) == ("ok", None)
        assert service.get("/customers/u00054/recommendations").json()["offers"]
        assert service.get("/customers/nobody/recommendations").json()["is_fallback"]
        for response in (
            service.get("/model"),
            service.post("/recommendations", BASKET),
            service.get("/products/p00001/similar"),
            service.get("/customers/u00054/explanations/p00001"),
        ):
            assert response.status_code == 503
            assert "no model has been trained; run `recomart run`" in response.json()["detail"]


def test_without_the_models_folder_lists_go_on_and_the_rest_says_what_to_do(
    own_shop: Settings, publish_again: Publish
) -> None:
    folder = own_shop.models_dir / str(publish_again().run_id)
    folder.rename(own_shop.warehouse / "away")
    with serving(own_shop, tried_again_after=0) as service:
        health = service.get("/health").json()
        assert health["status"] == "degraded"
        assert service.get("/customers/u00054/recommendations").json()["offers"]
        assert service.get("/customers/nobody/recommendations").json()["is_fallback"]
        for response in (
            service.get("/model"),
            service.post("/recommendations", BASKET),
            service.get("/products/p00001/similar"),
            service.get("/customers/u00054/explanations/p00001"),
        ):
            assert response.status_code == 503
            assert f"restore {folder}, or run `recomart run`" in response.json()["detail"]
            assert response.json()["detail"] == health["problem"]
        # One whose model is missing as well is newer, at least.
        newer = publish_again()
        wait_until(lambda: live_copy(service) == newer.file)
        (own_shop.warehouse / "away").rename(folder)
        wait_until(lambda: service.get("/health").json()["status"] == "ok")
        assert service.post("/recommendations", BASKET).status_code == 200


def test_a_damaged_model_is_named_and_a_mended_one_is_taken(own_shop: Settings, publish_again: Publish) -> None:
    run_id = publish_again().run_id
    assert run_id is not None
    tensors = own_shop.models_dir / run_id / "tensors.safetensors"
    whole = tensors.read_bytes()
    tensors.write_bytes(whole[:-100])
    with serving(own_shop, tried_again_after=0) as service:
        broken = service.get("/health")
        assert f"{tensors} does not match the checksum in card.json" in broken.json()["problem"]
        tensors.write_bytes(whole)
        wait_until(lambda: service.get("/health").json()["status"] == "ok")


def test_what_cannot_be_opened_is_not_read_again_at_every_look(own_shop: Settings, publish_again: Publish) -> None:
    published = publish_again()
    card = own_shop.models_dir / str(published.run_id) / "card.json"
    whole = card.read_bytes()
    card.unlink()
    patient, restless = LiveStorefront(own_shop, tried_again_after=3600), LiveStorefront(own_shop, tried_again_after=0)
    for live in (patient, restless):
        live.look()
        assert "card.json is missing" in str(live.problem)
    card.write_bytes(whole)
    for live in (patient, restless):
        live.look()
    assert "card.json is missing" in str(patient.problem)
    assert restless.storefront.copy.published == published
    newer = publish_again()
    patient.look()
    assert (patient.storefront.copy.published, patient.problem) == (newer, None)


def test_a_newer_version_that_cannot_be_opened_leaves_the_one_before_answering(
    own_shop: Settings, publish_again: Publish
) -> None:
    published = publish_again()
    assert published.run_id is not None
    with serving(own_shop, tried_again_after=0) as service:
        change(own_shop, "update marts.rec_top_n set run_id = 'run-of-another-machine'")
        publish_again()
        wait_until(lambda: service.get("/health").json()["status"] == "degraded")
        assert "run-of-another-machine/card.json is missing" in service.get("/health").json()["problem"]
        assert service.post("/recommendations", BASKET).json()["version"]["published_copy"] == published.file
        # A model of another run under that name is not taken for it.
        shutil.copytree(own_shop.models_dir / published.run_id, own_shop.models_dir / "run-of-another-machine")
        wait_until(lambda: "holds the model of run" in (service.get("/health").json()["problem"] or ""))
        assert live_copy(service) == published.file


def test_a_damaged_pointer_leaves_the_live_version_answering(own_shop: Settings, publish_again: Publish) -> None:
    published = publish_again()
    pointer = own_shop.serving_dir / "current.json"
    with serving(own_shop) as service:
        pointer.write_text("{", encoding="utf-8")
        wait_until(lambda: service.get("/health").json()["status"] == "degraded")
        assert "the pointer is damaged" in service.get("/health").json()["problem"]
        pointer.write_text(published.model_dump_json(), encoding="utf-8")
        wait_until(lambda: service.get("/health").json()["status"] == "ok")
