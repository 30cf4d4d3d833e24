"""The log of the service's answers: content, rotation, failures of the disk, killed services."""

import errno
import fcntl
import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apps.service import served_list_log
from apps.service.served_list_log import ServedList, ServedListLog
from tests.apps.service.conftest import ServiceClient, run_service, wait_until
from tests.small_disk import fill_disk, mount_small_disk, remount_disk
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.settings import Settings

DISK_FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A warehouse with a landing folder."""
    settings = Settings(warehouse=tmp_path)
    settings.landing_dir.mkdir()
    return settings


@pytest.fixture(autouse=True)
def short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the log write every few milliseconds."""
    monkeypatch.setattr(served_list_log, "WRITE_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(served_list_log, "RETRY_INTERVAL_SECONDS", 0.01)


def make_list(number: int, products: list[str] | None = None, session_id: str | None = None) -> ServedList:
    """Return an answer with a number as its id."""
    served_at = datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC)
    return ServedList(
        str(number), served_at, "ü1", session_id, "customer", None, None, "run", products or ["p1"], is_fallback=False
    )


def list_files(settings: Settings, suffix: str) -> list[Path]:
    return sorted(settings.served_lists_dir.glob(f"*{suffix}"))


def read_lines(settings: Settings, suffix: str = ".jsonl") -> list[dict[str, Any]]:
    """Return the logged answers of the files with an ending."""
    texts = [path.read_text(encoding="utf-8") for path in list_files(settings, suffix)]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def read_ids(settings: Settings, suffix: str = ".jsonl") -> list[int]:
    return [int(line["recommendation_id"]) for line in read_lines(settings, suffix)]


def test_answers_are_logged(settings: Settings) -> None:
    """A file gets its ending when the service stops."""
    log = ServedListLog(settings)
    log.start()
    log.append(make_list(1, ["p2", "p\n1"], session_id="s1"))
    wait_until(lambda: log.written_count == 1)
    assert read_ids(settings, ".part") == [1]
    log.append(make_list(2))
    log.stop()
    (file,) = settings.served_lists_dir.iterdir()
    assert file.name.endswith(f"-{os.getpid()}.jsonl")
    assert read_lines(settings)[0] == {
        "recommendation_id": "1",
        "served_at": "2026-01-02T03:04:05.000600Z",
        "user_id": "ü1",
        "session_id": "s1",
        "placement": "customer",
        "experiment": None,
        "arm": None,
        "run_id": "run",
        "product_ids": ["p2", "p\n1"],
        "is_fallback": False,
    }
    assert read_ids(settings) == [1, 2]
    assert (log.written_count, log.lost_count, log.status) == (2, 0, "ok")


def test_half_surrogate_is_replaced(settings: Settings) -> None:
    log = ServedListLog(settings)
    log.start()
    log.append(make_list(1, session_id="s\ud800"))
    log.stop()
    assert read_lines(settings)[0]["session_id"] == "s?"


def test_log_without_answers_writes_nothing(settings: Settings) -> None:
    log = ServedListLog(settings)
    log.start()
    log.stop()
    assert not settings.served_lists_dir.exists()


def test_switched_off_log_writes_nothing(settings: Settings) -> None:
    log = ServedListLog(settings.model_copy(update={"service_log_lists": False}))
    log.start()
    log.append(make_list(1))
    log.stop()
    assert not settings.served_lists_dir.exists()
    assert (log.status, log.lost_count) == ("off", 0)


@pytest.mark.parametrize(("limit", "value"), [("MAX_FILE_BYTES", 1), ("MAX_FILE_SECONDS", 0.0)])
def test_file_is_completed_at_limit(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    monkeypatch.setattr(served_list_log, limit, value)
    log = ServedListLog(settings)
    log.start()
    for number in range(3):
        log.append(make_list(number))
        wait_until(lambda count=number + 1: len(list_files(settings, ".jsonl")) == count)  # type: ignore[misc]
    log.stop()
    assert read_ids(settings) == [0, 1, 2]


def test_full_disk_loses_no_answer(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers wait in the queue; the half-written ones are written again in their place."""
    write = os.pwrite
    is_full = threading.Event()

    def write_half(descriptor: int, data: memoryview, offset: int) -> int:
        if not is_full.is_set():
            return write(descriptor, data, offset)
        if len(data) > 20:
            return write(descriptor, data[:20], offset)
        raise DISK_FULL

    monkeypatch.setattr(os, "pwrite", write_half)
    log = ServedListLog(settings)
    log.start()
    log.append(make_list(1))
    wait_until(lambda: log.written_count == 1)
    is_full.set()
    log.append(make_list(2))
    wait_until(lambda: log.status == "failing")
    assert log.problem == "the log of the answers cannot be written: No space left on device"
    log.append(make_list(3))
    is_full.clear()
    wait_until(lambda: log.status == "ok")
    log.stop()
    assert read_ids(settings) == [1, 2, 3]
    assert log.lost_count == 0


def test_full_disk_leaves_whole_lines(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is completed while the disk is full has no half line."""
    log = ServedListLog(settings)
    log.start()
    log.append(make_list(1))
    wait_until(lambda: log.written_count == 1)
    write = os.pwrite

    def write_half(descriptor: int, data: memoryview, offset: int) -> int:
        if len(data) > 20:
            return write(descriptor, data[:20], offset)
        raise DISK_FULL

    monkeypatch.setattr(os, "pwrite", write_half)
    log.append(make_list(2))
    wait_until(lambda: log.status == "failing")
    log.stop()
    assert read_ids(settings) == [1]


@pytest.mark.parametrize("kind", ["full", "read_only"])
def test_unwritable_disk_is_retried(tmp_path: Path, kind: str) -> None:
    with mount_small_disk(tmp_path / "landing", "1m") as landing:
        settings = Settings(warehouse=tmp_path / "warehouse", landing=landing)
        if kind == "full":
            ballast = fill_disk(landing, 0)
        else:
            remount_disk(landing, "ro")
        log = ServedListLog(settings)
        log.start()
        for number in range(100):
            log.append(make_list(number))
        wait_until(lambda: log.status == "failing")
        reason = {"full": "No space left on device", "read_only": "Read-only file system"}[kind]
        assert log.problem == f"the log of the answers cannot be written: {reason}"
        if kind == "full":
            ballast.unlink()
        else:
            remount_disk(landing, "rw")
        wait_until(lambda: log.status == "ok")
        log.stop()
        assert read_ids(settings) == list(range(100))
        assert log.lost_count == 0


def test_full_queue_counts_lost_answers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_list_log, "MAX_QUEUE_BYTES", 3 * len(make_list(1).to_line()))
    settings.landing_dir.rmdir()
    log = ServedListLog(settings)
    log.start()
    for number in range(5):
        log.append(make_list(number))
    wait_until(lambda: log.status == "failing")
    assert log.lost_count == 2
    assert log.problem == "the log of the answers cannot be written: No such file or directory"
    assert not settings.landing_dir.exists()
    settings.landing_dir.mkdir()
    wait_until(lambda: log.status == "ok")
    log.stop()
    assert read_ids(settings) == [0, 1, 2]


def test_deleted_folder_counts_lost_answers(settings: Settings) -> None:
    """The answers in the deleted file are lost, and the next ones get a new file."""
    log = ServedListLog(settings)
    log.start()
    log.append(make_list(1))
    wait_until(lambda: log.written_count == 1)
    (file,) = list_files(settings, ".part")
    file.unlink()
    settings.served_lists_dir.rmdir()
    wait_until(lambda: log.lost_count == 1)
    log.append(make_list(2))
    log.stop()
    assert read_ids(settings) == [2]
    assert (log.written_count, log.lost_count) == (1, 1)


def test_deleted_file_at_end_is_counted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    log = ServedListLog(settings)
    log.start()
    log.append(make_list(1))
    wait_until(lambda: log.written_count == 1)
    monkeypatch.setattr(log, "_write_queue", lambda: None)
    list_files(settings, ".part")[0].unlink()
    log.stop()
    assert (log.written_count, log.lost_count, log.status) == (0, 1, "ok")


def test_new_file_survives_starting_service(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that starts between the creation of a file and its lock deletes the empty file."""
    lock = fcntl.flock

    def start_service(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        starting_log = ServedListLog(settings)
        starting_log.start()
        starting_log.stop()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", start_service)
    log = ServedListLog(settings)
    log.start()
    log.append(make_list(1))
    log.stop()
    assert read_ids(settings) == [1]
    assert (log.written_count, log.lost_count, log.status) == (1, 0, "ok")


def test_unloaded_files_have_maximum_size(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load, which changes the database, makes room."""
    monkeypatch.setattr(served_list_log, "MAX_FILE_BYTES", 1)
    log = ServedListLog(settings.model_copy(update={"service_max_log_bytes": 1}))
    log.start()
    log.append(make_list(1))
    wait_until(lambda: len(list_files(settings, ".jsonl")) == 1)
    log.append(make_list(2))
    wait_until(lambda: log.status == "failing")
    assert log.problem == "the answers that no load has read have the maximum size. Run `recomart run`"
    settings.database.touch()
    wait_until(lambda: log.status == "ok")
    log.stop()
    assert read_ids(settings) == [1, 2]


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        (make_list(1).to_line() + make_list(2).to_line(), [1, 2]),
        (make_list(1).to_line() + make_list(2).to_line()[:-1], [1]),
        (make_list(1).to_line()[:-9], []),
        (b"", []),
    ],
    ids=["whole", "half_line", "only_half_line", "empty"],
)
def test_file_of_killed_service_is_completed(settings: Settings, content: bytes, ids: list[int]) -> None:
    settings.served_lists_dir.mkdir(parents=True)
    (settings.served_lists_dir / "20260101T000000000000Z-1.part").write_bytes(content)
    log = ServedListLog(settings)
    log.start()
    log.stop()
    assert read_ids(settings) == ids
    assert list_files(settings, ".part") == []


def test_file_of_running_service_is_left(settings: Settings) -> None:
    settings.served_lists_dir.mkdir(parents=True)
    part = settings.served_lists_dir / "20260101T000000000000Z-1.part"
    with part.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(make_list(1).to_line())
        file.flush()
        log = ServedListLog(settings)
        log.start()
        log.stop()
        assert list(settings.served_lists_dir.iterdir()) == [part]


def test_unexpected_error_does_not_stop_log(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(served_list_log, "_LogFile", None)
        log = ServedListLog(settings)
        log.start()
        log.append(make_list(1))
        wait_until(lambda: log.status == "failing")
        assert log.problem == "the log of the answers cannot be written: TypeError"
    wait_until(lambda: log.status == "ok")
    log.stop()
    assert read_ids(settings) == [1]


def test_endpoints_log_their_answers(writable_shop: Settings, publish_again: Callable[[], PublishedCopy]) -> None:
    """Each list has its own id; the request names customer, session and placement."""
    published = publish_again()
    writable_shop.landing_dir.mkdir()
    with run_service(writable_shop, has_log=True) as client:
        answers = request_lists(client)
        assert client.get("/health").json()["log"] == {"status": "ok", "problem": None, "lost_count": 0}
    lines = {line["recommendation_id"]: line for line in read_lines(writable_shop)}
    assert [answer["recommendation_id"] for answer in answers] == list(lines)
    columns = ("user_id", "session_id", "placement", "is_fallback")
    assert [tuple(line[column] for column in columns) for line in lines.values()] == [
        ("u00001", None, "home", False),
        ("new/customer", "s1", "email", True),
        (None, None, "basket", False),
        ("u00002", "s2", "basket", False),
        (None, None, "product_page", False),
        ("u00003", "s3", "product_page", False),
        (None, None, "new_arrivals", False),
    ]
    for answer in answers:
        line = lines[answer["recommendation_id"]]
        assert line["product_ids"] == [item["product_id"] for item in answer["recommendations"]]
        assert line["run_id"] == published.run_id


def request_lists(client: ServiceClient) -> list[dict[str, Any]]:
    """Request a list from each endpoint, without and with customer, session and placement."""
    basket = {"basket": [{"product_id": "p00001"}], "n": 3}
    responses = [
        client.get("/customers/u00001/recommendations", n=3),
        client.get("/customers/new/customer/recommendations", n=3, session_id="s1", placement="email"),
        client.post("/recommendations", basket),
        client.post("/recommendations", {**basket, "user_id": "u00002", "session_id": "s2", "placement": "basket"}),
        client.get("/products/p00001/similar", n=3),
        client.get("/products/p00001/recommendations", n=3, user_id="u00003", session_id="s3"),
        client.get("/categories/Audio/recommendations", n=3, placement="new_arrivals"),
    ]
    assert {response.status_code for response in responses} == {200}
    return [response.json() for response in responses]


def test_answers_go_on_without_landing(
    writable_shop: Settings, publish_again: Callable[[], PublishedCopy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """/health and /metrics show the failure and the number of lost answers."""
    publish_again()
    monkeypatch.setattr(served_list_log, "MAX_QUEUE_BYTES", 2_000)
    with run_service(writable_shop, has_log=True) as client:
        for _ in range(20):
            assert client.get("/customers/u00001/recommendations").status_code == 200
        wait_until(lambda: client.get("/health").json()["log"]["status"] == "failing")
        health = client.get("/health").json()
        assert health["status"] == "ok"
        assert health["log"]["lost_count"] > 0
        assert health["log"]["problem"] == "the log of the answers cannot be written: No such file or directory"
        metrics = client.get("/metrics").text
        assert "recomart_log_failing 1.0" in metrics
        assert f"recomart_lost_answers_total {health['log']['lost_count']}.0" in metrics
        assert "recomart_logged_answers_total 0.0" in metrics
