"""Files that change during a load, recognition of loaded files, and reloads by path and date."""

import gzip
import os
import re
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.three_feed_shop import EVENTS_JSONL, PURCHASES_CSV, Shop
from tests.warehouse.loading.test_loader import make_events, make_purchases
from warehouse.database import connect
from warehouse.errors import RecomartError
from warehouse.loading import plan, text
from warehouse.loading.landing_files import LandingFile
from warehouse.loading.loader import load
from warehouse.loading.reloading import DateRange, find_landing_days, parse_date_range, reload_files
from warehouse.loading.reports import LoadProgress
from warehouse.settings import Settings


def touch(path: Path) -> None:
    """Change the times of a file, but not its content."""
    os.utime(path, (1e9, 1e9))


def test_growing_file_waits_for_next_load(shop: Shop) -> None:
    shop.put("events/a.jsonl", make_events(2))
    growing = shop.put("events/b.jsonl", make_events(2))
    is_done = threading.Event()

    def write() -> None:
        with growing.open("a") as file:
            while not is_done.wait(0.02):
                file.write(make_events(1))
                file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        report = load(Settings(**{**dict(shop.settings), "settle_seconds": 0.3}))
    finally:
        is_done.set()
        writer.join()
    assert report.changing_files == ["events/b.jsonl"]
    assert (report.feeds["events"].files_loaded, report.feeds["events"].files_changing) == (1, 1)
    assert shop.query("select count(*) from raw.rejected_files") == [(0,)]
    assert load(shop.settings).feeds["events"].files_loaded == 1


@pytest.mark.parametrize(
    "data", [make_events(500).encode(), gzip.compress(make_events(500).encode())[:-20]], ids=["complete", "truncated"]
)
def test_file_changed_during_read_keeps_rows(shop: Shop, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.put("events/a.jsonl", make_events(3))
    shop.put("events/b.jsonl", make_events(1))
    load(shop.settings)
    changing_file = shop.put("events/a.jsonl", data)
    shop.put("events/b.jsonl", make_events(2))
    decode = text._decode

    def append_and_decode(stream: object, file: LandingFile, *rest: object) -> Iterator[bytes]:
        if file.location == changing_file:
            with changing_file.open("ab") as opened:
                opened.write(b"more")
        return decode(stream, file, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(text, "_decode", append_and_decode)
    report = load(shop.settings)
    assert report.changing_files == ["events/a.jsonl"]
    assert report.rejected_files == {}
    assert shop.query("select path, rows_loaded from raw.loaded_files order by path") == [
        ("events/a.jsonl", 3),
        ("events/b.jsonl", 2),
    ]


def test_loaded_files_are_read_only_if_changed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    checked_names: list[str] = []
    has_checksum = plan._has_checksum
    monkeypatch.setattr(
        plan, "_has_checksum", lambda file, *rest: checked_names.append(file.location.name) or has_checksum(file, *rest)
    )
    file = shop.put("events/a.jsonl", make_events(2))

    def list_read_files(seconds_later: int) -> list[str]:
        """Load some seconds after the file's last change, and list the files that are read to check their content."""
        checked_names.clear()
        monkeypatch.setattr("time.time_ns", lambda: file.stat().st_ctime_ns + seconds_later * 10**9)
        assert load(shop.settings).feeds["events"].files_unchanged == 1
        return checked_names

    monkeypatch.setattr("time.time_ns", lambda: file.stat().st_ctime_ns + 10**9)
    load(shop.settings)
    assert list_read_files(1) == ["a.jsonl"], "a new file can change and keep its time"
    assert list_read_files(10) == ["a.jsonl"], "the time was not reliable when the file was loaded"
    assert list_read_files(10) == []
    touch(file)
    assert list_read_files(10) == ["a.jsonl"]
    assert list_read_files(10) == []
    times = file.stat()
    file.write_text(make_events(2).replace("view", "cart"))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert load(shop.settings).feeds["events"].files_replaced == 1, "same size and modification time, other content"


def test_changed_mapping_replaces_many_files(shop: Shop) -> None:
    for number in range(40):
        shop.put(f"purchases/{number:02}.csv", make_purchases(["p1,2026-01-01,u1,2"]))
    load(shop.settings)
    shop.put("purchases/07.csv", make_purchases(["2026-01-01,u1"], header="when,who"))
    shop.declare(purchases={**PURCHASES_CSV, "columns": {**PURCHASES_CSV["columns"], "user_id": "qty"}})
    report = load(shop.settings)
    assert (report.feeds["purchases"].files_replaced, list(report.rejected_files)) == (39, ["purchases/07.csv"])
    assert shop.query("select user_id, count(*) from raw.purchases group by all order by all") == [("2", 39), ("u1", 1)]


def test_progress_within_large_file(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.loading.text.BLOCK_BYTES", 10_000)
    shop.put("events/a.jsonl", make_events(2_000))
    reported: list[LoadProgress] = []
    load(shop.settings, reported.append)
    sizes = [progress.bytes_done for progress in reported]
    assert sizes == sorted(sizes)
    assert len([progress for progress in reported if progress.files_done == 0]) > 5
    assert reported[-1].files_done == reported[-1].files_total == 1
    assert reported[-1].bytes_done == reported[-1].bytes_total == (shop.landing / "events/a.jsonl").stat().st_size


def test_reload_loads_only_matching_files(shop: Shop) -> None:
    for day in (1, 2, 3):
        shop.put(f"events/2026-01-0{day}.jsonl", make_events(day) + "broken\n")
    load(shop.settings)
    previous_contents = shop.read_contents()
    old_ids = dict(shop.query("select path, load_id from raw.loaded_files"))
    shop.put("events/2026-01-04.jsonl", make_events(1))
    report = reload_files(shop.settings, file_glob="events/*-02.jsonl")
    assert (report.feeds["events"].files_loaded, report.feeds["events"].files_replaced) == (1, 1)
    assert shop.read_contents() == previous_contents
    new_ids = dict(shop.query("select path, load_id from raw.loaded_files"))
    assert [path for path in old_ids if new_ids[path] != old_ids[path]] == ["events/2026-01-02.jsonl"]
    report = reload_files(shop.settings, date_range=DateRange(date(2026, 1, 2), date(2026, 1, 3)))
    assert report.feeds["events"].files_replaced == 2
    assert shop.read_contents() == previous_contents


def test_reload_by_dates_of_rows(shop: Shop) -> None:
    for name in ("a", "b", "2026-01-05"):
        shop.put(f"events/{name}.jsonl", make_events(2))
    load(shop.settings)
    with pytest.raises(RecomartError, match=r"none of its 3 files matches 2026-01-01\. .*dbt build"):
        reload_files(shop.settings, date_range=parse_date_range("2026-01-01"))
    connection = connect(shop.settings)
    connection.execute("create schema staging")
    connection.execute(
        "create view staging.stg_shop__events as select _file, event_at::timestamp as event_at from raw.events"
    )
    connection.execute("update raw.events set event_at = '2026-02-01T23:59:59' where _file = 'events/b.jsonl'")
    connection.close()
    days = find_landing_days(shop.settings)
    assert {str(day): counts[:2] for day, counts in days.items()} == {
        "2026-01-01": (1, 2),
        "2026-01-05": (1, 2),
        "2026-02-01": (1, 2),
    }
    report = reload_files(shop.settings, date_range=parse_date_range("2025-12-31..2026-01-01"))
    assert report.feeds["events"].files_replaced == 1
    assert reload_files(shop.settings, date_range=parse_date_range("2026-01-05")).feeds["events"].files_replaced == 1


def test_reload_of_missing_file_fails(shop: Shop) -> None:
    shop.put("events/a.jsonl", make_events(2))
    deleted = shop.put("events/b.jsonl", make_events(2))
    load(shop.settings)
    deleted.unlink()
    with pytest.raises(RecomartError, match=r"file events/b\.jsonl is missing.*Its rows stay as they are"):
        reload_files(shop.settings, file_glob="events/*")
    assert shop.query("select count(*) from raw.events") == [(4,)]


@pytest.mark.parametrize("date_text", ["yesterday", "2026-02-30", "2026-01-02..2026-01-01", ".."])
def test_parse_date_range_rejects_other_text(date_text: str) -> None:
    with pytest.raises(RecomartError, match=f"'{re.escape(date_text)}'"):
        parse_date_range(date_text)


@pytest.mark.parametrize(
    "path",
    ["20260131.jsonl", "2026-01-31/a.jsonl", "2026/01/31.jsonl", "y=2026/m=01/d=31/a", "x1_2026_01_31_v2"],
)
def test_reload_by_date_in_path(shop: Shop, path: str) -> None:
    shop.declare(events={**EVENTS_JSONL, "files": "**/*"})
    shop.put(path, make_events(1))
    load(shop.settings)
    assert reload_files(shop.settings, date_range=parse_date_range("2026-01-31")).feeds["events"].files_replaced == 1
    with pytest.raises(RecomartError, match="none of its 1 files"):
        reload_files(shop.settings, date_range=parse_date_range("2026-01-30"))


def test_restored_file_is_no_longer_rejected(shop: Shop) -> None:
    shop.put("events/a.jsonl", make_events(2))
    load(shop.settings)
    shop.put("events/a.jsonl", gzip.compress(make_events(500).encode())[:-20])
    load(shop.settings)
    shop.put("events/a.jsonl", make_events(2))
    load(shop.settings)
    assert shop.query("select count(*) from raw.rejected_files") == [(0,)]
