"""Files whose cost is not in their bytes: many lines, many names, compression bombs."""

import bz2
import gzip
import io
import json
import lzma
import subprocess
import sys
import zipfile
from collections.abc import Callable

import pyarrow as pa
import pytest

from tests.three_feed_shop import PURCHASES_CSV, Shop
from warehouse.loading import column_names, raw_rows
from warehouse.loading.lines import MAX_BLOCK_LINES, align_blocks_to_lines
from warehouse.loading.loader import load

HEADER = b"sku,when,who,qty\n"

MEASURE_SCRIPT = """
import resource
from warehouse.loading.loader import load
from warehouse.settings import Settings

report = load(Settings())
print(report.feeds["purchases"].lines, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
"""


def measure_load(shop: Shop) -> tuple[int, int]:
    """Load in a process of its own; return the lines of purchases and the peak memory in MiB."""
    environment = shop.settings.model_copy(update={"memory_limit": "500MB"}).build_environment()
    # The peak memory of a process that Python starts begins with that of the tests; the shell's child begins anew.
    command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", MEASURE_SCRIPT]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    lines, memory = map(int, done.stdout.splitlines()[-1].split())
    return lines, memory


def test_blocks_have_limited_lines() -> None:
    text = b"a\n" * (2 * MAX_BLOCK_LINES) + b"b\n" * 5 + b"rest"
    blocks = list(align_blocks_to_lines(iter([text[:1_000_001], text[1_000_001:]])))
    assert b"".join(blocks) == text
    assert max(block.count(b"\n") for block in blocks) == MAX_BLOCK_LINES


@pytest.mark.slow
def test_short_lines_need_limited_memory(shop: Shop) -> None:
    """Blocks of bytes alone, without a limit of lines, need 890 MiB for these lines; with it, 560 MiB."""
    count = 1_500_000
    shop.put("purchases/a.csv", HEADER + b'"\n' * count)
    lines, memory = measure_load(shop)
    assert lines == count
    assert memory < 720


def test_statements_release_their_records(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is larger than the memory loads in one transaction, in statements of limited size."""
    monkeypatch.setattr("warehouse.loading.text.BLOCK_BYTES", 1 << 20)
    monkeypatch.setattr("warehouse.loading.loader.STATEMENT_BYTES", 1 << 20)
    shop.put("purchases/a.csv", HEADER + b"product,2026-01-01,user,1\n" * 500_000)
    allocated: list[int] = []
    insert_records = raw_rows.insert_records

    def insert_and_measure(*args: object) -> object:
        allocated.append(pa.total_allocated_bytes())
        return insert_records(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("warehouse.loading.loader.insert_records", insert_and_measure)
    load(shop.settings)
    assert len(allocated) > 10
    assert allocated[-1] < 2 * allocated[2]


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compression_bomb_is_rejected(shop: Shop, compress: Callable[[bytes], bytes]) -> None:
    shop.put("purchases/a.csv", compress(HEADER + (b"x" * 100_000 + b"\n") * 400))
    shop.put("purchases/b.csv", HEADER + b"p1,2026-01-01,u1,1\n")
    report = load(shop.settings)
    assert report.rows_loaded == 1
    (reason,) = report.rejected_files.values()
    assert "bytes of text, as real data do not. If the file is right, decompress it" in reason


def test_too_large_text_is_rejected(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.loading.text.MAX_TEXT_BYTES", 100)
    shop.put("purchases/a.csv", HEADER + b"p1,2026-01-01,u1,1\n" * 10)
    assert "Split the file" in load(shop.settings).rejected_files["purchases/a.csv"]


@pytest.mark.parametrize("column_count", [column_names.MAX_COLUMNS + 1, 500_000])
def test_too_many_columns_reject_file(shop: Shop, column_count: int) -> None:
    names = ",".join(f"c{number}" for number in range(column_count))
    shop.put("purchases/a.csv", HEADER.strip() + f",{names}\n".encode())
    shop.put("purchases/b.csv", HEADER + b"p1,2026-01-01,u1,1\n")
    report = load(shop.settings)
    assert report.rows_loaded == 1
    reason = f"it has {column_count + 4:,} columns where 50,000 are the maximum. Deliver their values as rows"
    assert report.rejected_files == {"purchases/a.csv": reason}


def test_saved_names_of_a_feed_are_limited(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_rows, "MAX_COLUMNS", 100)
    for file in range(3):
        lines = (
            json.dumps({"user": "u", "item": "p", "type": "view", "time": "t", f"id{file}_{number}": 1})
            for number in range(80)
        )
        shop.put(f"events/{file}.jsonl", "\n".join(lines))
    shop.put("purchases/a.csv", HEADER + b"p1,2026-01-01,u1,1\n")
    report = load(shop.settings)
    assert report.feeds["events"].rows_loaded == 240
    assert len(report.undeclared_columns["events"]) == 100
    assert shop.query("select count(*) from raw.seen_columns where is_declared and feed = 'events'") == [(4,)]


def test_items_that_repeat_a_long_record_are_rejected(shop: Shop) -> None:
    """A line of 200 KB became 20,000 rows of 100 KB: 2 GB."""
    columns = {"product_id": "$.items.sku", "purchased_at": "at"}
    shop.declare(purchases={**PURCHASES_CSV, "format": "jsonl", "unnest": "items", "columns": columns})
    hostile = {"at": "t", "note": "x" * 100_000, "items": [1] * 20_000}
    order = {"at": "t", "note": "x" * 20_000, "items": [{"sku": f"product {number}"} for number in range(150)]}
    shop.put("purchases/a.jsonl", "\n".join(map(json.dumps, [order, hostile, order])))
    report = load(shop.settings).feeds["purchases"]
    assert (report.lines, report.rows_loaded, report.rows_rejected) == (301, 300, 1)
    ((error,),) = shop.query("select error from raw.rejected_rows")
    assert error.startswith("its 20000 items would repeat its other values: 2400680000 bytes")


def test_workbook_bomb_is_rejected(shop: Shop) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("xl/sharedStrings.xml", b"<si>" * 20_000_000)
    shop.declare(purchases={**PURCHASES_CSV, "format": "excel"})
    shop.put("purchases/a.xlsx", archive.getvalue())
    (reason,) = load(shop.settings).rejected_files.values()
    assert "bytes of text, as real data do not" in reason
