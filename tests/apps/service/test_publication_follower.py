"""The service switches to new publications and reports problems."""

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from apps.service import publication_follower
from apps.service.publication_follower import PublicationFollower
from tests.apps.service.conftest import ServiceClient, run_service, wait_until
from tests.database_damage import flip_byte
from tests.table_changes import execute_statements
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.settings import Settings

pytestmark = pytest.mark.usefixtures("restore_torch_threads")

Publish = Callable[[], PublishedCopy]
BASKET = {"basket": [{"product_id": "p00001"}]}
MODEL_PROBLEM = "the model of the published copy cannot be read. See the log of the service"
COPY_PROBLEM = "the published copy cannot be read. See the log of the service"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log of the service inside `record_log`."""
    return caplog


@contextmanager
def record_log(log: pytest.LogCaptureFixture) -> Iterator[None]:
    """Record the log of a running server; its start replaces the handlers."""
    logger = logging.getLogger("uvicorn.error")
    logger.addHandler(log.handler)
    try:
        yield
    finally:
        logger.removeHandler(log.handler)


@pytest.fixture
def without_retry_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service try a version that could not be opened again at each check."""
    monkeypatch.setattr(publication_follower, "RETRY_DELAY_SECONDS", 0)


def get_published_copy(service: ServiceClient) -> Any:
    health = service.get("/health")
    return health.json()["version"]["published_copy"] if health.status_code == 200 else None


def test_each_response_has_one_version(writable_shop: Settings, publish_again: Publish) -> None:
    user = "u00054"
    reason_by_file: dict[str, str] = {}

    def publish_with_reason(reason: str) -> str:
        # A reason without the name of another product is not replaced.
        execute_statements(
            writable_shop, f"update marts.rec_top_n set reason = '{reason}', reason_key = 'more_from_shop'"
        )
        published = publish_again()
        reason_by_file[published.file] = reason
        return published.file

    stop = threading.Event()

    def send_requests(client_session: ServiceClient) -> set[tuple[str, str | None]]:
        """Send requests until the stop event, and once more; return the copies and reasons of the responses."""
        versions: set[tuple[str, str | None]] = set()
        is_last = False
        while not is_last:
            is_last = stop.is_set()
            list_response, basket_response = (
                client_session.get(f"/customers/{user}/recommendations"),
                client_session.post("/recommendations", BASKET),
            )
            for response in (list_response, basket_response):
                assert response.status_code == 200, response.text
            (reason,) = {item["reason"] for item in list_response.json()["recommendations"]}
            versions.add((list_response.json()["version"]["published_copy"], reason))
            versions.add((basket_response.json()["version"]["published_copy"], None))
        return versions

    # The first copy of the week is kept longer.
    publish_again()
    first = publish_with_reason("first")
    with run_service(writable_shop) as service, ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(send_requests, service.create_client()) for _ in range(4)]
        try:
            # More publications than copies are kept, so the file of the first one is deleted.
            files = [first]
            for number in range(writable_shop.serving_copies + 1):
                file = publish_with_reason(f"publication {number}")
                files.append(file)
                wait_until(lambda expected=file: get_published_copy(service) == expected)  # type: ignore[misc]
        finally:
            stop.set()
        versions = set().union(*(future.result() for future in clients))
    assert versions == {(file, reason) for file in files for reason in (reason_by_file[file], None)}
    assert not (writable_shop.serving_dir / first).exists()


def test_service_waits_for_first_publication(writable_shop: Settings, publish_again: Publish) -> None:
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


def test_copy_without_model_serves_lists(writable_shop: Settings, publish_again: Publish) -> None:
    execute_statements(writable_shop, "update marts.rec_top_n set run_id = null")
    publish_again()
    with run_service(writable_shop) as service:
        health = service.get("/health").json()
        assert (health["status"], health["version"]["run_id"]) == ("ok", None)
        assert service.get("/customers/u00054/recommendations").json()["recommendations"]
        assert service.get("/customers/unknown/recommendations").json()["is_fallback"]
        for response in (
            service.get("/model"),
            service.post("/recommendations", BASKET),
            service.get("/products/p00001/similar"),
            service.get("/customers/u00054/explanations/p00001"),
        ):
            assert response.status_code == 503
            assert "no model serves. Run `recomart run`, " in response.json()["detail"]


@pytest.mark.usefixtures("without_retry_delay")
def test_missing_model_folder_degrades_service(
    writable_shop: Settings, publish_again: Publish, log: pytest.LogCaptureFixture
) -> None:
    folder = writable_shop.models_dir / str(publish_again().run_id)
    folder.rename(writable_shop.warehouse / "away")
    with run_service(writable_shop) as service, record_log(log):
        health = service.get("/health").json()
        assert health["status"] == "degraded"
        assert service.get("/customers/u00054/recommendations").json()["recommendations"]
        assert service.get("/customers/unknown/recommendations").json()["is_fallback"]
        for response in (
            service.get("/model"),
            service.post("/recommendations", BASKET),
            service.get("/products/p00001/similar"),
            service.get("/customers/u00054/explanations/p00001"),
        ):
            assert response.status_code == 503
            assert response.json()["detail"] == health["problem"] == MODEL_PROBLEM
        assert f"{folder} is no model artifact. Restore it or train again" in log.text
        assert log.text.count("503: ") == 4
        # A newer publication is used although its model is missing too.
        newer = publish_again()
        wait_until(lambda: get_published_copy(service) == newer.file)
        (writable_shop.warehouse / "away").rename(folder)
        wait_until(lambda: service.get("/health").json()["status"] == "ok")
        assert service.post("/recommendations", BASKET).status_code == 200


@pytest.mark.usefixtures("without_retry_delay")
@pytest.mark.parametrize("damage", ["truncated", "folder", "link"])
def test_repaired_model_is_opened(writable_shop: Settings, publish_again: Publish, damage: str) -> None:
    run_id = publish_again().run_id
    assert run_id is not None
    tensors = writable_shop.models_dir / run_id / "tensors.safetensors"
    content = tensors.read_bytes()
    if damage == "truncated":
        tensors.write_bytes(content[:-100])
    else:
        tensors.unlink()
        tensors.mkdir() if damage == "folder" else tensors.symlink_to(tensors)
    with run_service(writable_shop) as service:
        assert service.get("/health").json()["problem"] == MODEL_PROBLEM
        assert service.post("/recommendations", BASKET).status_code == 503
        tensors.rmdir() if damage == "folder" else tensors.unlink()
        tensors.write_bytes(content)
        wait_until(lambda: service.get("/health").json()["status"] == "ok")


def test_failed_version_is_retried_after_delay(
    writable_shop: Settings, publish_again: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = publish_again()
    card = writable_shop.models_dir / str(published.run_id) / "card.json"
    content = card.read_bytes()
    card.unlink()
    first, second = PublicationFollower(writable_shop), PublicationFollower(writable_shop)
    for follower in (first, second):
        follower.refresh()
        assert follower.problem == MODEL_PROBLEM
    card.write_bytes(content)
    monkeypatch.setattr(publication_follower, "RETRY_DELAY_SECONDS", 0)
    first.refresh()
    assert first.queries.serving_copy.published == published
    monkeypatch.setattr(publication_follower, "RETRY_DELAY_SECONDS", 3600)
    second.refresh()
    assert second.problem == MODEL_PROBLEM
    newer = publish_again()
    second.refresh()
    assert (second.queries.serving_copy.published, second.problem) == (newer, None)


@pytest.mark.usefixtures("without_retry_delay")
def test_failed_version_keeps_previous_version(
    writable_shop: Settings, publish_again: Publish, log: pytest.LogCaptureFixture
) -> None:
    published = publish_again()
    assert published.run_id is not None
    with run_service(writable_shop) as service, record_log(log):
        execute_statements(writable_shop, "update marts.rec_top_n set run_id = 'run-of-another-machine'")
        publish_again()
        wait_until(lambda: service.get("/health").json()["status"] == "degraded")
        assert service.get("/health").json()["problem"] == MODEL_PROBLEM
        assert "run-of-another-machine/card.json is missing" in log.text
        assert service.post("/recommendations", BASKET).json()["version"]["published_copy"] == published.file
        # A folder with the model of another run is not accepted.
        shutil.copytree(
            writable_shop.models_dir / published.run_id, writable_shop.models_dir / "run-of-another-machine"
        )
        wait_until(lambda: "holds the model of run" in log.text)
        assert get_published_copy(service) == published.file


def test_damaged_pointer_keeps_live_version(writable_shop: Settings, publish_again: Publish) -> None:
    published = publish_again()
    pointer = writable_shop.serving_dir / "current.json"
    with run_service(writable_shop) as service:
        pointer.write_text("{", encoding="utf-8")
        wait_until(lambda: service.get("/health").json()["status"] == "degraded")
        assert "newest publication cannot be used" in service.get("/health").json()["problem"]
        pointer.write_text(published.model_dump_json(), encoding="utf-8")
        wait_until(lambda: service.get("/health").json()["status"] == "ok")


@pytest.mark.usefixtures("without_retry_delay")
def test_damaged_copy_is_not_opened(
    writable_shop: Settings, publish_again: Publish, log: pytest.LogCaptureFixture
) -> None:
    """One damaged byte, in any table, keeps a copy from being served; the version before stays."""
    first = publish_again()
    flip_byte(writable_shop.serving_dir / first.file, -100_000)
    with run_service(writable_shop) as service, record_log(log):
        for response in (service.get("/health"), service.get("/customers/u00054/recommendations")):
            assert (response.status_code, response.json()["detail"]) == (503, COPY_PROBLEM)
        second = publish_again()
        wait_until(lambda: get_published_copy(service) == second.file)
        damaged = second.model_copy(update={"file": "recomart-damaged.duckdb"})
        shutil.copy(writable_shop.serving_dir / second.file, writable_shop.serving_dir / damaged.file)
        flip_byte(writable_shop.serving_dir / damaged.file, -100_000)
        (writable_shop.serving_dir / "current.json").write_text(damaged.model_dump_json(), encoding="utf-8")
        wait_until(lambda: service.get("/health").json()["status"] == "degraded")
        assert service.get("/health").json()["problem"] == COPY_PROBLEM
        assert get_published_copy(service) == second.file
        assert service.post("/recommendations", BASKET).status_code == 200
        assert f"{damaged.file}: the published copy is damaged" in log.text


@pytest.mark.usefixtures("without_retry_delay")
def test_later_read_failure_degrades_service(
    writable_shop: Settings, publish_again: Publish, log: pytest.LogCaptureFixture
) -> None:
    published = publish_again()
    path = writable_shop.serving_dir / published.file
    content = path.read_bytes()
    with run_service(writable_shop) as service, record_log(log):
        assert service.get("/health").json()["status"] == "ok"
        # Blocks that no query has read yet, such as those of the interactions.
        for block_start in range(12_288 + 262_144, len(content), 262_144):
            flip_byte(path, block_start + 1000)
        response = service.get("/customers/u00054/explanations/p00001")
        assert (response.status_code, response.json()["detail"]) == (503, COPY_PROBLEM)
        assert service.get("/health").json()["problem"] == COPY_PROBLEM
        assert "recomart_degraded 1.0" in service.get("/metrics").text
        assert "Corrupt database file" in log.text
        with path.open("r+b") as file:
            file.write(content)
        wait_until(lambda: service.get("/health").json()["status"] == "ok")
        assert service.get("/customers/u00054/explanations/p00001").status_code == 200


def test_damaged_rules_degrade_service(writable_shop: Settings, publish_again: Publish) -> None:
    publish_again()
    writable_shop.rules_file.write_text("no change\n")
    with run_service(writable_shop) as service:
        health = service.get("/health").json()
        assert health["status"] == "degraded"
        assert "merchandising_rules.jsonl is damaged or missing" in health["problem"]
        assert "recomart_degraded 1.0" in service.get("/metrics").text
        assert service.get("/customers/u00054/recommendations").status_code == 200
