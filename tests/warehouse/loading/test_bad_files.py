"""A file that cannot be read, written or survived does not stop the other files, and does not come again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from tests.three_feed_shop import Shop
from warehouse.errors import DiskFullError
from warehouse.loading import loader, records
from warehouse.loading.landing_files import FileLoad
from warehouse.loading.loader import load
from warehouse.loading.reloading import reload_files

EVENT = '{"user":"u1","item":"p1","type":"view","time":"2026-01-01T00:00:00Z"}\n'
PURCHASE = "sku,when,who,qty\np1,2026-01-01,u1,1\n"


def make_old(file: Path) -> None:
    """Wait until the change time of a file is reliable."""
    time.sleep(max(0.0, file.stat().st_ctime + 2.1 - time.time()))


def test_rejected_file_is_not_read_again(shop: Shop) -> None:
    shop.put("purchases/a.csv", PURCHASE)
    bad = shop.put("purchases/b.csv", "when,who\n1,2\n")
    make_old(bad)
    assert list(load(shop.settings).rejected_files) == ["purchases/b.csv"]
    report = load(shop.settings)
    assert (report.rejected_files, report.skipped_rejected_files) == ({}, ["purchases/b.csv"])
    purchases = report.feeds["purchases"]
    assert (purchases.files_unchanged, purchases.files_skipped, purchases.files_rejected) == (1, 1, 0)
    assert shop.query("select path from raw.rejected_files") == [("purchases/b.csv",)]
    assert list(reload_files(shop.settings, "*/b.csv").rejected_files) == ["purchases/b.csv"]
    more_memory = shop.settings.model_copy(update={"memory_limit": "1GB"})
    assert list(load(more_memory).rejected_files) == ["purchases/b.csv"], "it could be readable with more memory"
    bad.touch()
    assert list(load(more_memory).rejected_files) == ["purchases/b.csv"]


def test_rejected_files_of_earlier_version_are_tried_again(shop: Shop) -> None:
    shop.put("purchases/a.csv", PURCHASE)
    make_old(shop.put("purchases/b.csv", "when,who\n1,2\n"))
    load(shop.settings)
    with duckdb.connect(shop.settings.database) as connection:
        for column in ("changed_ns", "attempt_fingerprint"):
            connection.execute(f"alter table raw.rejected_files drop column {column}")
    assert list(load(shop.settings).rejected_files) == ["purchases/b.csv"]


@pytest.mark.slow
def test_too_small_memory_rejects_one_file(shop: Shop) -> None:
    """One record whose key is an object with a large text needs more memory than DuckDB may use."""
    shop.put("events/a.jsonl", EVENT)
    text = "x" * (15 << 20)
    shop.put("events/b.jsonl", "".join(f'{{"user":"u{number}","item":"{text}"}}\n' for number in range(8)))
    shop.put("events/c.jsonl", EVENT)
    shop.put("purchases/a.csv", PURCHASE)
    report = load(shop.settings.model_copy(update={"memory_limit": "60MB"}))
    (reason,) = report.rejected_files.values()
    assert list(report.rejected_files) == ["events/b.jsonl"]
    assert reason.startswith("DuckDB's memory limit is too small")
    assert report.rows_loaded == 3
    assert load(shop.settings).rows_loaded == 8


@pytest.mark.parametrize(
    "error", [MemoryError(), duckdb.ConversionException("Conversion Error: bad"), RecursionError()]
)
def test_error_while_reading_rejects_one_file(shop: Shop, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    read_json_lines = records.read_json_lines

    def read_or_fail(blocks: Iterator[bytes], file_load: FileLoad) -> Iterator[pa.Table]:
        for table in read_json_lines(blocks, file_load):
            if "bad" in str(table["text"].to_pylist()):
                raise error
            yield table

    monkeypatch.setattr(records, "read_json_lines", read_or_fail)
    for name in "abc":
        shop.put(f"events/{name}.jsonl", EVENT if name != "b" else EVENT.replace("u1", "bad"))
    report = load(shop.settings)
    assert report.rows_loaded == 2
    assert list(report.rejected_files) == ["events/b.jsonl"]


@pytest.mark.parametrize("error", [duckdb.OutOfMemoryException("Out of Memory Error: x"), MemoryError()])
def test_error_while_writing_rejects_one_file(shop: Shop, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    insert_records = loader.insert_records

    def insert_or_fail(connection: object, feed: object, header: object, records: object) -> object:
        counts = insert_records(connection, feed, header, records)  # type: ignore[arg-type]
        if "bad" in str(records["text"].to_pylist()):  # type: ignore[index]
            raise error
        return counts

    monkeypatch.setattr(loader, "insert_records", insert_or_fail)
    monkeypatch.setattr(loader, "MAX_BATCH_FILES", 3)
    for name in "abcdefg":
        shop.put(f"events/{name}.jsonl", EVENT if name != "b" else EVENT.replace("u1", "bad"))
    report = load(shop.settings)
    assert (report.rows_loaded, report.feeds["events"].files_loaded) == (6, 6)
    assert list(report.rejected_files) == ["events/b.jsonl"]
    assert shop.query("select count(*), count(distinct _file) from raw.events") == [(6, 6)]


def test_full_disk_rejects_no_file(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise duckdb.OutOfMemoryException("Out of Memory Error: failed to offload data block of size 256.0 KiB")

    monkeypatch.setattr(loader, "insert_records", fail)
    shop.put("events/a.jsonl", EVENT)
    with pytest.raises(DiskFullError):
        load(shop.settings)
    assert shop.query("select count(*) from raw.rejected_files") == [(0,)]


KILL_SCRIPT = """
import os, signal, sys
from pathlib import Path
from warehouse.loading import loader, read_marker
from warehouse.settings import Settings

read_marker.VMSTAT_FILE = Path(sys.argv[1])
insert_records = loader.insert_records

def insert_or_die(connection, feed, header, records):
    if "bad" in str(records["text"].to_pylist()):
        # The system counts the process that it kills.
        if sys.argv[2] == "out_of_memory":
            count = int(read_marker.VMSTAT_FILE.read_text().split()[1])
            read_marker.VMSTAT_FILE.write_text(f"oom_kill {count + 1}\\n")
        os.kill(os.getpid(), signal.SIGKILL)
    return insert_records(connection, feed, header, records)

loader.insert_records = insert_or_die
loader.load(Settings())
"""


@pytest.mark.parametrize(
    ("reason", "kill_count"), [("out_of_memory", 3), pytest.param("user", 6, marks=pytest.mark.slow)]
)
def test_file_that_kills_loads_is_rejected(shop: Shop, tmp_path: Path, reason: str, kill_count: int) -> None:
    """The first kill is that of a batch; then each file is loaded alone, and the others are loaded before it."""
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("oom_kill 7\n")
    command = [sys.executable, "-c", KILL_SCRIPT, str(vmstat), reason]
    environment = shop.settings.build_environment()
    for name in "abc":
        shop.put(f"events/{name}.jsonl", EVENT if name != "b" else EVENT.replace("u1", "bad"))
    shop.put("purchases/a.csv", PURCHASE)
    for number in range(kill_count):
        done = subprocess.run(command, env=environment, check=False)
        assert done.returncode == -signal.SIGKILL, number
    assert shop.query("select count(*) from raw.purchases") == [(1,)]
    subprocess.run(command, env=environment, check=True)
    assert shop.query("select path from raw.loaded_files order by path") == [
        ("events/a.jsonl",),
        ("events/c.jsonl",),
        ("purchases/a.csv",),
    ]
    ((error,),) = shop.query("select error from raw.rejected_files")
    assert error.startswith(f"{kill_count - 1} loads in a row were killed while they read it")
    assert "`recomart reload --file 'events/b.jsonl'`" in error
    assert not shop.settings.read_marker_file.exists()
    subprocess.run(command, env=environment, check=True)
    os.utime(shop.landing / "events" / "b.jsonl")
    assert load(shop.settings).rows_loaded == 1, "a touched file is tried again"


def test_interrupted_load_leaves_no_suspects(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        assert shop.settings.read_marker_file.exists()
        raise KeyboardInterrupt

    shop.put("events/a.jsonl", EVENT)
    monkeypatch.setattr(loader, "insert_records", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load(shop.settings)
    assert not shop.settings.read_marker_file.exists()
