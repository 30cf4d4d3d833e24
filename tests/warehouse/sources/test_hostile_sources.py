"""Sources files of any size, depth and content end in one line, in limited time."""

import os
import time
from pathlib import Path

import pytest

from warehouse.errors import RecomartError
from warehouse.sources.yaml_file import MAX_FEEDS, read_sources

FEED = "{kind: purchases, files: 'a*', format: jsonl, columns: {product_id: p, purchased_at: t}}"


def make_feeds(count: int) -> str:
    return "feeds:\n" + "".join(f"  p{number}: {FEED}\n" for number in range(count))


def make_aliases(first: str, item: str) -> str:
    """Make lists or mappings of nine aliases of the one before: a billion values."""
    lines = (f"  a{number}: &a{number} {item.replace('X', f'*a{number - 1}')}" for number in range(1, 10))
    return "\n".join([f"  a0: &a0 {first}", *lines])


LISTS = make_aliases("[x]", "[X, X, X, X, X, X, X, X, X]")
MAPPINGS = make_aliases("{k: x}", "{a: X, b: X, c: X, d: X, e: X, f: X, g: X, h: X, i: X}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"feeds:\n{LISTS}\n", "more than 50,000 values, or an alias"),
        (f"exchange_rates:\n{MAPPINGS}\nfeeds: {{}}\n", "more than 50,000 values, or an alias"),
        ("feeds: &a\n  purchases: *a\n", "more than 50,000 values, or an alias that contains itself"),
        ("feeds: [" + "a," * 60_000 + "]", "more than 50,000 values"),
        (make_feeds(MAX_FEEDS + 1), "declares 1,001 feeds where 1,000 are the maximum"),
        (make_feeds(10_000), "more than 512 KiB"),
        ("# x\n" * 3_000_000, "more than 512 KiB"),
        ("feeds: " + "[" * 100_000, "nested too deep"),
        ("feeds: " + "{a: " * 20_000 + "1" + "}" * 20_000, "nested too deep"),
        ("".join(" " * depth + "a:\n" for depth in range(900)), "nested too deep"),
        ("feeds: \0", "unacceptable character #x0000"),
        (make_feeds(1).replace("a*", "b").replace("'b'", r'"a\0"'), "a character that is none in Unicode texts"),
        (make_feeds(1).replace("'a*'", r'"\ud800*"'), "a character that is none in Unicode texts"),
        (make_feeds(1).replace("p0", r'"\udfff"'), "a character that is none in Unicode texts"),
        (make_feeds(1).replace("product_id: p", r'product_id: "\0"'), "a character that is none in Unicode texts"),
        ("currency: 0x" + "f" * 100_000, "a number is too large"),
        ("currency: " + "1" * 10_000, "Exceeds the limit"),
    ],
)
def test_hostile_sources_file_ends_in_one_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "sources.yml"
    path.write_text(text)
    start = time.process_time()
    with pytest.raises(RecomartError) as raised:
        read_sources(path)
    message = str(raised.value)
    assert problem in message
    assert message.startswith(f"{path}")
    assert "\n" not in message
    assert len(message) < 1_000
    assert time.process_time() - start < 10


def test_many_feeds_are_read_quickly(tmp_path: Path) -> None:
    """Before, each feed listed all time zones: a thousand feeds took 12 seconds."""
    path = tmp_path / "sources.yml"
    path.write_text(make_feeds(MAX_FEEDS))
    start = time.process_time()
    assert len(read_sources(path).shop_feeds) == MAX_FEEDS
    assert time.process_time() - start < 8


def test_pipe_as_sources_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecomartError, match="no regular file"):
        read_sources(tmp_path / "pipe")
