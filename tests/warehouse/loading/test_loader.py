"""Loading of files: accounting of lines, replacement, recovery, and error messages."""

import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.database_lock import hold_database
from tests.three_feed_shop import PURCHASES_CSV, Shop
from warehouse.database import connect
from warehouse.errors import RecomartError, WarehouseBusyError
from warehouse.loading.landing_files import FileLoad, LandingFile, find_files
from warehouse.loading.loader import load
from warehouse.loading.records import FileRecords, read_records
from warehouse.sources.yaml_file import read_sources

DOCUMENT_HINT = ". A list or a document of several lines needs format: json"


def make_events(count: int, user: str = "u") -> str:
    lines = (
        json.dumps({"user": f"{user}{i}", "item": f"p{i % 7}", "type": "view", "time": "2026-01-01T00:00:00Z"})
        for i in range(count)
    )
    return "\n".join(lines) + "\n"


def make_purchases(rows: Iterable[str], header: str = "sku,when,who,qty") -> str:
    return "\n".join([header, *rows]) + "\n"


def test_raw_rows_keep_file_line_and_text(shop: Shop) -> None:
    shop.put("events/a.jsonl", '\n{"user":" U1 ","item":"p1","type":"VIEW","time":"noon"}\n\n{"item":"p2"}\n')
    load(shop.settings)
    columns = "user_id, product_id, event_type, event_at, _file, _line"
    assert shop.query(f"select {columns} from raw.events order by _line") == [
        (" U1 ", "p1", "VIEW", "noon", "events/a.jsonl", 2),
        (None, "p2", None, None, "events/a.jsonl", 4),
    ]


def test_load_twice_changes_nothing(shop: Shop) -> None:
    shop.put("events/a.jsonl", make_events(5) + "broken\n")
    shop.put("purchases/a.csv", make_purchases(["p1,2026-01-01,u1,2", "p2,2026-01-01"]))
    load(shop.settings)
    previous_contents = shop.read_contents()
    report = load(shop.settings)
    assert report.rows_loaded == 0
    assert report.feeds["events"].files_unchanged == 1
    assert shop.read_contents() == previous_contents


def test_load_replaces_changed_file(shop: Shop) -> None:
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
def test_load_rejects_broken_json_line(shop: Shop, line: bytes, error: str) -> None:
    shop.put("events/a.jsonl", make_events(2).encode() + line + b"\n" + make_events(2).encode())
    report = load(shop.settings).feeds["events"]
    assert (report.lines, report.rows_loaded, report.rows_rejected) == (5, 4, 1)
    text = line.decode("utf-8", errors="backslashreplace")
    assert shop.query("select line, text, error from raw.rejected_rows") == [(3, text, error)]


def test_csv_columns_match_by_name(shop: Shop) -> None:
    shop.put("purchases/a.csv", make_purchases(["p1,2026-01-01,u1,2"]))
    shop.put("purchases/b.csv", make_purchases(["u2,3,2026-01-02,p2"], header="who,qty,when,sku"))
    load(shop.settings)
    assert shop.query("select product_id, purchased_at, user_id, quantity from raw.purchases order by all") == [
        ("p1", "2026-01-01", "u1", "2"),
        ("p2", "2026-01-02", "u2", "3"),
    ]


def test_undeclared_columns_are_kept(shop: Shop) -> None:
    shop.put("purchases/a.csv", make_purchases(["p1,2026-01-01,u1,2,gift"], header="sku,when,who,qty,note"))
    shop.put("events/a.jsonl", '{"user":"u1","item":"p1","type":"view","time":"t","app":{"version":2}}\n')
    report = load(shop.settings)
    assert report.undeclared_columns == {"events": ["app"], "purchases": ["note"]}
    assert json.loads(shop.query("select _extra from raw.purchases")[0][0]) == {"note": "gift"}
    assert json.loads(shop.query("select _extra from raw.events")[0][0]) == {"app": {"version": 2}}


def test_load_rejects_ragged_csv_lines(shop: Shop) -> None:
    shop.put(
        "purchases/a.csv", make_purchases(["p1,2026-01-01,u1,2", "p2,2026-01-01,u1", "p3,2026-01-01,u1,2,5", "p4,,,"])
    )
    load(shop.settings)
    assert shop.query("select line, text, error from raw.rejected_rows order by line") == [
        (3, "p2,2026-01-01,u1", "3 fields where the header has 4"),
        (4, "p3,2026-01-01,u1,2,5", "5 fields where the header has 4"),
    ]
    assert shop.query("select product_id, user_id from raw.purchases order by all") == [("p1", "u1"), ("p4", "")]


def test_quoted_fields_keep_special_characters(shop: Shop) -> None:
    shop.put("purchases/a.csv", 'sku,when,who,qty\r\n"a,b","2026""x","two\r\nlines",1\r\nplain,d,u,2\r\n')
    load(shop.settings)
    assert shop.query(
        "select product_id, purchased_at, user_id, quantity, _line from raw.purchases order by _line"
    ) == [
        ("a,b", '2026"x', "two\r\nlines", "1", 2),
        ("plain", "d", "u", "2", 4),
    ]


def test_stray_quote_rejects_one_line(shop: Shop) -> None:
    good = [f"p{i},2026-01-01,u{i},1" for i in range(5_000)]
    shop.put("purchases/a.csv", make_purchases([*good[:10], '"open,2026-01-01,u,1', *good[10:]]))
    report = load(shop.settings).feeds["purchases"]
    assert (report.lines, report.rows_loaded, report.rows_rejected) == (5_001, 5_000, 1)
    assert shop.query("select line from raw.rejected_rows") == [(12,)]


def test_csv_bom_crlf_and_declared_encoding(shop: Shop) -> None:
    shop.declare(purchases={**PURCHASES_CSV, "delimiter": ";", "encoding": "cp1252"})
    shop.put("purchases/a.csv", "sku;when;who;qty\r\ncafé;2026-01-01;jürgen;1\r\n".encode("cp1252"))
    load(shop.settings)
    assert shop.query("select product_id, user_id from raw.purchases") == [("café", "jürgen")]
    shop.declare(purchases=PURCHASES_CSV)
    shop.put("purchases/a.csv", b"\xef\xbb\xbf" + "sku,when,who,qty\r\ncafé,2026-01-01,u,1\r\n".encode())
    load(shop.settings)
    assert shop.query("select product_id, quantity from raw.purchases") == [("café", "1")]


def make_zip(data: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.csv", data)
    return archive.getvalue()


def make_parquet(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"data": [data]}), sink)
    return bytes(sink.getvalue())


@pytest.mark.parametrize(
    ("pack", "description"),
    [
        (make_zip, "a zip archive or a spreadsheet such as .xlsx. Unpack it, or declare format: excel"),
        (make_parquet, "a Parquet file. Declare format: parquet"),
        (lambda _: b"%PDF-1.7\n%\xe2\xe3", "a PDF document. Ask the shop for the data as CSV or JSON"),
        (lambda _: gzip.compress(b"<feed>\n<item>1</item></feed>"), "XML or HTML. Convert it to CSV or JSON"),
        (
            lambda _: b"-- -- -- dump\n" * 50 + b"/*!1 SET x */;\nINSERT INTO orders VALUES (1);\n",
            "a dump of SQL statements. Export the tables to CSV",
        ),
    ],
)
def test_files_that_are_no_text_are_rejected(shop: Shop, pack: Callable[[bytes], bytes], description: str) -> None:
    shop.put("purchases/a.csv", pack(make_purchases(["p1,2026-01-01,u1,2"]).encode()))
    (reason,) = load(shop.settings).rejected_files.values()
    assert reason == f"the file is {description}"


def test_unreadable_files_do_not_stop_others(shop: Shop) -> None:
    shop.put("events/a.jsonl.gz", gzip.compress(make_events(500).encode())[:-20])
    shop.put("events/b.jsonl", make_events(2))
    shop.put("purchases/c.csv", make_purchases(["2026-01-01,u1"], header="when,who"))
    shop.put("purchases/e.csv", make_purchases(["p1,2026-01-01,u1,2"]))
    shop.put("catalog/f.json", '{"data": {"items": 5}}')
    report = load(shop.settings)
    assert report.rows_loaded == 3
    reasons = dict(shop.query("select path, error from raw.rejected_files"))
    assert set(reasons) == {"events/a.jsonl.gz", "purchases/c.csv", "catalog/f.json"}
    assert "damaged or incomplete" in reasons["events/a.jsonl.gz"]
    assert "the header has no 'sku' (for product_id); it has when, who" in reasons["purchases/c.csv"]
    assert "no list of records under 'data.items'" in reasons["catalog/f.json"]
    assert shop.query("select count(*) from raw.events where _file = 'events/a.jsonl.gz'") == [(0,)]


def test_corrected_file_is_no_longer_rejected(shop: Shop) -> None:
    shop.put("events/a.jsonl", gzip.compress(make_events(500).encode())[:-20])
    load(shop.settings)
    shop.put("events/a.jsonl", make_events(500))
    assert load(shop.settings).rows_loaded == 500
    assert shop.query("select count(*) from raw.rejected_files") == [(0,)]


def test_unreadable_version_keeps_old_rows(shop: Shop) -> None:
    shop.put("events/a.jsonl", make_events(5))
    load(shop.settings)
    shop.put("events/a.jsonl", gzip.compress(make_events(500).encode())[:-20])
    report = load(shop.settings)
    assert list(report.rejected_files) == ["events/a.jsonl"]
    assert shop.query("select count(*) from raw.events") == [(5,)]


def test_load_skips_hidden_and_partial_files(shop: Shop) -> None:
    shop.put("events/a.jsonl", make_events(1))
    shop.put("events/.b.jsonl", make_events(1))
    shop.put("events/c.jsonl.part", make_events(1))
    assert load(shop.settings).feeds["events"].files_loaded == 1


def put_served_list(shop: Shop, recommendation_id: str) -> None:
    line = {"recommendation_id": recommendation_id, "served_at": "2026-01-01T00:00:00Z", "product_ids": ["p1"]}
    shop.put(f"recommendation_log/served/{recommendation_id}.jsonl", json.dumps(line) + "\n")


def test_log_load_leaves_files_of_shop(shop: Shop) -> None:
    """After a publication, only the logs are loaded, so a file of the shop is not loaded without a build."""
    shop.put("events/a.jsonl", make_events(1))
    load(shop.settings)
    shop.put("events/b.jsonl", make_events(1))
    put_served_list(shop, "r1")
    report = load(shop.settings, is_log_only=True)
    assert report.rows_loaded == 1
    assert shop.query("select recommendation_id, product_ids from raw.served_lists") == [("r1", '["p1"]')]
    assert shop.query("select count(*) from raw.events") == [(1,)]
    assert load(shop.settings).feeds["events"].files_loaded == 1


def test_load_does_not_wait_for_young_logs(shop: Shop) -> None:
    """A file of a log gets its name when it is complete; the next load recognizes it without reading it again."""
    put_served_list(shop, "r1")
    settings = shop.settings.model_copy(update={"settle_seconds": 3600})
    assert load(settings, is_log_only=True).rows_loaded == 1
    changed_at = settings.database.stat().st_mtime_ns
    assert load(settings, is_log_only=True).feeds["served_lists"].files_unchanged == 1
    assert settings.database.stat().st_mtime_ns == changed_at


def test_find_files_ignores_deleted_file(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.put("events/a.jsonl", make_events(1))
    deleted = shop.put("events/b.jsonl", make_events(1))
    (shop.landing / "events" / "folder").mkdir()
    original_stat = Path.stat

    def stat_and_delete(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        file_stat = original_stat(path, follow_symlinks=follow_symlinks)
        if path == deleted:
            deleted.unlink()
        return file_stat

    monkeypatch.setattr(Path, "stat", stat_and_delete)
    files = find_files(read_sources(shop.settings.sources).feeds["events"], shop.landing)
    assert not deleted.exists()
    assert "events/a.jsonl" in {file.path for file in files}
    assert load(shop.settings).rows_loaded == 1


def test_load_many_small_files(shop: Shop) -> None:
    for number in range(1_500):
        shop.put(f"events/{number:05}.jsonl", make_events(2))
    report = load(shop.settings)
    assert report.feeds["events"].files_loaded == 1_500
    assert shop.query("select count(*), sum(lines), sum(rows_loaded) from raw.loaded_files") == [(1_500, 3_000, 3_000)]


def test_read_error_keeps_previous_batch(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error while the thread reads the next batch does not roll back the batch before it."""

    def fail_for_file_c(file: LandingFile, file_load: FileLoad) -> Iterator[FileRecords]:
        if file.path == "events/c.jsonl":
            raise RuntimeError
        return read_records(file, file_load)

    monkeypatch.setattr("warehouse.loading.loader.MAX_BATCH_FILES", 2)
    monkeypatch.setattr("warehouse.loading.loader.read_records", fail_for_file_c)
    for name in "abcd":
        shop.put(f"events/{name}.jsonl", make_events(3))
    with pytest.raises(RuntimeError):
        load(shop.settings)
    assert shop.query("select path from raw.loaded_files order by path") == [("events/a.jsonl",), ("events/b.jsonl",)]


def test_small_chunks_load_each_row_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.loading.text.BLOCK_BYTES", 100)
    monkeypatch.setattr("warehouse.loading.loader.STATEMENT_BYTES", 1_000)
    monkeypatch.setattr("warehouse.loading.loader.MAX_BATCH_FILES", 2)
    for number in range(5):
        shop.put(f"events/{number}.jsonl", make_events(50, user=f"u{number}_") + "broken\n")
        shop.put(f"events/{number}_empty.jsonl", "")
    report = load(shop.settings)
    assert (report.feeds["events"].files_loaded, report.feeds["events"].rows_rejected) == (10, 5)
    assert shop.query("select count(*), count(distinct user_id), max(_line) from raw.events") == [(250, 250, 50)]


def test_lines_across_blocks_stay_complete(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.loading.text.BLOCK_BYTES", 37)
    shop.put("events/a.jsonl", make_events(200).rstrip("\n"))
    shop.put("purchases/a.csv", make_purchases([f'p{i},"2026\n01",u{i},{i}' for i in range(50)]))
    shop.put("purchases/b.csv", make_purchases([f"p{i},2026,u{i},{i}" for i in range(50)]))
    report = load(shop.settings)
    assert report.feeds["events"].rows_loaded == 200
    assert (report.feeds["purchases"].rows_loaded, report.feeds["purchases"].rows_rejected) == (100, 0)
    assert shop.query("select max(_line), count(distinct _line) from raw.events") == [(200, 200)]
    assert shop.query("select max(_line) from raw.purchases where _file = 'purchases/a.csv'") == [(100,)]


def test_load_file_name_not_utf8(shop: Shop) -> None:
    shop.put(os.fsdecode(b"events/caf\xe9.jsonl"), make_events(1))
    load(shop.settings)
    assert shop.query("select path from raw.loaded_files") == [("events/caf\\xe9.jsonl",)]


def test_locked_warehouse_error_names_process(shop: Shop) -> None:
    shop.put("events/a.jsonl", make_events(1))
    load(shop.settings)
    short_wait = shop.settings.model_copy(update={"wait_seconds": 0.6})
    with hold_database(shop.settings.database) as holder:
        match = f"process {holder} .*, running since .* UTC\\) is using the warehouse"
        with pytest.raises(WarehouseBusyError, match=match):
            load(short_wait)


def test_load_waits_for_locked_warehouse(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.put("events/a.jsonl", make_events(1))
    load(shop.settings)
    shop.put("events/b.jsonl", make_events(2, "v"))
    with hold_database(shop.settings.database, seconds=1.5) as holder:
        assert load(shop.settings).rows_loaded == 2
    assert f"process {holder}" in caplog.text


def test_each_file_load_has_new_id(shop: Shop) -> None:
    shop.put("events/1.jsonl", make_events(1))
    shop.put("events/2.jsonl", make_events(1))
    load(shop.settings)
    first = shop.query("select path, load_id from raw.loaded_files order by path")
    shop.put("events/1.jsonl", make_events(2))
    load(shop.settings)
    second = shop.query("select path, load_id from raw.loaded_files order by path")
    assert second[1] == first[1]
    assert second[0][1] > max(load_id for _, load_id in first)
    assert shop.query("select distinct _file, _load_id from raw.events order by all") == second


def test_earlier_schema_version_fails(shop: Shop) -> None:
    shop.put("events/1.jsonl", make_events(1))
    load(shop.settings)
    with closing(connect(shop.settings)) as connection:
        connection.execute("alter table raw.purchases drop column _load_id")
    with pytest.raises(RecomartError, match=r"earlier version.*raw\.purchases.*Delete"):
        load(shop.settings)
