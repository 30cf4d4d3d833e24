"""Records are removed from landing files of every format; the other records stay as they are."""

import bz2
import gzip
import io
import json
import lzma
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from warehouse.erasure.landing_rewriting import remove_records
from warehouse.errors import RecomartError
from warehouse.loading.landing_files import FileLoad, find_files
from warehouse.loading.records import read_records
from warehouse.sources.declaration import Feed

COLUMNS = {"user_id": "user", "product_id": "item", "event_type": {"value": "view"}, "event_at": "at"}


def declare_feed(file_format: str, **settings: Any) -> Feed:
    return Feed.model_validate(
        {"name": "events", "kind": "events", "files": "*", "format": file_format, "columns": COLUMNS, **settings}
    )


def read_texts(feed: Feed, folder: Path) -> list[str]:
    """Return the text of each row of the only file in the folder."""
    (file,) = find_files(feed, folder)
    return [text for records in read_records(file, FileLoad()) for text in records.table["text"].to_pylist()]


def remove(feed: Feed, folder: Path, rows: Collection[int]) -> None:
    (file,) = find_files(feed, folder)
    remove_records(file, rows)


LINES_BY_NUMBER = {
    1: "user,item,at",
    2: "anna,1,2026-01-01",
    3: 'anna,"a\nb",2026-01-01',
    5: "",
    6: "bert,2,2026-01-02",
    7: "anna,3,2026-01-03",
    8: "carl,4,2026-01-04",
}

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1250", "utf-16", "utf-32-be"])
def test_csv_lines_are_removed(tmp_path: Path, encoding: str, line_end: str, compression: str) -> None:
    """The bytes of all other lines stay, in each encoding and compression and with all line ends."""
    lines = [line.replace("carl", "čarl").replace("\n", line_end) + line_end for line in LINES_BY_NUMBER.values()]
    file, feed = tmp_path / "events.csv", declare_feed("csv", encoding=encoding.replace("utf-16", "utf-16-le"))
    if encoding == "utf-16":
        feed = declare_feed("csv")
    file.write_bytes(COMPRESSIONS[compression]("".join(lines).encode(encoding)))
    file.chmod(0o640)
    remove(feed, tmp_path, {2, 3, 7})
    expected = "".join([lines[0], lines[4], lines[6]])
    content = {"plain": bytes, "gzip": gzip.decompress, "bzip2": bz2.decompress, "xz": lzma.decompress}[compression](
        file.read_bytes()
    )
    assert content == expected.encode(encoding)
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["events.csv"]


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "json", "parquet", "arrow", "excel"])
def test_file_can_lose_all_records(tmp_path: Path, file_format: str) -> None:
    """The file stays, as old files of a feed with `keep_days` do."""
    feed, file = declare_feed(file_format), tmp_path / "events"
    rows = [{"user": "anna", "item": "1", "at": "2026-01-01"}]
    if file_format == "excel":
        book = openpyxl.Workbook()
        for row in (["user", "item", "at"], [*rows[0].values()]):
            book.active.append(row)
        book.save(file)
    elif file_format in ("parquet", "arrow"):
        file.write_bytes(write_table(pa.Table.from_pylist(rows), "parquet" if file_format == "parquet" else "file"))
    else:
        texts = {"csv": "user,item,at\nanna,1,2026-01-01\n", "jsonl": json.dumps(rows[0]), "json": json.dumps(rows)}
        file.write_text(texts[file_format], encoding="utf-8")
    remove(feed, tmp_path, {2 if file_format in ("csv", "excel") else 1})
    assert read_texts(feed, tmp_path) == []
    assert b"anna" not in file.read_bytes()


def test_zstd_file_stays_compressed(tmp_path: Path) -> None:
    data = b"".join(b'{"user":"u%d","item":"1","at":"2026-01-01"}\n' % number for number in range(1, 5))
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    (tmp_path / "events.jsonl").write_bytes(sink.getvalue().to_pybytes())
    remove(declare_feed("jsonl"), tmp_path, {2, 4})
    with pa.CompressedInputStream(pa.OSFile(str(tmp_path / "events.jsonl")), "zstd") as stream:
        assert [json.loads(line)["user"] for line in stream.read().splitlines()] == ["u1", "u3"]


def test_objects_across_lines_are_removed(tmp_path: Path) -> None:
    objects = [json.dumps({"user": f"u{number}", "item": "1", "at": "2026-01-01"}, indent=1) for number in range(4)]
    (tmp_path / "events.jsonl").write_text("\n".join(objects), encoding="utf-8")
    remove(declare_feed("jsonl"), tmp_path, {1, 3})
    assert read_texts(declare_feed("jsonl"), tmp_path) == [objects[1], objects[3]]


def test_document_keeps_digits_and_other_keys(tmp_path: Path) -> None:
    document = '{"page": 1.50, "data": {"rows": [{"user": "a", "item": 1.10}, {"user": "b", "item": 12.50}]}}'
    (tmp_path / "events.json").write_text(document, encoding="utf-8")
    remove(declare_feed("json", records="data.rows"), tmp_path, {1})
    rewritten = (tmp_path / "events.json").read_text(encoding="utf-8")
    assert "".join(rewritten.split()) == '{"page":1.50,"data":{"rows":[{"user":"b","item":12.50}]}}'


@pytest.mark.parametrize(
    ("settings", "document"),
    [
        ({}, '[{"user": "a", "item": 1}, {"user": "b", "item": 2}]'),
        ({"record_key": "user"}, '{"a": {"item": 1}, "b": {"item": 2}}'),
    ],
)
def test_document_without_keys(tmp_path: Path, settings: dict[str, Any], document: str) -> None:
    (tmp_path / "events.json").write_text(document, encoding="utf-8")
    feed = declare_feed("json", **settings)
    before = read_texts(feed, tmp_path)
    remove(feed, tmp_path, {1})
    assert [json.loads(text) for text in read_texts(feed, tmp_path)] == [json.loads(before[1])]


def test_unnested_items_remove_their_record(tmp_path: Path) -> None:
    columns = {**COLUMNS, "product_id": "$.items.sku"}
    feed = declare_feed("jsonl", columns=columns, unnest="$.items")
    records = [
        {"user": user, "at": "2026-01-01", "items": [{"sku": sku} for sku in skus]}
        for user, skus in (("anna", "ab"), ("bert", "cde"), ("anna", ""), ("carl", "f"))
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    remove(feed, tmp_path, {1, 2, 6})
    kept = (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["user"] for line in kept] == ["bert", "carl"]


NESTED_RECORDS = [
    {"id": 1, "rows": [{"user": "anna", "sku": 1.50}, {"user": "běrt", "sku": 2}, {"user": "anna", "sku": 3}]},
    {"id": 2, "rows": [{"user": "anna", "sku": 4}]},
    {"id": 3, "rows": [{"user": "carl", "sku": 5.25}]},
]


def write_nested(file_format: str) -> bytes:
    if file_format in ("parquet", "arrow"):
        return write_table(pa.Table.from_pylist(NESTED_RECORDS), "parquet" if file_format == "parquet" else "file")
    if file_format == "json":
        return json.dumps(NESTED_RECORDS).encode()
    if file_format == "objects":
        return "".join(json.dumps(record, indent=1) for record in NESTED_RECORDS).encode()
    return "".join(json.dumps(record, ensure_ascii=False) + "\r\n" for record in NESTED_RECORDS).encode("utf-16")


@pytest.mark.parametrize("key", [[], ["id"]])
@pytest.mark.parametrize("file_format", ["jsonl", "objects", "json", "parquet", "arrow"])
def test_items_of_other_customers_stay(tmp_path: Path, file_format: str, key: list[str]) -> None:
    """A record with items of several customers, such as a batch of events, loses only those of one."""
    columns = {"user_id": "$.rows.user", "product_id": "$.rows.sku", "event_type": {"value": "view"}, "event_at": "id"}
    feed = declare_feed(file_format.replace("objects", "jsonl"), columns=columns, unnest="$.rows", key=key)
    (tmp_path / "events").write_bytes(write_nested(file_format))
    before = [json.loads(text) for text in read_texts(feed, tmp_path)]
    assert [row["rows"]["user"] for row in before] == ["anna", "běrt", "anna", "anna", "carl"]
    remove(feed, tmp_path, {1, 3, 4})
    after = [json.loads(text) for text in read_texts(feed, tmp_path)]
    for row in (*before, *after):
        row.pop("_item", None)
    assert after == [before[1], before[4]]
    assert b"anna" not in (tmp_path / "events").read_bytes()


def test_file_behind_a_link_is_rewritten(tmp_path: Path) -> None:
    landing, archive = tmp_path / "landing", tmp_path / "archive"
    for folder in (landing, archive):
        folder.mkdir()
    (archive / "events.csv").write_text("user,item,at\nanna,1,2026-01-01\nbert,1,2026-01-01\n", encoding="utf-8")
    (landing / "events.csv").symlink_to(archive / "events.csv")
    (file,) = find_files(declare_feed("csv"), landing, [archive])
    remove_records(file, {2})
    assert (landing / "events.csv").is_symlink()
    assert (archive / "events.csv").read_text(encoding="utf-8") == "user,item,at\nbert,1,2026-01-01\n"
    assert [path.name for path in archive.iterdir()] == ["events.csv"]


TABLE = pa.table(
    {
        "user": pa.array(["anna", "bert", "anna", "carl"] * 3).dictionary_encode(),
        "item": [1.25, None, 3.0, 4.0] * 3,
        "at": pa.array([0, 1, 2, 3] * 3, pa.timestamp("ms", "UTC")),
        "tags": [["x"], [], None, ["y", "z"]] * 3,
    }
)


def write_table(table: pa.Table, kind: str) -> bytes:
    sink = pa.BufferOutputStream()
    if kind == "parquet":
        pq.write_table(table, sink, row_group_size=5)
    else:
        make_writer: Any = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
        with make_writer(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=5)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("kind", ["parquet", "stream", "file"])
def test_tabular_rows_are_removed(tmp_path: Path, kind: str) -> None:
    """The dictionaries of the copy have no removed values either."""
    file, feed = tmp_path / "events", declare_feed("parquet" if kind == "parquet" else "arrow")
    file.write_bytes(write_table(TABLE, kind))
    before = read_texts(feed, tmp_path)
    remove(feed, tmp_path, {number for number in range(1, 13) if number % 2})
    assert read_texts(feed, tmp_path) == before[1::2]
    assert b"anna" not in file.read_bytes()


def test_excel_rows_are_removed(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Sales"
    for row in (["user", "item", "at"], ["anna", 1, "2026-01-01"], [], ["bert", 2.5, "2026-01-01"], ["anna", 3, None]):
        book.active.append(row)
    book.create_sheet("Notes").append(["keep"])
    book.save(tmp_path / "events.xlsx")
    feed = declare_feed("excel", sheet="Sales")
    remove(feed, tmp_path, {2, 5})
    assert [json.loads(text)["user"] for text in read_texts(feed, tmp_path)] == ["bert"]
    assert openpyxl.load_workbook(io.BytesIO((tmp_path / "events.xlsx").read_bytes())).sheetnames == ["Sales", "Notes"]


def test_old_spark_times_are_kept(tmp_path: Path) -> None:
    """Times before 1677 are outside the range of nanoseconds, in which Arrow reads them by default."""
    times = pa.array([datetime(1, 1, 1), datetime(2026, 1, 1)], pa.timestamp("us"))
    table = pa.table({"user": ["anna", "bert"], "item": ["1", "2"], "at": times})
    pq.write_table(table, tmp_path / "events", use_deprecated_int96_timestamps=True, compression="none")
    feed = declare_feed("parquet")
    before = read_texts(feed, tmp_path)
    remove(feed, tmp_path, {2})
    assert read_texts(feed, tmp_path) == before[:1]


def test_merged_cells_of_excel_files(tmp_path: Path) -> None:
    """Merged cells stay in their rows, so that a second removal finds all values."""
    book = openpyxl.Workbook()
    users = ("anna", "bert", "anna", "carl", "dora")
    for row in (["user", "item", "at"], *([user, number, "2026-01-01"] for number, user in enumerate(users))):
        book.active.append(row)
    book.active.merge_cells("A5:A6")
    book.save(tmp_path / "events.xlsx")
    feed = declare_feed("excel")
    before = read_texts(feed, tmp_path)
    remove(feed, tmp_path, {2, 4})
    remove(feed, tmp_path, {2})
    assert read_texts(feed, tmp_path) == before[3:]


def test_copy_that_reads_differently_is_refused(tmp_path: Path) -> None:
    """Without the long Czech lines, the loader would take the text for Western European."""
    text = "Příliš žluťoučký kůň úpěl ďábelské ódy a šťastně běžel přes řeku"
    lines = ["user,item,at", *(f"anna,{text} {number},2026-01-01" for number in range(20)), "bert,ř,2026-01-01"]
    file = tmp_path / "events.csv"
    file.write_bytes("\n".join(lines).encode("cp1250"))
    before = file.read_bytes()
    with pytest.raises(RecomartError, match=r"events.csv: 20 records cannot be removed: .*differently"):
        remove(declare_feed("csv"), tmp_path, set(range(2, 22)))
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["events.csv"]
    remove(declare_feed("csv", encoding="cp1250"), tmp_path, set(range(2, 22)))
    assert file.read_bytes().decode("cp1250").splitlines() == [lines[0], lines[-1]]
