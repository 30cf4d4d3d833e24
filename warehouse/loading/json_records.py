"""Records of JSON files as unparsed text: the lines of a JSON lines file or the list elements of a document."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from warehouse.loading.json_reader import MAX_DEPTH, TOO_DEEP_MESSAGE, JsonReader
from warehouse.loading.landing_files import FileLoad
from warehouse.loading.lines import (
    MAX_BLOCK_LINES,
    MAX_LINE_BYTES,
    Lines,
    align_blocks_to_lines,
    find_line_problem,
    make_readable,
    split_lines,
)
from warehouse.sources.declaration import Feed

TABLE_BYTES = 16 << 20
"""Text size of the document elements in one table."""


def read_json_lines(blocks: Iterator[bytes], file_load: FileLoad) -> Iterator[pa.Table]:
    """Yield every line that is not empty, with line number, text and error; DuckDB checks the JSON syntax later.

    If the file begins with an object that does not end with its line, objects take the place of lines.
    """
    start = read_first_line(blocks)
    blocks = chain([start], blocks)
    if has_objects_across_lines(start):
        yield from _build_element_tables(JsonReader(blocks).read_values(), file_load.encoding or "")
        return
    first_number = 1
    for data in align_blocks_to_lines(blocks):
        lines = split_lines(data, first_number)
        first_number += len(lines.text)
        yield _build_line_table(lines, file_load.encoding or "")


def _build_line_table(lines: Lines, encoding: str) -> pa.Table:
    text = lines.text
    error: pa.Array = pa.nulls(len(text), pa.string())
    length = pc.binary_length(text)
    if not lines.is_utf8() or _is_possibly_too_deep(text.filter(pc.greater(length, MAX_DEPTH))):
        raw = lines.get_line_bytes()
        error = pa.array([find_line_problem(line, encoding) or _find_depth_problem(line) for line in raw], pa.string())
        if error.null_count < len(error):
            text = pa.array([make_readable(line) for line in raw], pa.large_string())
    table = pa.table({"line": pa.array(lines.numbers), "text": text, "error": error})
    is_short = pc.less_equal(length, 2)
    if pc.any(is_short).as_py():
        is_empty = pc.and_(is_short, pc.equal(pc.utf8_trim(table["text"], "\r\n"), ""))
        table = table.filter(pc.invert(is_empty))
    return table


def _is_possibly_too_deep(long_lines: pa.Array) -> bool:
    """Return whether a line has enough opening brackets to exceed the maximum depth, or is too long."""
    bracket_count = pc.add(pc.count_substring(long_lines, "["), pc.count_substring(long_lines, "{"))
    is_too_long = pc.greater(pc.binary_length(long_lines), MAX_LINE_BYTES)
    return bool(pc.any(pc.or_(pc.greater(bracket_count, MAX_DEPTH), is_too_long)).as_py())


def _find_depth_problem(line: bytes) -> str | None:
    if len(line) <= MAX_DEPTH or line.count(b"[") + line.count(b"{") <= MAX_DEPTH:
        return None
    depth = max_depth = 0
    is_in_string = False
    characters = iter(line)
    for character in characters:
        if character == ord('"'):
            is_in_string = not is_in_string
        elif is_in_string:
            if character == ord("\\"):
                next(characters, None)
        elif character in b"[{":
            depth += 1
            max_depth = max(max_depth, depth)
        elif character in b"]}":
            depth -= 1
    return TOO_DEEP_MESSAGE if max_depth > MAX_DEPTH else None


def read_first_line(blocks: Iterator[bytes]) -> bytes:
    """Read blocks until they have a complete line or more than a line may have."""
    start = b""
    for block in blocks:
        start += block
        if b"\n" in start.lstrip() or len(start) > MAX_LINE_BYTES:
            break
    return start


def has_objects_across_lines(start: bytes) -> bool:
    """Return whether the first object is followed by another one in its line, or ends in a later line."""
    start = start.lstrip(b" \t\r\n")
    if not start.startswith(b"{"):
        return False
    line = start.partition(b"\n")[0].decode("utf-8", "replace")
    end = _find_object_end(line, is_strict=False)
    if end is not None:
        return line[end:].lstrip(" \t\r").startswith("{")
    # A line end within a string is damage.
    return _find_object_end(start.decode("utf-8", "replace"), is_strict=True) is not None


def _find_object_end(text: str, *, is_strict: bool) -> int | None:
    try:
        return json.JSONDecoder(strict=is_strict, parse_int=str, parse_float=str).raw_decode(text)[1]
    except (json.JSONDecodeError, RecursionError):
        return None


def read_document_elements(blocks: Iterator[bytes], feed: Feed) -> Iterator[pa.Table]:
    """Yield each record of the document, with its number.

    The document is read in blocks, so it can be larger than the memory. If a later part of it is invalid, the elements
    before were already yielded, and the caller must discard them.

    Raises:
        UnreadableFileError: The document is not valid JSON, is incomplete, or has no records under the feed's keys.
    """
    elements = JsonReader(blocks).read_elements(feed.records_path, feed.record_key)
    yield from _build_element_tables(((text, None) for text in elements), "utf-8")


def _build_element_tables(elements: Iterable[tuple[str, str | None]], encoding: str) -> Iterator[pa.Table]:
    """Yield tables of texts with their problems, if any; the line is the number of the text in the file."""
    number, texts, problems, size = 1, [], [], 0
    for text, problem in elements:
        texts.append(text)
        problems.append(problem)
        size += len(text)
        if size > TABLE_BYTES or len(texts) == MAX_BLOCK_LINES:
            yield _build_element_table(texts, problems, number, encoding)
            number, texts, problems, size = number + len(texts), [], [], 0
    if texts:
        yield _build_element_table(texts, problems, number, encoding)


def _build_element_table(texts: list[str], problems: list[str | None], first_number: int, encoding: str) -> pa.Table:
    raw = [text.encode("utf-8", "surrogateescape") for text in texts]
    errors = [
        find_line_problem(element, encoding) or problem or _find_depth_problem(element)
        for element, problem in zip(raw, problems, strict=True)
    ]
    return pa.table(
        {
            "line": pa.array(range(first_number, first_number + len(texts)), pa.int64()),
            "text": pa.array([make_readable(element) for element in raw], pa.large_string()),
            "error": pa.array(errors, pa.string()),
        }
    )
