"""A published copy is complete, verified, and never changes under its readers."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from tests.concurrent_readers import VERSION_COLUMNS, publish_version, run_readers
from warehouse.database import open_writer
from warehouse.errors import RecomartError, WarehouseBusyError
from warehouse.publishing.live_copy import POINTER_FILE, PublishedCopy, open_copy, open_live_copy, read_pointer
from warehouse.publishing.publisher import LOCK_FILE, publish
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
    """Make these products, in this order, what customer u1 is offered."""
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


def test_the_pointer_names_a_copy_with_the_rows_of_the_warehouse(settings: Settings) -> None:
    published = publish(settings, TABLES)
    assert published == read_pointer(settings)
    assert published.rows == {"rec_top_n": 1, "rec_popular_products": 0}
    assert published.run_id == "run"
    with ServingCopy(settings) as copy:
        assert read_recommended(copy) == ["p1"]


def test_a_reader_keeps_its_version_while_newer_ones_appear_and_old_ones_go(settings: Settings) -> None:
    publish(settings, TABLES)
    with ServingCopy(settings) as reader:
        for version in range(5):
            write_recommendations(settings, f"new{version}")
            publish(settings, TABLES)
        assert read_recommended(reader) == ["p1"]
    with ServingCopy(settings) as reader:
        assert read_recommended(reader) == ["new4"]


def test_the_last_few_copies_are_kept(settings: Settings) -> None:
    files = [publish(settings, TABLES).file for _ in range(5)]
    kept = sorted(path.name for path in settings.serving_dir.glob("*.duckdb"))
    assert kept == files[-settings.serving_copies :]


@pytest.mark.parametrize("tables", [["rec_top_n", "no_such_table"], ["rec_popular_products"]])
def test_what_cannot_be_published_leaves_the_old_copy_live_and_nothing_half_written(
    settings: Settings, tables: list[str]
) -> None:
    before = publish(settings, TABLES)
    with pytest.raises(RecomartError, match=r"no table marts\.no_such_table|no recommendations to publish"):
        publish(settings, tables)
    assert read_pointer(settings) == before
    assert {path.name for path in settings.serving_dir.iterdir()} == {before.file, POINTER_FILE, LOCK_FILE}


def test_publishings_at_once_wait_for_each_other(settings: Settings) -> None:
    with ThreadPoolExecutor(4) as at_once:
        published = list(at_once.map(lambda _: publish(settings, TABLES), range(8)))
    files = sorted(one.file for one in published)
    assert len(set(files)) == 8
    assert read_pointer(settings).file == files[-1]
    assert sorted(path.name for path in settings.serving_dir.glob("*.duckdb")) == files[-settings.serving_copies :]


def test_a_publishing_says_for_whom_it_waits_and_no_longer_than_the_settings_allow(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    before = publish(settings, TABLES)
    hold = (
        "import sys, pathlib; from warehouse.locks import exclusive_lock\n"
        "with exclusive_lock(pathlib.Path(sys.argv[1]), 'publishing', 0): print(flush=True); input()"
    )
    command = [sys.executable, "-c", hold, str(settings.serving_dir / LOCK_FILE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        match = f"process {holder.pid} \\(.*, running since .* UTC\\) runs another publishing. Wait until"
        with pytest.raises(WarehouseBusyError, match=match):
            publish(settings.model_copy(update={"wait_seconds": 0.2}), TABLES)
        assert "runs another publishing (waiting up to 0.2 s for it)" in caplog.text
        assert read_pointer(settings) == before
        holder.communicate(b"\n")
    assert publish(settings, TABLES) == read_pointer(settings)


def test_a_copy_is_published_when_the_pointer_moves_not_when_its_writing_began(settings: Settings) -> None:
    published = publish(settings, TABLES)
    written_at = (settings.serving_dir / published.file).stat().st_mtime
    assert published.published_at.timestamp() >= written_at


def test_what_a_killed_publishing_left_goes_and_where_readers_spill_stays(settings: Settings) -> None:
    before = publish(settings, TABLES)
    unfinished = settings.serving_dir / "recomart-20260101T000000000000Z.duckdb.tmp"
    unfinished.touch()
    for spilled in (f"{unfinished.name}.tmp", f"{before.file}.tmp"):
        (settings.serving_dir / spilled).mkdir()
        (settings.serving_dir / spilled / "duckdb_temp_storage_DEFAULT-0.tmp").touch()
    published = publish(settings, TABLES)
    expected = {before.file, f"{before.file}.tmp", published.file, POINTER_FILE, LOCK_FILE}
    assert {path.name for path in settings.serving_dir.iterdir()} == expected


def test_a_reader_whose_copy_is_pushed_out_before_it_is_open_gets_the_next_one(settings: Settings) -> None:
    first = publish(settings, TABLES)

    def opened_late(published: PublishedCopy) -> duckdb.DuckDBPyConnection:
        if published == first:
            for _ in range(settings.serving_copies):
                publish(settings, TABLES)
        return open_copy(settings, published)

    with closing(open_live_copy(settings, opened_late)) as connection:
        assert connection.execute("select product_id from rec_top_n").fetchall() == [("p1",)]
    (settings.serving_dir / read_pointer(settings).file).unlink()
    with pytest.raises(RecomartError, match="the published copy cannot be opened"):
        ServingCopy(settings)


def test_processes_that_read_without_pause_never_see_two_versions_in_one(tmp_path: Path) -> None:
    settings = Settings(warehouse=tmp_path, serving_copies=1)
    with open_writer(settings) as connection:
        connection.execute("create schema marts")
        for table, column in VERSION_COLUMNS.items():
            connection.execute(f"create table marts.{table} (user_id text, rank int, run_id text, {column} text)")
            connection.execute(f"insert into marts.{table} values ('u1', 1, 'run', null)")
    published = {publish_version(settings, "first").file: "first"}
    with run_readers(settings, 2, "u1", tmp_path / "stop") as readings:
        for number in range(20):
            published[publish_version(settings, str(number)).file] = str(number)
    for reading in readings:
        assert reading.seen_versions <= published.items()
        assert (max(published), "19") in reading.seen_versions
    # One that stays for long at a copy may miss many.
    assert len(set.union(*(reading.seen_versions for reading in readings))) > 3


def test_readers_keep_to_the_memory_and_threads_of_the_settings(settings: Settings) -> None:
    published = publish(settings, TABLES)
    modest = Settings(warehouse=settings.warehouse, memory_limit="123MiB", threads=1)
    with closing(open_copy(modest, published)) as connection:
        assert connection.execute("select current_setting('memory_limit'), current_setting('threads')").fetchone() == (
            "123.0 MiB",
            1,
        )


def test_a_warehouse_that_was_never_published_and_a_damaged_pointer_say_what_to_run(settings: Settings) -> None:
    with pytest.raises(RecomartError, match=r"nothing is published yet\. Run `recomart run`"):
        read_pointer(settings)
    publish(settings, TABLES)
    (settings.serving_dir / POINTER_FILE).write_text("{", encoding="utf-8")
    with pytest.raises(RecomartError, match=r"the pointer is damaged\. Publish again"):
        read_pointer(settings)


def test_a_published_copy_is_read_while_the_warehouse_is_written(settings: Settings) -> None:
    publish(settings, TABLES)
    with duckdb.connect(str(settings.database)), ServingCopy(settings) as copy:
        assert read_recommended(copy) == ["p1"]
