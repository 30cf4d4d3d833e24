"""What the loader promises: every line accounted for, nothing twice, nothing half."""

import bz2
import gzip
import io
import json
import lzma
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.database_lock import hold_database
from tests.warehouse.conftest import EVENTS_JSONL, PURCHASES_CSV, Shop
from warehouse.database import connect
from warehouse.errors import RecomartError, WarehouseBusyError
from warehouse.loading.landing_files import FileLoad, LandingFile, find_files
from warehouse.loading.loader import load
from warehouse.loading.records import FileRecords, read_records
from warehouse.sources.yaml_file import read_sources

DOCUMENT_HINT = "; a list or a document of several lines needs format: json"


def make_events(count: int, user: str = "u") -> str:
    lines = (
        json.dumps({"user": f"{user}{i}", "item": f"p{i % 7}", "type": "view", "time": "2026-01-01T00:00:00Z"})
        for i in range(count)
    )
    return "\n".join(lines) + "\n"


def make_purchases(rows: Iterable[str], header: str = "sku,when,who,qty") -> str:
    return "\n".join([header, *rows]) + "\n"


def test_rows_keep_their_file_line_and_text_as_it_arrived(shop: Shop) -> None:
    shop.put("events/a.jsonl", '\n{"user":" U1 ","item":"p1","type":"VIEW","time":"noon"}\n\n{"item":"p2"}\n')
    load(shop.settings)
    columns = "user_id, product_id, event_type, event_at, _file, _line"
    assert shop.query(f"select {columns} from raw.events order by _line") == [
        (" U1 ", "p1", "VIEW", "noon", "events/a.jsonl", 2),
        (None, "p2", None, None, "events/a.jsonl", 4),
    ]


def test_loading_the_same_files_again_changes_nothing(shop: Shop) -> None:
    shop.put("events/a.jsonl", make_events(5) + "broken\n")
    shop.put("purchases/a.csv", make_purchases(["p1,2026-01-01,u1,2", "p2,2026-01-01"]))
    load(shop.settings)
    before = shop.read_contents()
    report = load(shop.settings)
    assert report.rows_loaded == 0
    assert report.feeds["events"].files_unchanged == 1
    assert shop.read_contents() == before


def test_changed_content_under_the_same_path_replaces_its_rows_and_rejects(shop: Shop) -> None:
    shop.put("events/a.jsonl", make_events(5) + "broken\n")
    shop.put("events/b.jsonl", make_events(3))
    load(shop.settings)
    shop.put("events/a.jsonl", make_events(2, user="new"))
    report = load(shop.settings)
    assert report.feeds["events"].files_replaced == 1
    assert shop.query("select _file, count(*) from raw.events group by all order by all") == [
        ("events/a.jsonl", 2),
        ("events/b.jsonl", 3),
    ]
    assert shop.query("select count(*) from raw.rejected_rows") == [(0,)]
    assert shop.query("select path, lines from raw.loaded_files order by all") == [
        ("events/a.jsonl", 2),
        ("events/b.jsonl", 3),
    ]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b'{"user":"u1","item":"p1"', "the line is not valid JSON"),
        (b"7", "the line is not a JSON object"),
        (b'[{"user":"u1"}]', f"the line is not a JSON object{DOCUMENT_HINT}"),
        (b"{", f"the line is not valid JSON{DOCUMENT_HINT}"),
        (b'{"user":"\xff\xfe","item":"p1"}', "the line is not valid utf-8"),
        (b"   ", "the line is not valid JSON"),
    ],
)
def test_a_broken_json_line_is_rejected_with_its_text_and_the_others_load(shop: Shop, line: bytes, error: str) -> None:
    shop.put("events/a.jsonl", make_events(2).encode() + line + b"\n" + make_events(2).encode())
    report = load(shop.settings).feeds["events"]
    assert (report.lines, report.rows_loaded, report.rows_rejected) == (5, 4, 1)
    text = line.decode("utf-8", errors="backslashreplace")
    assert shop.query("select line, text, error from raw.rejected_rows") == [(3, text, error)]


def test_csv_columns_are_matched_by_name_whatever_their_order(shop: Shop) -> None:
    shop.put("purchases/a.csv", make_purchases(["p1,2026-01-01,u1,2"]))
    shop.put("purchases/b.csv", make_purchases(["u2,3,2026-01-02,p2"], header="who,qty,when,sku"))
    load(shop.settings)
    assert shop.query("select product_id, purchased_at, user_id, quantity from raw.purchases order by all") == [
        ("p1", "2026-01-01", "u1", "2"),
        ("p2", "2026-01-02", "u2", "3"),
    ]


def test_columns_nobody_declared_are_kept_and_reported(shop: Shop) -> None:
    shop.put("purchases/a.csv", make_purchases(["p1,2026-01-01,u1,2,gift"], header="sku,when,who,qty,note"))
    shop.put("events/a.jsonl", '{"user":"u1","item":"p1","type":"view","time":"t","app":{"version":2}}\n')
    report = load(shop.settings)
    assert report.undeclared_columns == {"events": ["app"], "purchases": ["note"]}
    assert json.loads(shop.query("select _extra from raw.purchases")[0][0]) == {"note": "gift"}
    assert json.loads(shop.query("select _extra from raw.events")[0][0]) == {"app": {"version": 2}}


def test_ragged_csv_lines_are_rejected_with_what_is_wrong(shop: Shop) -> None:
    shop.put(
        "purchases/a.csv", make_purchases(["p1,2026-01-01,u1,2", "p2,2026-01-01,u1", "p3,2026-01-01,u1,2,5", "p4,,,"])
    )
    load(shop.settings)
    assert shop.query("select line, text, error from raw.rejected_rows order by line") == [
        (3, "p2,2026-01-01,u1", "3 fields where the header has 4"),
        (4, "p3,2026-01-01,u1,2,5", "5 fields where the header has 4"),
    ]
    assert shop.query("select product_id, user_id from raw.purchases order by all") == [("p1", "u1"), ("p4", "")]


def test_quoted_fields_may_hold_delimiters_quotes_and_line_ends(shop: Shop) -> None:
    shop.put("purchases/a.csv", 'sku,when,who,qty\r\n"a,b","2026""x","two\r\nlines",1\r\nplain,d,u,2\r\n')
    load(shop.settings)
    assert shop.query(
        "select product_id, purchased_at, user_id, quantity, _line from raw.purchases order by _line"
    ) == [
        ("a,b", '2026"x', "two\r\nlines", "1", 2),
        ("plain", "d", "u", "2", 4),
    ]


def test_a_stray_quote_costs_its_own_line_only(shop: Shop) -> None:
    good = [f"p{i},2026-01-01,u{i},1" for i in range(5_000)]
    shop.put("purchases/a.csv", make_purchases([*good[:10], '"open,2026-01-01,u,1', *good[10:]]))
    report = load(shop.settings).feeds["purchases"]
    assert (report.lines, report.rows_loaded, report.rows_rejected) == (5_001, 5_000, 1)
    assert shop.query("select line from raw.rejected_rows") == [(12,)]


def test_bom_crlf_delimiter_and_encoding_are_understood(shop: Shop) -> None:
    shop.declare(purchases={**PURCHASES_CSV, "delimiter": ";", "encoding": "cp1252"})
    shop.put("purchases/a.csv", "sku;when;who;qty\r\ncafé;2026-01-01;jürgen;1\r\n".encode("cp1252"))
    load(shop.settings)
    assert shop.query("select product_id, user_id from raw.purchases") == [("café", "jürgen")]
    shop.declare(purchases=PURCHASES_CSV)
    shop.put("purchases/a.csv", b"\xef\xbb\xbf" + "sku,when,who,qty\r\ncafé,2026-01-01,u,1\r\n".encode())
    load(shop.settings)
    assert shop.query("select product_id, quantity from raw.purchases") == [("café", "1")]


def test_gzip_is_known_by_its_content_whatever_the_name(shop: Shop) -> None:
    shop.put("events/a.jsonl.gz", gzip.compress(make_events(3).encode()))
    shop.put("events/b.jsonl", gzip.compress(make_events(2).encode()))
    assert load(shop.settings).rows_loaded == 5


def make_zip(data: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.csv", data)
    return archive.getvalue()


@pytest.mark.parametrize(
    ("pack", "packing"),
    [(make_zip, "a zip archive"), (bz2.compress, "compressed with bzip2"), (lzma.compress, "compressed with xz")],
)
def test_a_file_that_is_packed_with_something_else_is_said_to_be(
    shop: Shop, pack: Callable[[bytes], bytes], packing: str
) -> None:
    shop.put("purchases/a.csv", pack(make_purchases(["p1,2026-01-01,u1,2"]).encode()))
    (reason,) = load(shop.settings).rejected_files.values()
    assert reason.startswith(f"the file is {packing}")


def test_a_file_that_cannot_be_read_is_noted_and_stops_no_other(shop: Shop) -> None:
    shop.put("events/a.jsonl.gz", gzip.compress(make_events(500).encode())[:-20])
    shop.put("events/b.jsonl", make_events(2))
    shop.put("purchases/c.csv", make_purchases(["2026-01-01,u1"], header="when,who"))
    shop.put("purchases/d.csv", "")
    shop.put("purchases/e.csv", make_purchases(["p1,2026-01-01,u1,2"]))
    shop.put("catalog/f.json", '{"data": {"items": 5}}')
    report = load(shop.settings)
    assert report.rows_loaded == 3
    reasons = dict(shop.query("select path, error from raw.rejected_files"))
    assert set(reasons) == {"events/a.jsonl.gz", "purchases/c.csv", "purchases/d.csv", "catalog/f.json"}
    assert "damaged or incomplete" in reasons["events/a.jsonl.gz"]
    assert "the header has no 'sku' (for product_id); it has when, who" in reasons["purchases/c.csv"]
    assert "no list of records under 'data.items'" in reasons["catalog/f.json"]
    assert shop.query("select count(*) from raw.events where _file = 'events/a.jsonl.gz'") == [(0,)]


def test_a_mended_file_leaves_the_list_of_unreadable_ones(shop: Shop) -> None:
    shop.put("events/a.jsonl", gzip.compress(make_events(500).encode())[:-20])
    load(shop.settings)
    shop.put("events/a.jsonl", make_events(500))
    assert load(shop.settings).rows_loaded == 500
    assert shop.query("select count(*) from raw.rejected_files") == [(0,)]


def test_an_unreadable_new_version_of_a_file_does_not_take_its_old_rows_away(shop: Shop) -> None:
    shop.put("events/a.jsonl", make_events(5))
    load(shop.settings)
    shop.put("events/a.jsonl", gzip.compress(make_events(500).encode())[:-20])
    report = load(shop.settings)
    assert list(report.rejected_files) == ["events/a.jsonl"]
    assert shop.query("select count(*) from raw.events") == [(5,)]


def test_hidden_and_unfinished_files_are_left_for_the_next_load(shop: Shop) -> None:
    shop.put("events/a.jsonl", make_events(1))
    shop.put("events/.b.jsonl", make_events(1))
    shop.put("events/c.jsonl.part", make_events(1))
    assert load(shop.settings).feeds["events"].files_loaded == 1


def test_a_file_that_goes_while_the_folder_is_listed_stops_no_other(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.put("events/a.jsonl", make_events(1))
    going = shop.put("events/b.jsonl", make_events(1))
    (shop.landing / "events" / "folder").mkdir()
    look = Path.stat

    def look_too_late(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = look(path, follow_symlinks=follow_symlinks)
        if path == going:
            going.unlink()
        return found

    monkeypatch.setattr(Path, "stat", look_too_late)
    listed = find_files(read_sources(shop.settings.sources).feeds["events"], shop.landing)
    assert not going.exists()
    assert "events/a.jsonl" in {file.path for file in listed}
    assert load(shop.settings).rows_loaded == 1


def test_many_small_files_load_in_few_transactions(shop: Shop) -> None:
    for number in range(1_500):
        shop.put(f"events/{number:05}.jsonl", make_events(2))
    report = load(shop.settings)
    assert report.feeds["events"].files_loaded == 1_500
    assert shop.query("select count(*), sum(lines), sum(rows_loaded) from raw.loaded_files") == [(1_500, 3_000, 3_000)]


def test_what_breaks_while_the_next_batch_is_read_leaves_the_batch_before_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_but_for_c(file: LandingFile, reading: FileLoad) -> Iterator[FileRecords]:
        if file.path == "events/c.jsonl":
            raise MemoryError
        return read_records(file, reading)

    monkeypatch.setattr("warehouse.loading.loader.MAX_BATCH_FILES", 2)
    monkeypatch.setattr("warehouse.loading.loader.read_records", read_but_for_c)
    for name in "abcd":
        shop.put(f"events/{name}.jsonl", make_events(3))
    with pytest.raises(MemoryError):
        load(shop.settings)
    assert shop.query("select path from raw.loaded_files order by path") == [("events/a.jsonl",), ("events/b.jsonl",)]


def test_pieces_smaller_than_a_file_lose_and_repeat_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.loading.text.BLOCK_BYTES", 100)
    monkeypatch.setattr("warehouse.loading.loader.CHUNK_BYTES", 1_000)
    monkeypatch.setattr("warehouse.loading.loader.MAX_BATCH_FILES", 2)
    for number in range(5):
        shop.put(f"events/{number}.jsonl", make_events(50, user=f"u{number}_") + "broken\n")
        shop.put(f"events/{number}_empty.jsonl", "")
    report = load(shop.settings)
    assert (report.feeds["events"].files_loaded, report.feeds["events"].rows_rejected) == (10, 5)
    assert shop.query("select count(*), count(distinct user_id), max(_line) from raw.events") == [(250, 250, 50)]


def test_lines_that_span_blocks_stay_whole(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.loading.text.BLOCK_BYTES", 37)
    shop.put("events/a.jsonl", make_events(200).rstrip("\n"))
    shop.put("purchases/a.csv", make_purchases([f'p{i},"2026\n01",u{i},{i}' for i in range(50)]))
    shop.put("purchases/b.csv", make_purchases([f"p{i},2026,u{i},{i}" for i in range(50)]))
    report = load(shop.settings)
    assert report.feeds["events"].rows_loaded == 200
    assert (report.feeds["purchases"].rows_loaded, report.feeds["purchases"].rows_rejected) == (100, 0)
    assert shop.query("select max(_line), count(distinct _line) from raw.events") == [(200, 200)]
    assert shop.query("select max(_line) from raw.purchases where _file = 'purchases/a.csv'") == [(100,)]


LOAD_SCRIPT = """
import os, signal, sys
from warehouse.loading import loader
from warehouse.settings import Settings

loader.MAX_BATCH_FILES = 3
count, point = 0, int(sys.argv[1])

def kill_at(name):
    step = getattr(loader, name)
    def counted(*args):
        global count
        count += 1
        if count == point:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*args)
    setattr(loader, name, counted)

for name in ("insert_records", "save_column_names"):
    kill_at(name)
loader.load(Settings())
"""


def test_a_load_killed_at_any_step_is_repaired_by_the_next(shop: Shop) -> None:
    for number in range(12):
        shop.put(f"events/{number:02}.jsonl", make_events(300) + "broken\n")
        shop.put(f"purchases/{number:02}.csv", make_purchases(f"p{i},2026-01-01,u{i},1" for i in range(300)))
    loaded_after_kill = []
    for point in (1, 2, 4, 6):
        command = [sys.executable, "-c", LOAD_SCRIPT, str(point)]
        done = subprocess.run(command, env=shop.settings.build_environment(), check=False)
        assert done.returncode == -signal.SIGKILL
        rows = shop.query("select (select count(*) from raw.events), (select count(*) from raw.purchases)")[0]
        ledger = shop.query("select coalesce(sum(rows_loaded), 0) from raw.loaded_files")[0][0]
        assert sum(rows) == ledger
        loaded_after_kill.append(ledger)
    assert loaded_after_kill[0] == 0
    assert 0 < loaded_after_kill[-1] < 7_200
    load(shop.settings)
    after_kills = shop.read_contents()
    shop.settings.database.unlink()
    load(shop.settings)
    assert after_kills == shop.read_contents()
    assert len(after_kills["events"]) == 3_600


def test_a_changed_mapping_loads_the_files_again(shop: Shop) -> None:
    shop.put("purchases/a.csv", make_purchases(["p1,2026-01-01,u1,2,9.5"], header="sku,when,who,qty,cost"))
    load(shop.settings)
    assert load(shop.settings).undeclared_columns == {"purchases": ["cost"]}
    shop.declare(purchases={**PURCHASES_CSV, "columns": {**PURCHASES_CSV["columns"], "price": "cost"}})
    report = load(shop.settings)
    assert report.feeds["purchases"].files_replaced == 1
    assert report.undeclared_columns == {}
    assert shop.query("select price, _extra from raw.purchases") == [("9.5", None)]


def test_another_shops_feeds_are_not_mixed_into_a_warehouse(shop: Shop) -> None:
    shop.put("events/a.jsonl", make_events(2))
    load(shop.settings)
    shop.declare(clicks={**EVENTS_JSONL, "kind": "events"})
    with pytest.raises(RecomartError, match=r"feed events is not declared, but .* has its files"):
        load(shop.settings)
    assert shop.query("select count(*) from raw.events") == [(2,)]


def test_a_column_that_appears_in_a_late_file_may_be_mapped(shop: Shop) -> None:
    shop.declare(purchases={**PURCHASES_CSV, "columns": {**PURCHASES_CSV["columns"], "price": "cost"}})
    for number in range(30):
        shop.put(f"purchases/{number:02}.csv", make_purchases(["p1,2026-01-01,u1,2"]))
    shop.put("purchases/99.csv", make_purchases(["p1,2026-01-01,u1,2,9.5"], header="sku,when,who,qty,cost"))
    load(shop.settings)
    assert shop.query("select count(*), count(price) from raw.purchases") == [(31, 1)]


def test_a_file_whose_name_is_no_utf8_loads(shop: Shop) -> None:
    shop.put(os.fsdecode(b"events/caf\xe9.jsonl"), make_events(1))
    load(shop.settings)
    assert shop.query("select path from raw.loaded_files") == [("events/caf\\xe9.jsonl",)]


def test_a_bad_version_that_is_taken_back_leaves_the_list_of_unreadable_files(shop: Shop) -> None:
    shop.put("events/a.jsonl", make_events(2))
    load(shop.settings)
    shop.put("events/a.jsonl", gzip.compress(make_events(500).encode())[:-20])
    load(shop.settings)
    shop.put("events/a.jsonl", make_events(2))
    load(shop.settings)
    assert shop.query("select count(*) from raw.rejected_files") == [(0,)]


def test_a_mapping_to_a_column_that_no_file_has_is_refused_before_anything_is_loaded(shop: Shop) -> None:
    shop.put("purchases/a.csv", make_purchases(["p1,2026-01-01,u1,2"]))
    shop.declare(purchases={**PURCHASES_CSV, "columns": {**PURCHASES_CSV["columns"], "price": "cost"}})
    with pytest.raises(RecomartError, match=r"feeds\.purchases\.columns\.price: no column 'cost' in purchases/a\.csv"):
        load(shop.settings)
    shop.declare(events={**EVENTS_JSONL, "columns": {**EVENTS_JSONL["columns"], "user_id": "usr"}})
    shop.put("events/a.jsonl", make_events(2))
    with pytest.raises(RecomartError, match=r"feeds\.events\.columns\.user_id: no column 'usr'"):
        load(shop.settings)
    assert shop.query("select (select count(*) from raw.events) + (select count(*) from raw.purchases)") == [(0,)]


def test_a_landing_folder_without_a_file_of_any_feed_is_an_error_that_names_the_globs(shop: Shop) -> None:
    shop.put("readme.txt", "hello")
    with pytest.raises(RecomartError, match=r"no file here belongs to a feed .*events: events/\*"):
        load(shop.settings)


def test_a_file_of_several_feeds_is_told_with_its_feeds(shop: Shop) -> None:
    shop.declare(purchases=PURCHASES_CSV, returns={**PURCHASES_CSV, "kind": "purchases", "files": "*/b*"})
    shop.put("purchases/a.csv", make_purchases(["p1,2026-01-01,u1,2"]))
    shop.put("purchases/b.csv", make_purchases(["p1,2026-01-01,u1,2"]))
    report = load(shop.settings)
    assert report.shared_files == {"purchases/b.csv": ["purchases", "returns"]}
    assert report.rows_loaded == 3


def test_a_missing_landing_folder_is_named(shop: Shop) -> None:
    shop.landing.rmdir()
    with pytest.raises(RecomartError, match="landing: no such landing folder"):
        load(shop.settings)


def test_a_warehouse_in_use_is_an_error_that_names_the_process(shop: Shop) -> None:
    shop.put("events/a.jsonl", make_events(1))
    load(shop.settings)
    impatient = shop.settings.model_copy(update={"wait_seconds": 0.6})
    with hold_database(shop.settings.database) as holder:
        match = f"process {holder} .*, running since .* UTC\\) is using the warehouse"
        with pytest.raises(WarehouseBusyError, match=match):
            load(impatient)


def test_who_comes_second_waits_and_then_writes(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.put("events/a.jsonl", make_events(1))
    load(shop.settings)
    shop.put("events/b.jsonl", make_events(2, "v"))
    with hold_database(shop.settings.database, seconds=1.5) as holder:
        assert load(shop.settings).rows_loaded == 2
    assert f"process {holder}" in caplog.text


def test_every_reading_of_a_file_has_a_number_of_its_own_that_its_rows_carry(shop: Shop) -> None:
    shop.put("events/1.jsonl", make_events(1))
    shop.put("events/2.jsonl", make_events(1))
    load(shop.settings)
    first = shop.query("select path, load_id from raw.loaded_files order by path")
    shop.put("events/1.jsonl", make_events(2))
    load(shop.settings)
    again = shop.query("select path, load_id from raw.loaded_files order by path")
    assert again[1] == first[1]
    assert again[0][1] > max(number for _, number in first)
    assert shop.query("select distinct _file, _load_id from raw.events order by all") == again


def test_a_warehouse_of_an_earlier_version_is_refused_with_what_to_do(shop: Shop) -> None:
    shop.put("events/1.jsonl", make_events(1))
    load(shop.settings)
    with closing(connect(shop.settings)) as connection:
        connection.execute("alter table raw.purchases drop column _load_id")
    with pytest.raises(RecomartError, match=r"earlier version.*raw\.purchases.*delete"):
        load(shop.settings)
