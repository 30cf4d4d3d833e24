"""Random well-formed files of all formats, and random damage of files; everything is seeded."""

import bz2
import csv
import gzip
import io
import json
import lzma
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

PURCHASE_COLUMNS = ("sku", "when", "who", "qty")
SAMPLE_VALUES = (
    "café",
    "Zürich",
    "мир",
    "茶",
    "a,b",
    "x;y",
    "say 'hi'",
    '5" pipe',
    "two\nlines",
    "",
    " ",
    "p1",
    "2026-01-01",
    "{}",
    "\\",
)


QUOTING_STYLES: tuple[dict[str, Any], ...] = (
    {"quotechar": '"', "quoting": csv.QUOTE_MINIMAL},
    {"quotechar": '"', "quoting": csv.QUOTE_ALL},
    {"quotechar": "'", "quoting": csv.QUOTE_ALL},
)

UNICODE_ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le")


class GeneratedFile(NamedTuple):
    """A well-formed file, and the expected values of its raw columns."""

    data: bytes
    rows: list[tuple[str | None, ...]]


def make_rows(rng: random.Random, max_count: int = 40) -> list[tuple[str, str, str, str]]:
    """Make rows of product, time, customer and quantity, some with special characters."""
    return [
        (
            rng.choice(SAMPLE_VALUES) if rng.random() < 0.2 else f"p{rng.randrange(100)}",
            f"2026-01-{rng.randrange(1, 29):02}T00:00:00Z",
            rng.choice(SAMPLE_VALUES) if rng.random() < 0.2 else f"u{rng.randrange(100)}",
            str(rng.randrange(1, 9)),
        )
        for _ in range(rng.randrange(1, max_count))
    ]


def make_csv_file(rng: random.Random) -> GeneratedFile:
    """Make a CSV file of purchases with a random dialect and encoding, shuffled columns, and new or unnamed columns."""
    encoding = rng.choice([*UNICODE_ENCODINGS, "cp1252"])
    rows = [tuple(value.encode(encoding, "replace").decode(encoding) for value in row) for row in make_rows(rng)]
    order = rng.sample(range(len(PURCHASE_COLUMNS)), len(PURCHASE_COLUMNS))
    new_columns = rng.sample(["note", "colour", "maß", "no 1"], rng.randrange(3))
    unnamed = rng.choice([[], [], [], [""], ["", ""]])
    text = io.StringIO()
    line_end = rng.choice(["\n", "\n", "\r\n", "\r"])
    # csv.writer does not quote a line feed if the line end is a carriage return.
    quoting = rng.choice(QUOTING_STYLES if "\n" in line_end else QUOTING_STYLES[1:])
    delimiter = rng.choice(",,,;\t|")
    if rng.random() < 0.2:
        text.write(f"sep={delimiter}{line_end}")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, **quoting)
    writer.writerow([*(PURCHASE_COLUMNS[index] for index in order), *new_columns, *unnamed])
    writer.writerows([*(row[index] for index in order), *("new" for _ in new_columns), *unnamed] for row in rows)
    return GeneratedFile(_maybe_compress(rng, text.getvalue().encode(encoding)), rows)


def make_json_lines_file(rng: random.Random) -> GeneratedFile:
    """Make a JSON lines file of events with shuffled keys, and new or nested keys."""
    rows = make_rows(rng)
    lines = []
    for item, when, user, _ in rows:
        pairs: list[tuple[str, object]] = [("item", item), ("user", user), ("type", "view"), ("time", when)]
        if rng.random() < 0.3:
            pairs.append(("app", rng.choice([1, None, [1, {"a": "b"}], {"version": {"major": 2}}, 1e300, 10**40])))
        rng.shuffle(pairs)
        lines.append(json.dumps(dict(pairs), ensure_ascii=rng.random() < 0.5))
    line_end = rng.choice(["\n", "\n", "\r\n"])
    text = line_end.join(lines) + rng.choice(["", line_end])
    data = _maybe_compress(rng, text.encode(rng.choice(UNICODE_ENCODINGS)))
    return GeneratedFile(data, [(user, item, "view", when) for item, when, user, _ in rows])


def make_document_file(rng: random.Random) -> GeneratedFile:
    """Make a JSON document of products with a nested list of records."""
    rows = [(item, user, f"{quantity}.0") for item, _, user, quantity in make_rows(rng)]
    items = [{"id": item, "name": user, "price": float(price)} for item, user, price in rows]
    document = {"page": 1, "data": {"of": ["a", {"items": []}], "items": items}, "next": None}
    text = json.dumps(document, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, None, 2]))
    return GeneratedFile(_maybe_compress(rng, text.encode(rng.choice(UNICODE_ENCODINGS))), rows)


def make_keyed_file(rng: random.Random) -> GeneratedFile:
    """Make a JSON document of products by their ids, of which some occur twice."""
    rows = [(item, user, f"{quantity}.0") for item, _, user, quantity in make_rows(rng)]
    items = ", ".join(
        f"{json.dumps(item)}: {json.dumps({'name': user, 'price': float(price)})}" for item, user, price in rows
    )
    text = f'{{"data": {{"items": {{{items}}}}}}}'
    return GeneratedFile(_maybe_compress(rng, text.encode(rng.choice(UNICODE_ENCODINGS))), rows)


def make_report_file(rng: random.Random) -> GeneratedFile:
    """Make a CSV file with two lines before the header, comments, backslash escapes and short lines."""
    rows = make_rows(rng)
    line_end = rng.choice(["\n", "\r\n"])
    text = io.StringIO()
    text.write(line_end.join(["Report of all sales", rng.choice(['"Total", 5', "", "# x"]), ""]))
    text.write(rng.choice(["", line_end, f"# {line_end}", f"sep=;{line_end}"]))
    delimiter = ";" if "sep=" in text.getvalue() else rng.choice(",;\t")
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    writer = csv.writer(
        text, delimiter=delimiter, lineterminator=line_end, quoting=quoting, escapechar="\\", doublequote=False
    )
    writer.writerow([*PURCHASE_COLUMNS, "note"])
    expected_rows: list[tuple[str | None, ...]] = []
    for row in rows:
        if rng.random() < 0.1:
            text.write(f'# a "comment{line_end}')
        width = rng.choice([5, 5, 5, 4, 3])
        writer.writerow([*row, "new"][:width])
        expected_rows.append(row if width > 3 else (*row[:3], None))
    return GeneratedFile(_maybe_compress(rng, text.getvalue().encode(rng.choice(UNICODE_ENCODINGS))), expected_rows)


def make_headless_file(rng: random.Random) -> GeneratedFile:
    """Make a CSV file of purchases without a header, perhaps with delimiters at the end of its lines."""
    rows = make_rows(rng) + make_rows(rng)
    text = io.StringIO()
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    writer = csv.writer(text, delimiter=rng.choice(",;\t|"), lineterminator="\n", quoting=quoting)
    end = rng.choice([[], [], ["", ""]])
    writer.writerows([*row, "new", *end] for row in rows)
    return GeneratedFile(_maybe_compress(rng, text.getvalue().encode(rng.choice(UNICODE_ENCODINGS))), [*rows])


def make_orders_file(rng: random.Random) -> GeneratedFile:
    """Make a file of orders with lists of items and of keys and values: JSON objects in lines, or without line ends."""
    rows: list[tuple[str | None, ...]] = []
    orders = []
    for item, when, user, quantity in make_rows(rng):
        items = [{"sku": f"{item}{number}", "qty": int(quantity)} for number in range(rng.randrange(4))]
        orders.append({"params": [{"key": "user", "value": user}], "order": {"items": items, "at": when}})
        rows += [(line["sku"], when, user, str(line["qty"])) for line in items] or [(None, when, user, None)]
    indent = rng.choice([None, None, 1])
    separator = rng.choice(["\n", "\n", "", "\r\n"])
    text = separator.join(json.dumps(order, ensure_ascii=rng.random() < 0.5, indent=indent) for order in orders)
    return GeneratedFile(_maybe_compress(rng, text.encode(rng.choice(UNICODE_ENCODINGS))), rows)


def make_parquet_file(rng: random.Random) -> GeneratedFile:
    """Make a Parquet file of events."""
    rows = [(user, item, "view", when) for item, when, user, _ in make_rows(rng)]
    columns = {name: [row[index] for row in rows] for index, name in enumerate(("user", "item", "type", "time"))}
    sink = pa.BufferOutputStream()
    compression = rng.choice(["none", "snappy", "zstd", "gzip"])
    pq.write_table(pa.table(columns), sink, row_group_size=rng.choice([5, 100]), compression=compression)
    return GeneratedFile(bytes(sink.getvalue()), [*rows])


def make_arrow_file(rng: random.Random) -> GeneratedFile:
    """Make an Arrow file or stream of events."""
    rows = [(user, item, "view", when) for item, when, user, _ in make_rows(rng)]
    columns = {name: [row[index] for row in rows] for index, name in enumerate(("user", "item", "type", "time"))}
    table, sink = pa.table(columns), pa.BufferOutputStream()
    with rng.choice([pa.ipc.new_file, pa.ipc.new_stream])(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=rng.choice([5, 100]))
    return GeneratedFile(bytes(sink.getvalue()), [*rows])


def compress_with_zstd(data: bytes) -> bytes:
    """Compress data as one zstd frame."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


def _compress_with_gzip(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


COMPRESSORS: tuple[Callable[[bytes], bytes], ...] = (
    _compress_with_gzip,
    bz2.compress,
    lzma.compress,
    compress_with_zstd,
)


def decompress(data: bytes) -> bytes:
    """Decompress a file that is not damaged, or return its content."""
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return bytes(pa.CompressedInputStream(pa.BufferReader(data), "zstd").read())
    for magic, decompress_stream in (
        (b"\x1f\x8b", gzip.decompress),
        (b"BZh91AY&SY", bz2.decompress),
        (b"\xfd7zXZ", lzma.decompress),
    ):
        if data.startswith(magic):
            return decompress_stream(data)
    return data


def _maybe_compress(rng: random.Random, data: bytes) -> bytes:
    return rng.choice(COMPRESSORS)(data) if rng.random() < 0.25 else data


def _flip_bytes(rng: random.Random, data: bytes) -> bytes:
    broken = bytearray(data)
    for _ in range(rng.randrange(1, 20)):
        broken[rng.randrange(len(broken))] = rng.randrange(256)
    return bytes(broken)


def _make_inserter(*texts: bytes) -> Callable[[random.Random, bytes], bytes]:
    def mutate(rng: random.Random, data: bytes) -> bytes:
        for _ in range(rng.randrange(1, 6)):
            position = rng.randrange(len(data) + 1)
            data = data[:position] + rng.choice(texts) + data[position:]
        return data

    return mutate


def _truncate(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def _cut_out(rng: random.Random, data: bytes) -> bytes:
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:start] + data[end:]


def _mix_encodings(rng: random.Random, data: bytes) -> bytes:
    position = rng.randrange(len(data) + 1)
    inserted = "\nnaïve,größe;Ω\n".encode(rng.choice(["utf-16", "cp1252", "utf-8", "cp437"]), "replace")
    return data[:position] + inserted + data[position:]


def _shuffle_lines(rng: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines)


def _repeat(rng: random.Random, data: bytes) -> bytes:
    return data * rng.randrange(2, 4)


def _add_huge_line(rng: random.Random, data: bytes) -> bytes:
    return data + rng.choice([b"x", b'"', b",", b"[", b'{"a":', b"\0"]) * rng.randrange(1, 50_000) + b"\n" + data


def _replace_tokens(rng: random.Random, data: bytes) -> bytes:
    old, new = rng.choice(
        [(b'"', b""), (b":", b"="), (b"{", b"["), (b",", b";"), (b"p", b"1e9"), (b"2026", b"null"), (b"sku", b"id")]
    )
    return data.replace(old, new, rng.choice([1, -1]))


def _replace_line_ends(rng: random.Random, data: bytes) -> bytes:
    return data.replace(b"\n", rng.choice([b"\r", b"\r\n", b"\n\r", b"\r\r\n", b"\n\n", b"\x0b", b"\xe2\x80\xa8"]))


def _damage_compressed(rng: random.Random, data: bytes) -> bytes:
    compressed = rng.choice(COMPRESSORS)(data)
    return _flip_bytes(rng, compressed) if rng.random() < 0.5 else compressed[: -rng.randrange(1, 12)]


MUTATIONS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *(
        _flip_bytes,
        _truncate,
        _cut_out,
        _mix_encodings,
        _shuffle_lines,
        _repeat,
        _add_huge_line,
        _replace_tokens,
        _replace_line_ends,
    ),
    _damage_compressed,
    _make_inserter(b'"', b"'", b'""', b'\n"'),
    _make_inserter(b"\0", b"\0\0\0", b"\x1a", b"\x1b[0m", b"\\u0000", b"\\ud800"),
    _make_inserter(b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xb2\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"),
    _make_inserter(b"\n", b"\r", b"\r\n", b",", b";", b"\t", b"{", b"}", b"[", b"]"),
)


def damage_file(rng: random.Random, data: bytes) -> bytes:
    """Apply one to three random mutations to a file."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if data:
            data = rng.choice(MUTATIONS)(rng, data)
    return data
