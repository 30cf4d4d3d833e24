"""The service follows what is published, and says so when it cannot."""

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from apps.service.live_recommendations import PublicationFollower
from tests.apps.service.conftest import ServiceClient, run_service, wait_until
from warehouse.database import open_writer
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.settings import Settings

pytestmark = pytest.mark.usefixtures("restore_torch_threads")

Publish = Callable[[], PublishedCopy]
BASKET = {"basket": [{"product_id": "p00001"}]}


def execute_statement(settings: Settings, statement: str) -> None:
    with open_writer(settings) as connection:
        connection.execute(statement)


def get_published_copy(service: ServiceClient) -> Any:
    health = service.get("/health")
    return health.json()["version"]["published_copy"] if health.status_code == 200 else None


def test_a_new_publication_disturbs_no_client_and_every_answer_is_of_one_version(
    writable_shop: Settings, publish_again: Publish
) -> None:
    user = "u00054"
    says: dict[str, str] = {}

    def publish_saying(words: str) -> str:
        execute_statement(writable_shop, f"update marts.rec_top_n set reason = '{words}'")
        published = publish_again()
        says[published.file] = words
        return published.file

    stop = threading.Event()

    def client(own: ServiceClient) -> set[tuple[str, str | None]]:
        """Ask until told to stop, and once more; the copies that answered, with the words of lists."""
        seen: set[tuple[str, str | None]] = set()
        is_last = False
        while not is_last:
            is_last = stop.is_set()
            listed, fresh = own.get(f"/customers/{user}/recommendations"), own.post("/recommendations", BASKET)
            for answer in (listed, fresh):
                assert answer.status_code == 200, answer.text
            (words,) = {offer["reason"] for offer in listed.json()["recommendations"]}
            seen.add((listed.json()["version"]["published_copy"], words))
            seen.add((fresh.json()["version"]["published_copy"], None))
        return seen

    first = publish_saying("first")
    with run_service(writable_shop) as service, ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(client, service.create_client()) for _ in range(4)]
        try:
            # More than are kept: the file of the first is gone when the last is live.
            files = [first]
            for number in range(writable_shop.serving_copies + 1):
                file = publish_saying(f"publication {number}")
                files.append(file)
                wait_until(lambda expected=file: get_published_copy(service) == expected)  # type: ignore[misc]
        finally:
            stop.set()
        seen = set().union(*(one.result() for one in clients))
    assert seen == {(file, words) for file in files for words in (says[file], None)}
    assert not (writable_shop.serving_dir / first).exists()


def test_before_anything_is_published_it_says_what_to_do_and_then_goes_on_by_itself(
    writable_shop: Settings, publish_again: Publish
) -> None:
    with run_service(writable_shop) as service:
        for response in (
            service.get("/health"),
            service.get("/model"),
            service.get("/customers/u/recommendations"),
            service.post("/recommendations", BASKET),
        ):
            assert response.status_code == 503
            assert "nothing is published yet. Run `recomart run`" in response.json()["detail"]
        assert service.get("/openapi.json").status_code == 200
        published = publish_again()
        wait_until(lambda: get_published_copy(service) == published.file)
        assert service.post("/recommendations", BASKET).status_code == 200


def test_without_a_model_lists_are_served_and_the_rest_says_what_to_do(
    writable_shop: Settings, publish_again: Publish
) -> None:
    execute_statement(writable_shop, "update marts.rec_top_n set run_id = null")
    publish_again()
    with run_service(writable_shop) as service:
        health = service.get("/health").json()
        assert (health["status"], health["version"]["run_id"]) == ("ok", None)
        assert service.get("/customers/u00054/recommendations").json()["recommendations"]
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
    writable_shop: Settings, publish_again: Publish
) -> None:
    folder = writable_shop.models_dir / str(publish_again().run_id)
    folder.rename(writable_shop.warehouse / "away")
    with run_service(writable_shop, tried_again_after=0) as service:
        health = service.get("/health").json()
        assert health["status"] == "degraded"
        assert service.get("/customers/u00054/recommendations").json()["recommendations"]
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
        wait_until(lambda: get_published_copy(service) == newer.file)
        (writable_shop.warehouse / "away").rename(folder)
        wait_until(lambda: service.get("/health").json()["status"] == "ok")
        assert service.post("/recommendations", BASKET).status_code == 200


def test_a_damaged_model_is_named_and_a_mended_one_is_taken(writable_shop: Settings, publish_again: Publish) -> None:
    run_id = publish_again().run_id
    assert run_id is not None
    tensors = writable_shop.models_dir / run_id / "tensors.safetensors"
    whole = tensors.read_bytes()
    tensors.write_bytes(whole[:-100])
    with run_service(writable_shop, tried_again_after=0) as service:
        broken = service.get("/health")
        assert f"{tensors} does not match the checksum in card.json" in broken.json()["problem"]
        tensors.write_bytes(whole)
        wait_until(lambda: service.get("/health").json()["status"] == "ok")


def test_what_cannot_be_opened_is_not_read_again_at_every_look(writable_shop: Settings, publish_again: Publish) -> None:
    published = publish_again()
    card = writable_shop.models_dir / str(published.run_id) / "card.json"
    whole = card.read_bytes()
    card.unlink()
    patient, restless = (
        PublicationFollower(writable_shop, retry_delay_seconds=3600),
        PublicationFollower(writable_shop, retry_delay_seconds=0),
    )
    for live in (patient, restless):
        live.refresh()
        assert "card.json is missing" in str(live.problem)
    card.write_bytes(whole)
    for live in (patient, restless):
        live.refresh()
    assert "card.json is missing" in str(patient.problem)
    assert restless.queries.serving_copy.published == published
    newer = publish_again()
    patient.refresh()
    assert (patient.queries.serving_copy.published, patient.problem) == (newer, None)


def test_a_newer_version_that_cannot_be_opened_leaves_the_one_before_answering(
    writable_shop: Settings, publish_again: Publish
) -> None:
    published = publish_again()
    assert published.run_id is not None
    with run_service(writable_shop, tried_again_after=0) as service:
        execute_statement(writable_shop, "update marts.rec_top_n set run_id = 'run-of-another-machine'")
        publish_again()
        wait_until(lambda: service.get("/health").json()["status"] == "degraded")
        assert "run-of-another-machine/card.json is missing" in service.get("/health").json()["problem"]
        assert service.post("/recommendations", BASKET).json()["version"]["published_copy"] == published.file
        # A model of another run under that name is not taken for it.
        shutil.copytree(
            writable_shop.models_dir / published.run_id, writable_shop.models_dir / "run-of-another-machine"
        )
        wait_until(lambda: "holds the model of run" in (service.get("/health").json()["problem"] or ""))
        assert get_published_copy(service) == published.file


def test_a_damaged_pointer_leaves_the_live_version_answering(writable_shop: Settings, publish_again: Publish) -> None:
    published = publish_again()
    pointer = writable_shop.serving_dir / "current.json"
    with run_service(writable_shop) as service:
        pointer.write_text("{", encoding="utf-8")
        wait_until(lambda: service.get("/health").json()["status"] == "degraded")
        assert "the pointer is damaged" in service.get("/health").json()["problem"]
        pointer.write_text(published.model_dump_json(), encoding="utf-8")
        wait_until(lambda: service.get("/health").json()["status"] == "ok")
