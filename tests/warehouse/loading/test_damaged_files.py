"""The loader accounts for every line of any file, and loads the other files completely."""

import gc
import io
import itertools
import json
import random
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.three_feed_shop import EVENTS_JSONL, PRODUCTS_JSON, PURCHASES_CSV, Shop
from tests.warehouse.loading.file_damage import (
    PURCHASE_COLUMNS,
    GeneratedFile,
    damage_file,
    decompress,
    make_arrow_file,
    make_csv_file,
    make_document_file,
    make_headless_file,
    make_json_lines_file,
    make_keyed_file,
    make_orders_file,
    make_parquet_file,
    make_report_file,
)
from warehouse.loading.loader import load

FILES_PER_KIND = [20, pytest.param(120, marks=pytest.mark.slow)]

MAKERS: dict[str, Callable[[random.Random], GeneratedFile]] = {
    "events": make_json_lines_file,
    "purchases": make_csv_file,
    "catalog": make_document_file,
    "reports": make_report_file,
    "headless": make_headless_file,
    "orders": make_orders_file,
    "tables": make_parquet_file,
    "batches": make_arrow_file,
    "keyed": make_keyed_file,
}

FEEDS: dict[str, dict[str, Any]] = {
    "events": EVENTS_JSONL,
    "purchases": PURCHASES_CSV,
    "catalog": {**PRODUCTS_JSON, "kind": "products"},
    "reports": {**PURCHASES_CSV, "skip_lines": 2, "comment": "#", "escape": "\\", "short_lines": "fill"},
    "headless": {**PURCHASES_CSV, "names": [*PURCHASE_COLUMNS, "note"]},
    "orders": {
        "format": "jsonl",
        "unnest": "$.order.items",
        "columns": {
            "product_id": "$.order.items.sku",
            "quantity": "$.order.items.qty",
            "purchased_at": "$.order.at",
            "user_id": "$.params.user",
        },
        "key_values": "$.params",
    },
    "tables": {**EVENTS_JSONL, "kind": "events", "format": "parquet"},
    "batches": {**EVENTS_JSONL, "kind": "events", "format": "arrow"},
    "keyed": {**PRODUCTS_JSON, "kind": "products", "record_key": "id"},
}
FEEDS = {
    name: {"kind": "events" if name == "events" else "purchases", **feed, "files": f"{name}/*"}
    for name, feed in FEEDS.items()
}


@pytest.fixture(autouse=True)
def no_garbage_collection() -> Iterator[None]:
    """Keep the garbage collector from calling hypothesis while a deeply nested record has used up Python's stack."""
    gc.disable()
    yield
    gc.enable()


def make_clean_parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({name: ["x"] * 50 for name in ("user", "item", "type", "time")}), sink)
    return bytes(sink.getvalue())


def make_clean_arrow() -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table({name: ["x"] * 50 for name in ("user", "item", "type", "time")})
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


RAW_COLUMNS = {
    "events": "user_id, product_id, event_type, event_at from raw.events",
    "purchases": "product_id, purchased_at, user_id, quantity from raw.purchases",
    "catalog": "product_id, product_name, price from raw.products",
    **dict.fromkeys(
        ("reports", "headless", "orders"), "product_id, purchased_at, user_id, quantity from raw.purchases"
    ),
    **dict.fromkeys(("tables", "batches"), "user_id, product_id, event_type, event_at from raw.events"),
    "keyed": "product_id, product_name, price from raw.products",
}

CLEAN_FILES = {
    "events/clean.jsonl": b'{"user":"u1","item":"p1","type":"view","time":"t"}\n' * 50,
    "purchases/clean.csv": b"sku,when,who,qty\n" + b"p1,2026-01-01,u1,1\n" * 50,
    "catalog/clean.json": b'{"data": {"items": [' + b",".join([b'{"id": "p1"}'] * 50) + b"]}}",
    "reports/clean.csv": b"1\n2\nsku,when,who,qty\n" + b"p1,2026-01-01,u1\n# x\n" * 50,
    "headless/clean.csv": b"p1,2026-01-01,u1,1,x\n" * 50,
    "orders/clean.jsonl": b'{"params": [], "order": {"at": "t", "items": [{"sku": "A"}, {"sku": "B"}]}}' * 25,
    "tables/clean.parquet": make_clean_parquet(),
    "batches/clean.arrow": make_clean_arrow(),
    "keyed/clean.json": b'{"data": {"items": {' + b",".join([b'"p1": {}'] * 50) + b"}}}",
}

UNACCOUNTED_QUERY = """
    with rows as (
        select _file as path, _line as line from raw.events
        union all select _file, _line from raw.purchases
        union all select _file, _line from raw.products
    ),

    loaded as (select path, count(*) as rows, count(distinct line) as lines from rows group by path),

    rejected as (select path, count(*) as rows from raw.rejected_rows group by path)

    select files.path, files.lines, rows_loaded, rows_rejected, loaded, rejected
    from raw.loaded_files as files
    full join loaded on files.path = loaded.path
    full join rejected on files.path = rejected.path
    where
        files.path is null
        or files.lines <> rows_loaded + rows_rejected
        or rows_loaded <> coalesce(loaded.rows, 0)
        or rows_loaded <> coalesce(loaded.lines, 0)
        or rows_rejected <> coalesce(rejected.rows, 0)
"""


def assert_all_lines_accounted(shop: Shop, delivered: dict[str, bytes]) -> None:
    loaded = {path for (path,) in shop.query("select path from raw.loaded_files")}
    rejected = {path for (path,) in shop.query("select path from raw.rejected_files")}
    assert loaded | rejected == {*delivered, *CLEAN_FILES}
    assert not loaded & rejected
    assert shop.query(UNACCOUNTED_QUERY) == []
    clean = "select path, rows_loaded, rows_rejected from raw.loaded_files where path like '%/clean.%' order by path"
    assert shop.query(clean) == [(path, 50, 0) for path in sorted(CLEAN_FILES)]
    assert_line_counts(shop, delivered)


def assert_line_counts(shop: Shop, delivered: dict[str, bytes]) -> None:
    """Compare the ledger's line counts of UTF-8 files with an independent count."""
    counts = dict(shop.query("select path, lines from raw.loaded_files where encoding = 'utf-8'"))
    spans: dict[str, dict[int, int]] = {path: {} for path in counts}
    for path, line, *values in shop.query(
        """
        select _file, _line, product_id, purchased_at, user_id, quantity, _extra from raw.purchases
        union all
        select path, line, text, null, null, null, null from raw.rejected_rows
        """
    ):
        if path in spans:
            extra = json.loads(values.pop() or "{}")
            spans[path][line] = 1 + sum(str(value or "").count("\n") for value in [*values, *extra.values()])
    for path, lines in counts.items():
        physical = split_physical_lines((CLEAN_FILES | delivered)[path])
        match path.partition("/")[0]:
            case "events":
                object_count = count_leading_objects(physical)
                assert lines >= object_count if object_count else lines == sum(map(bool, physical)), path
            case "purchases":
                assert_no_gaps(path, physical, spans[path])
            case "reports":
                assert_no_gaps(path, [b"", b"", *physical[2:]], spans[path], comment=b"#")
            case "headless":
                assert_no_gaps(path, [FEEDS_HEADER, *physical], {n + 1: span for n, span in spans[path].items()})
            case "tables":
                data = (CLEAN_FILES | delivered)[path]
                assert lines == (pq.read_metadata(io.BytesIO(data)).num_rows if data else 0), path
            case "batches":
                data = (CLEAN_FILES | delivered)[path]
                is_file = data.startswith(b"ARROW1")
                reader = (pa.ipc.open_file if is_file else pa.ipc.open_stream)(data) if data else None
                assert lines == (reader.read_all().num_rows if reader else 0), path
            case "keyed":
                document = b"\n".join(physical).decode("utf-8", "replace")
                members = json.loads(document, strict=False, object_pairs_hook=list) if document.strip() else []
                assert lines == len(dict(dict(members).get("data", [])).get("items", [])), path
            case "catalog":
                document = b"\n".join(physical).decode("utf-8", "replace")
                items = json.loads(document, strict=False)["data"]["items"] if document.strip() else []
                assert lines == len(items), path


def count_leading_objects(physical: list[bytes]) -> int:
    """Count the objects at the start of a file in which the first one does not end with its line; otherwise zero."""
    first_line, *lines = [*itertools.dropwhile(lambda line: not line.strip(), physical), b""]
    text = b"\n".join([first_line, *lines]).decode("utf-8", "replace").lstrip()
    count = position = 0
    with suppress(json.JSONDecodeError, RecursionError):
        while text[position : position + 1] == "{":
            position = json.JSONDecoder().raw_decode(text, position)[1]
            count += 1
            if count == 1 and "\n" not in text[:position] and not text[position:].lstrip(" ").startswith("{"):
                return 0
            position += len(text[position:]) - len(text[position:].lstrip())
    return count


def split_physical_lines(data: bytes) -> list[bytes]:
    text = decompress(data).removeprefix(b"\xef\xbb\xbf")
    first_line_end = next((text[index : index + 2] for index, byte in enumerate(text) if byte in b"\r\n"), b"")
    if first_line_end[:1] == b"\r" and first_line_end not in (b"\r\n", b"\r"):
        text = text.replace(b"\r", b"\n")
    return [line.rstrip(b"\r") for line in text.split(b"\n")]


FEEDS_HEADER = b"a header that no file has"


def assert_no_gaps(path: str, physical: list[bytes], spans: dict[int, int], comment: bytes = b"\n") -> None:
    """Check that every line after the header belongs to exactly one record, except empty lines and further headers."""
    filled_lines = [
        (number, line) for number, line in enumerate(physical, start=1) if line and not line.startswith(comment)
    ]
    header_number, header = next(
        (
            (number, line)
            for number, line in filled_lines
            if not re.fullmatch(rb'"?sep=([!#-/:-@\[-^`{-~]|\t)"?', line, re.IGNORECASE)
        ),
        (len(physical), b""),
    )
    covered_numbers = [number for first, span in sorted(spans.items()) for number in range(first, first + span)]
    assert len(covered_numbers) == len(set(covered_numbers)), path
    uncovered_numbers = set(range(header_number + 1, len(physical) + 1)) - set(covered_numbers)
    uncovered_lines = {physical[number - 1].removeprefix(b"\xef\xbb\xbf") for number in uncovered_numbers}
    assert not {line for line in uncovered_lines if not line.startswith(comment)} - {b"", header}, path


@pytest.mark.parametrize("file_count", FILES_PER_KIND)
@pytest.mark.parametrize("kind", MAKERS)
def test_load_accounts_for_damaged_lines(shop: Shop, kind: str, file_count: int) -> None:
    """Every line of a damaged file is loaded or rejected, and a second load changes nothing."""
    shop.declare(**FEEDS)
    rng = random.Random(f"damage {kind}")
    damaged = [damage_file(rng, MAKERS[kind](rng).data) for _ in range(file_count)]
    delivered = {f"{kind}/{number:04}": data for number, data in enumerate(damaged)}
    for path, data in (CLEAN_FILES | delivered).items():
        shop.put(path, data)
    load(shop.settings)
    assert_all_lines_accounted(shop, delivered)
    previous_contents = shop.read_contents()
    assert load(shop.settings).rows_loaded == 0
    assert shop.read_contents() == previous_contents


@pytest.mark.parametrize("file_count", [10, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", MAKERS)
def test_load_reads_all_file_formats(shop: Shop, kind: str, file_count: int) -> None:
    shop.declare(**FEEDS)
    rng = random.Random(f"order {kind}")
    files = {f"{kind}/{number:04}": MAKERS[kind](rng) for number in range(file_count)}
    for path, file in files.items():
        shop.put(path, file.data)
    load(shop.settings)
    loaded: dict[str, list[tuple[str | None, ...]]] = {path: [] for path in files}
    columns, _, table = RAW_COLUMNS[kind].partition(" from ")
    for path, *values in shop.query(f"select _file, {columns} from {table} order by _file, _line"):
        loaded[path].append(tuple(values))
    assert loaded == {path: file.rows for path, file in files.items()}


CSV_PARTS = [b"sku", b"when", b",", b";", b'"', b"'", b"\n", b"\r", b"\0", b"p1", b"\xff", b"\xc3\xa9"]
JSON_PARTS = [b'{"data":', b'{"items":', b"[", b"]", b"{", b"}", b",", b'"id"', b":", b"\n", b"1", b"\\u0000", b"\xff"]

contents = st.one_of(
    st.binary(max_size=100),
    st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(st.sampled_from(CSV_PARTS), max_size=40).map(lambda parts: b"sku,when\n" + b"".join(parts)),
    st.lists(st.sampled_from(JSON_PARTS), max_size=40).map(b"".join),
)


def load_arbitrary_files(files: list[bytes]) -> None:
    """Load files of every kind with these contents, and check that every line is accounted for."""
    with TemporaryDirectory() as folder:
        shop = Shop(Path(folder))
        shop.declare(**FEEDS)
        delivered = {f"{kind}/{number:02}": data for kind in MAKERS for number, data in enumerate(files)}
        for path, data in (CLEAN_FILES | delivered).items():
            shop.put(path, data)
        load(shop.settings)
        assert_all_lines_accounted(shop, delivered)


@settings(max_examples=3, deadline=None, derandomize=True, phases=[Phase.generate])
@given(st.lists(contents, min_size=20, max_size=40))
def test_load_accounts_for_arbitrary_bytes(files: list[bytes]) -> None:
    load_arbitrary_files(files)


@pytest.mark.slow
@settings(max_examples=20, deadline=None, derandomize=True, phases=[Phase.generate])
@given(st.lists(contents, min_size=20, max_size=40))
def test_load_accounts_for_more_bytes(files: list[bytes]) -> None:
    load_arbitrary_files(files)
