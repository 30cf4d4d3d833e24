"""Publishing of copies: content, concurrency, and recovery from errors."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from tests.concurrent_readers import VERSION_COLUMNS, publish_version, run_readers
from warehouse.database import open_writer
from warehouse.errors import PublishedCopyError, RecomartError, WarehouseBusyError
from warehouse.publishing.kept_copies import delete_old_copies
from warehouse.publishing.live_copy import (
    POINTER_FILE,
    PublishedCopy,
    open_copy,
    open_live_copy,
    read_pointer,
    verify_copy,
)
from warehouse.publishing.publisher import LOCK_FILE, build_provenance_queries, publish
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

TABLES = ["rec_top_n", "rec_popular_products"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A warehouse with one recommendation."""
    settings = Settings(warehouse=tmp_path / "it's a warehouse")
    write_recommendations(settings, "p1")
    return settings


def write_recommendations(settings: Settings, *products: str) -> None:
    """Write these products, in this order, as the recommendations of customer u1."""
    with open_writer(settings) as connection:
        connection.execute("create schema if not exists marts")
        connection.execute("create or replace table marts.rec_popular_products (rank integer, product_id varchar)")
        connection.execute(
            "create or replace table marts.rec_top_n (run_id text, user_id text, rank integer, product_id text)"
        )
        for rank, product in enumerate(products, start=1):
            connection.execute("insert into marts.rec_top_n values ('run', 'u1', ?, ?)", [rank, product])


def read_recommended(copy: ServingCopy) -> list[str]:
    return list(copy.get_recommendations("u1")["product_id"])


def test_publish_writes_copy_and_pointer(settings: Settings) -> None:
    published = publish(settings, TABLES)
    assert published == read_pointer(settings)
    assert published.rows == {"rec_top_n": 1, "rec_popular_products": 0}
    assert published.run_id == "run"
    with ServingCopy(settings) as copy:
        assert read_recommended(copy) == ["p1"]


def test_provenance_queries_fill_fields() -> None:
    assert build_provenance_queries(()).keys() <= PublishedCopy.model_fields.keys()


def test_reader_keeps_its_copy(settings: Settings) -> None:
    publish(settings, TABLES)
    with ServingCopy(settings) as reader:
        for version in range(5):
            write_recommendations(settings, f"new{version}")
            publish(settings, TABLES)
        assert read_recommended(reader) == ["p1"]
    with ServingCopy(settings) as reader:
        assert read_recommended(reader) == ["new4"]


def test_publish_keeps_last_copies(settings: Settings) -> None:
    files = [publish(settings, TABLES).file for _ in range(5)]
    copies = sorted(path.name for path in settings.serving_dir.glob("*.duckdb"))
    assert copies == [files[0], *files[-settings.serving_copies :]]


@pytest.mark.parametrize("tables", [["rec_top_n", "no_such_table"], ["rec_popular_products"]])
def test_failed_publish_keeps_old_copy(settings: Settings, tables: list[str]) -> None:
    previous_copy = publish(settings, TABLES)
    with pytest.raises(RecomartError, match=r"no table marts\.no_such_table|no recommendations to publish"):
        publish(settings, tables)
    assert read_pointer(settings) == previous_copy
    assert {path.name for path in settings.serving_dir.iterdir()} == {previous_copy.file, POINTER_FILE, LOCK_FILE}


def test_concurrent_publishes_wait(settings: Settings) -> None:
    with ThreadPoolExecutor(4) as executor:
        copies = list(executor.map(lambda _: publish(settings, TABLES), range(8)))
    files = sorted(copy.file for copy in copies)
    assert len(set(files)) == 8
    assert read_pointer(settings).file == files[-1]
    copies = sorted(path.name for path in settings.serving_dir.glob("*.duckdb"))
    assert copies == [files[0], *files[-settings.serving_copies :]]


def test_publish_wait_times_out(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    previous_copy = publish(settings, TABLES)
    script = (
        "import sys, pathlib; from warehouse.locks import exclusive_lock\n"
        "with exclusive_lock(pathlib.Path(sys.argv[1]), 'publishing', 0): print(flush=True); input()"
    )
    command = [sys.executable, "-c", script, str(settings.serving_dir / LOCK_FILE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        match = rf"process {holder.pid} \(.*, running since .* UTC\) runs another publishing\. Wait until"
        with pytest.raises(WarehouseBusyError, match=match):
            publish(settings.model_copy(update={"wait_seconds": 0.2}), TABLES)
        assert "runs another publishing (waiting up to 0.2 s for it)" in caplog.text
        assert read_pointer(settings) == previous_copy
        holder.communicate(b"\n")
    assert publish(settings, TABLES) == read_pointer(settings)


def test_published_at_is_time_of_pointer_move(settings: Settings) -> None:
    published = publish(settings, TABLES)
    written_at = (settings.serving_dir / published.file).stat().st_mtime
    assert published.published_at.timestamp() >= written_at


def test_publish_deletes_unfinished_copies(settings: Settings) -> None:
    """The spill folders of readers are not deleted."""
    previous_copy = publish(settings, TABLES)
    unfinished = settings.serving_dir / "recomart-20260101T000000000000Z.duckdb.tmp"
    unfinished.touch()
    for spill_folder in (f"{unfinished.name}.tmp", f"{previous_copy.file}.tmp"):
        (settings.serving_dir / spill_folder).mkdir()
        (settings.serving_dir / spill_folder / "duckdb_temp_storage_DEFAULT-0.tmp").touch()
    published = publish(settings, TABLES)
    expected = {previous_copy.file, f"{previous_copy.file}.tmp", published.file, POINTER_FILE, LOCK_FILE}
    assert {path.name for path in settings.serving_dir.iterdir()} == expected


def test_copies_of_wrong_clock_are_deleted(settings: Settings) -> None:
    """The newest copies are kept, although the name of an older one has a later time."""
    first = publish(settings, TABLES).file
    number, time = first.removesuffix(".duckdb").split("-")[1:]
    future = settings.serving_dir / f"recomart-{number}-{int(time[:4]) + 1}{time[4:]}.duckdb"
    (settings.serving_dir / first).rename(future)
    earlier = settings.serving_dir / "recomart-29990101T000000000000Z.duckdb"
    earlier.touch()
    published = [publish(settings, TABLES).file for _ in range(settings.serving_copies)]
    assert sorted(path.name for path in settings.serving_dir.glob("*.duckdb")) == sorted(published)


def test_publish_keeps_first_of_weeks(tmp_path: Path) -> None:
    """With a publication a day, the first copy of this week and of the last week are kept beside the newest ones."""
    days = [datetime(2026, 3, 2, 5, tzinfo=UTC) + timedelta(days=number) for number in range(20)]
    for number, day in enumerate(days, start=1):
        copy = tmp_path / f"recomart-{number:08}-{day:%Y%m%dT%H%M%S%fZ}.duckdb"
        copy.touch()
        delete_old_copies(tmp_path, 3, live_copy=copy)
    kept_days = [path.name[18:26] for path in sorted(tmp_path.iterdir())]
    assert kept_days == ["20260309", "20260316", "20260319", "20260320", "20260321"]
    delete_old_copies(tmp_path, 1, live_copy=copy)
    assert list(tmp_path.iterdir()) == [copy]


def test_open_live_copy_retries_newer_copy(settings: Settings) -> None:
    """A reader gets the next copy if its copy is deleted before it is open."""
    first = publish(settings, TABLES)

    def publish_before_open(published: PublishedCopy) -> duckdb.DuckDBPyConnection:
        if published == first:
            (settings.serving_dir / first.file).unlink()
            publish(settings, TABLES)
        return open_copy(settings, published)

    with closing(open_live_copy(settings, publish_before_open)) as connection:
        assert connection.execute("select product_id from rec_top_n").fetchall() == [("p1",)]
    (settings.serving_dir / read_pointer(settings).file).unlink()
    with pytest.raises(RecomartError, match="the published copy cannot be opened"):
        ServingCopy(settings)


def test_readers_never_see_mixed_versions(tmp_path: Path) -> None:
    settings = Settings(warehouse=tmp_path, serving_copies=1)
    with open_writer(settings) as connection:
        connection.execute("create schema marts")
        for table, column in VERSION_COLUMNS.items():
            connection.execute(f"create table marts.{table} (user_id text, rank int, run_id text, {column} text)")
            connection.execute(f"insert into marts.{table} values ('u1', 1, 'run', null)")
    published = {publish_version(settings, "first").file: "first"}
    with run_readers(settings, 2, "u1", tmp_path / "stop") as results:
        for number in range(10):
            published[publish_version(settings, str(number)).file] = str(number)
    for result in results:
        assert result.versions <= published.items()
        assert (max(published), "9") in result.versions
    # A reader that keeps a copy open can miss many versions.
    assert len(set.union(*(result.versions for result in results))) > 2


def test_open_copy_uses_resource_limits(settings: Settings) -> None:
    published = publish(settings, TABLES)
    limited = Settings(warehouse=settings.warehouse, memory_limit="123MiB", threads=1)
    with closing(open_copy(limited, published)) as connection:
        query = "select current_setting('memory_limit'), current_setting('threads')"
        assert connection.execute(query).fetchall() == [("123.0 MiB", 1)]


def test_read_pointer_errors(settings: Settings) -> None:
    with pytest.raises(RecomartError, match=r"nothing is published yet\. Run `recomart run`"):
        read_pointer(settings)
    publish(settings, TABLES)
    (settings.serving_dir / POINTER_FILE).write_text("{", encoding="utf-8")
    with pytest.raises(RecomartError, match=r"the pointer is damaged\. Publish again"):
        read_pointer(settings)


def test_copy_is_readable_during_write(settings: Settings) -> None:
    publish(settings, TABLES)
    with duckdb.connect(str(settings.database)), ServingCopy(settings) as copy:
        assert read_recommended(copy) == ["p1"]


def test_verification_finds_any_damage(settings: Settings) -> None:
    published = publish(settings, TABLES)
    verify_copy(settings, published)
    path = settings.serving_dir / published.file
    content = path.read_bytes()
    for position in (0, len(content) // 2, len(content) - 1):
        damaged = bytearray(content)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(PublishedCopyError, match="its checksum differs"):
            verify_copy(settings, published)
    path.write_bytes(content[:-1])
    with pytest.raises(PublishedCopyError, match="its checksum differs"):
        verify_copy(settings, published)
    path.unlink()
    with pytest.raises(PublishedCopyError, match="cannot be read: No such file"):
        verify_copy(settings, published)
    path.write_bytes(content)
    verify_copy(settings, published)


def test_verification_skips_copy_without_checksum(settings: Settings) -> None:
    """Pointers of earlier versions have no checksum."""
    verify_copy(settings, publish(settings, TABLES).model_copy(update={"sha256": None}))
