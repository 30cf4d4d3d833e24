"""Files as shops send them, and everything that can happen to them on the way; all of it seeded."""

import csv
import gzip
import io
import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

PURCHASE_COLUMNS = ("sku", "when", "who", "qty")
WORDS = (
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


QUOTINGS: tuple[dict[str, Any], ...] = (
    {"quotechar": '"', "quoting": csv.QUOTE_MINIMAL},
    {"quotechar": '"', "quoting": csv.QUOTE_ALL},
    {"quotechar": "'", "quoting": csv.QUOTE_ALL},
)

UNICODE = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le")


class Made(NamedTuple):
    """A well-formed file, and what the first columns of its raw table are to hold."""

    data: bytes
    rows: list[tuple[str, ...]]


def _rows(chance: random.Random, most: int = 40) -> list[tuple[str, str, str, str]]:
    """Product, time, customer and quantity; some of them strange."""
    return [
        (
            chance.choice(WORDS) if chance.random() < 0.2 else f"p{chance.randrange(100)}",
            f"2026-01-{chance.randrange(1, 29):02}T00:00:00Z",
            chance.choice(WORDS) if chance.random() < 0.2 else f"u{chance.randrange(100)}",
            str(chance.randrange(1, 9)),
        )
        for _ in range(chance.randrange(1, most))
    ]


def csv_file(chance: random.Random) -> Made:
    """Purchases in one of the ways that shops write CSV, the columns in any order, some of them new or unnamed."""
    encoding = chance.choice([*UNICODE, "cp1252"])
    rows = [tuple(value.encode(encoding, "replace").decode(encoding) for value in row) for row in _rows(chance)]
    order = chance.sample(range(len(PURCHASE_COLUMNS)), len(PURCHASE_COLUMNS))
    more = chance.sample(["note", "colour", "maß", "no 1"], chance.randrange(3))
    unnamed = chance.choice([[], [], [], [""], ["", ""]])
    text = io.StringIO()
    ends = chance.choice(["\n", "\n", "\r\n", "\r"])
    # The writer does not see that a line feed needs quotes where lines end with something else.
    quoting = chance.choice(QUOTINGS if "\n" in ends else QUOTINGS[1:])
    delimiter = chance.choice(",,,;\t|")
    if chance.random() < 0.2:
        text.write(f"sep={delimiter}{ends}")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ends, **quoting)
    writer.writerow([*(PURCHASE_COLUMNS[place] for place in order), *more, *unnamed])
    writer.writerows([*(row[place] for place in order), *("new" for _ in more), *unnamed] for row in rows)
    return Made(_packed(chance, text.getvalue().encode(encoding)), rows)


def json_lines_file(chance: random.Random) -> Made:
    """Events as JSON lines, keys in any order, some of them new or nested."""
    rows = _rows(chance)
    lines = []
    for item, when, user, _ in rows:
        pairs: list[tuple[str, object]] = [("item", item), ("user", user), ("type", "view"), ("time", when)]
        if chance.random() < 0.3:
            pairs.append(("app", chance.choice([1, None, [1, {"a": "b"}], {"version": {"major": 2}}, 1e300, 10**40])))
        chance.shuffle(pairs)
        lines.append(json.dumps(dict(pairs), ensure_ascii=chance.random() < 0.5))
    end = chance.choice(["\n", "\n", "\r\n"])
    text = end.join(lines) + chance.choice(["", end])
    data = _packed(chance, text.encode(chance.choice(UNICODE)))
    return Made(data, [(user, item, "view", when) for item, when, user, _ in rows])


def document_file(chance: random.Random) -> Made:
    """Products in a JSON document with their list somewhere inside."""
    rows = [(item, user, f"{quantity}.0") for item, _, user, quantity in _rows(chance)]
    items = [{"id": item, "name": user, "price": float(price)} for item, user, price in rows]
    document = {"page": 1, "data": {"of": ["a", {"items": []}], "items": items}, "next": None}
    text = json.dumps(document, ensure_ascii=chance.random() < 0.5, indent=chance.choice([None, None, 2]))
    return Made(_packed(chance, text.encode(chance.choice(UNICODE))), rows)


def _packed(chance: random.Random, data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0) if chance.random() < 0.2 else data


def _flip(chance: random.Random, data: bytes) -> bytes:
    broken = bytearray(data)
    for _ in range(chance.randrange(1, 20)):
        broken[chance.randrange(len(broken))] = chance.randrange(256)
    return bytes(broken)


def _insert(*what: bytes) -> Callable[[random.Random, bytes], bytes]:
    def mutate(chance: random.Random, data: bytes) -> bytes:
        for _ in range(chance.randrange(1, 6)):
            place = chance.randrange(len(data) + 1)
            data = data[:place] + chance.choice(what) + data[place:]
        return data

    return mutate


def _truncate(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data))]


def _cut_out(chance: random.Random, data: bytes) -> bytes:
    start, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:start] + data[end:]


def _mix_encodings(chance: random.Random, data: bytes) -> bytes:
    place = chance.randrange(len(data) + 1)
    return (
        data[:place]
        + "\nnaïve,größe;Ω\n".encode(chance.choice(["utf-16", "cp1252", "utf-8", "cp437"]), "replace")
        + data[place:]
    )


def _shuffle_lines(chance: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    chance.shuffle(lines)
    return b"".join(lines)


def _repeat(chance: random.Random, data: bytes) -> bytes:
    return data * chance.randrange(2, 4)


def _huge_line(chance: random.Random, data: bytes) -> bytes:
    return data + chance.choice([b"x", b'"', b",", b"[", b'{"a":', b"\0"]) * chance.randrange(1, 50_000) + b"\n" + data


def _other_types(chance: random.Random, data: bytes) -> bytes:
    old, new = chance.choice(
        [(b'"', b""), (b":", b"="), (b"{", b"["), (b",", b";"), (b"p", b"1e9"), (b"2026", b"null"), (b"sku", b"id")]
    )
    return data.replace(old, new, chance.choice([1, -1]))


def _other_line_ends(chance: random.Random, data: bytes) -> bytes:
    return data.replace(b"\n", chance.choice([b"\r", b"\r\n", b"\n\r", b"\r\r\n", b"\n\n", b"\x0b", b"\xe2\x80\xa8"]))


def _zip_badly(chance: random.Random, data: bytes) -> bytes:
    return (
        _flip(chance, gzip.compress(data, 1, mtime=0))
        if chance.random() < 0.5
        else gzip.compress(data, 1, mtime=0)[: -chance.randrange(1, 12)]
    )


DAMAGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *(_flip, _truncate, _cut_out, _mix_encodings, _shuffle_lines, _repeat, _huge_line, _other_types, _other_line_ends),
    _zip_badly,
    _insert(b'"', b"'", b'""', b'\n"'),
    _insert(b"\0", b"\0\0\0", b"\x1a", b"\x1b[0m", b"\\u0000", b"\\ud800"),
    _insert(b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xb2\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"),
    _insert(b"\n", b"\r", b"\r\n", b",", b";", b"\t", b"{", b"}", b"[", b"]"),
)


def damaged(chance: random.Random, data: bytes) -> bytes:
    """The file after one to three mishaps."""
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        if data:
            data = chance.choice(DAMAGES)(chance, data)
    return data
