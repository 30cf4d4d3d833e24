"""The records of a file: which lines belong together, their number in the file, and for CSV their fields."""

import csv
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.loading.files import NewFile, UnreadableFileError, read_blocks
from warehouse.sources import REQUIRED_COLUMNS, Feed

MAX_RECORD_LINES = 1_000
"""Lines that one quoted CSV record may span; a quote left open longer is taken for a broken line."""

NOT_UTF8 = "the line is not valid UTF-8"


@dataclass(frozen=True)
class Records:
    """Some consecutive records of one file.

    `table` has `line` (int64, of the record's first line, from 1), `text` and `error` (null where the record could be
    read), and for CSV `fields` (list of text, in the order of `header`).
    """

    table: pa.Table
    header: tuple[str, ...] = ()


def read_records(new: NewFile) -> Iterator[Records]:
    """All records of a file in order, in pieces of bounded size; empty lines are no records.

    Raises:
        UnreadableFileError: No record can be taken from the file, or it broke off on the way.
    """
    feed = new.file.feed
    blocks = read_blocks(new)
    match feed.format:
        case "jsonl":
            return _json_lines(blocks)
        case "json":
            return _json_document(blocks, feed)
        case "csv":
            return _CsvFile(feed).records(blocks)


# -- lines ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Lines:
    """Whole physical lines: `text` keeps each line's end; `first` is the number of the first in the file."""

    text: pa.Array
    first: int

    @property
    def numbers(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.arange(self.first, self.first + len(self.text), dtype=np.int64)


def _split_lines(data: bytes, first: int) -> _Lines:
    """Lines of `data`, which ends where a line does; the text is not copied."""
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n")).astype(np.int64) + 1
    if len(ends) == 0 or ends[-1] != len(data):
        ends = np.append(ends, len(data))
    offsets = np.concatenate((np.zeros(1, dtype=np.int64), ends))
    text = pa.LargeStringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(data))
    return _Lines(text, first)


def _is_utf8(text: pa.Array) -> bool:
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _readable(line: bytes) -> str:
    return line.decode("utf-8", errors="backslashreplace")


def _is_valid_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


# -- JSON -------------------------------------------------------------------------------------------------------------


def _json_lines(blocks: Iterator[bytes]) -> Iterator[Records]:
    first, rest = 1, b""
    for block in blocks:
        data = rest + block
        cut = data.rfind(b"\n") + 1
        rest = data[cut:]
        if cut:
            lines = _split_lines(data[:cut], first)
            first += len(lines.text)
            yield _json_records(lines)
    if rest:
        yield _json_records(_split_lines(rest, first))


def _json_records(lines: _Lines) -> Records:
    """What is no JSON object is found by the database, which parses the lines anyway."""
    text, numbers = lines.text, lines.numbers
    error: pa.Array = pa.nulls(len(text), pa.string())
    if not _is_utf8(text):
        raw = text.cast(pa.large_binary()).to_pylist()
        error = pa.array([None if _is_valid_utf8(line) else NOT_UTF8 for line in raw], pa.string())
        text = pa.array([_readable(line) for line in raw], pa.large_string())
    table = pa.table({"line": pa.array(numbers), "text": text, "error": error})
    length = pc.binary_length(text)
    short = pc.less_equal(length, 2)
    if pc.any(short).as_py():
        blank = pc.and_(short, pc.equal(pc.utf8_trim(text, "\r\n"), ""))
        table = table.filter(pc.invert(blank))
    return Records(table)


def _json_document(blocks: Iterator[bytes], feed: Feed) -> Iterator[Records]:
    """One record with the whole document; the database takes it apart with the same functions as single lines."""
    data = b"".join(blocks)
    yield Records(
        pa.table(
            {
                "line": pa.array([count_records(data, feed)], pa.int64()),
                "text": pa.array([data.decode()], pa.large_string()),
                "error": pa.nulls(1, pa.string()),
            }
        )
    )


def count_records(data: bytes, feed: Feed) -> int:
    """How many records a JSON document holds, as the database counts them, which will take it apart.

    Raises:
        UnreadableFileError: It is no JSON, or has no list where the feed says.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UnreadableFileError(f"the file is not UTF-8 text: {error}; declare its encoding") from error
    with duckdb.connect() as connection:
        if not connection.execute("select json_valid(?)", [text]).fetchone() == (True,):
            raise UnreadableFileError("the file is no JSON document, or breaks off")
        path = feed.records_path
        query = "select case when json_type(?, ?) = 'ARRAY' then json_array_length(?, ?) end"
        found = connection.execute(query, [text, path, text, path]).fetchone()
    if found is None or found[0] is None:
        where = f"under '{feed.records}'" if feed.records else "at the top"
        raise UnreadableFileError(f"the JSON document has no list of records {where}")
    return int(found[0])


# -- CSV --------------------------------------------------------------------------------------------------------------


class _Feeder:
    """Hands lines to a csv.reader one at a time, so that the parse can begin again at any line."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.position = 0
        self.record_start = 0

    def __iter__(self) -> "_Feeder":
        return self

    def __next__(self) -> str:
        if self.position >= len(self.lines):
            raise StopIteration
        if self.position - self.record_start >= MAX_RECORD_LINES:
            raise csv.Error("a quote is not closed")
        line = self.lines[self.position]
        self.position += 1
        return line


class _CsvFile:
    """Reads one CSV file: its header first, then records by the cheapest way that is exact for each block."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._header: tuple[str, ...] = ()
        self._next_line = 1

    def records(self, blocks: Iterator[bytes]) -> Iterator[Records]:
        rest = b""
        for block in blocks:
            rest = yield from self._take(rest + block, final=False)
        if rest:
            yield from self._take(rest, final=True)
        if not self._header:
            raise UnreadableFileError("the file is empty: it has no header line")

    def _take(self, data: bytes, *, final: bool) -> Generator[Records, None, bytes]:
        """Yield the records of the whole lines in `data`; return the bytes that are left for the next block."""
        cut = len(data) if final else data.rfind(b"\n") + 1
        lines, rest = data[:cut], data[cut:]
        if not lines:
            return rest
        if not self._header:
            lines = self._take_header(lines)
            if not lines:
                return rest
        split = _split_lines(lines, self._next_line)
        # A quote or a lone carriage return means that a line need not be a record; the standard library's reader knows.
        is_special = b'"' in lines or lines.count(b"\r") != lines.count(b"\r\n")
        if is_special or not _is_utf8(split.text):
            table, used = self._quoted(split, final=final)
        else:
            table, used = self._plain(split), len(split.text)
        self._next_line += used
        yield Records(table, self._header)
        return b"".join(split.text[used:].cast(pa.large_binary()).to_pylist()) + rest

    def _take_header(self, lines: bytes) -> bytes:
        first, _, others = lines.partition(b"\n")
        self._next_line += 1
        header = csv_header(first, self._feed)
        if problem := header_problem(header, self._feed):
            raise UnreadableFileError(problem)
        self._header = tuple(header)
        return others

    def _plain(self, lines: _Lines) -> pa.Table:
        text = pc.utf8_rtrim(lines.text, "\r\n")
        fields = pc.split_pattern(text, self._feed.delimiter)
        width = len(self._header)
        count = pc.list_value_length(fields)
        short = pc.binary_join_element_wise(
            pc.cast(count, pa.string()), pa.scalar(f"fields where the header has {width}"), " "
        )
        error = pc.if_else(pc.equal(count, width), pa.scalar(None, pa.string()), short)
        table = pa.table({"line": pa.array(lines.numbers), "text": text, "fields": fields, "error": error})
        return table.filter(pc.not_equal(text, ""))

    def _quoted(self, lines: _Lines, *, final: bool) -> tuple[pa.Table, int]:
        """Parse with the standard library's reader; returns the records and how many of the lines they used.

        A record that goes wrong costs its first line only: the parse begins again at the next one, so that a stray
        quote cannot swallow the good lines after it.
        """
        width = len(self._header)
        raw = lines.text.cast(pa.large_binary()).to_pylist()
        feeder = _Feeder([_readable(line) for line in raw])
        rows: list[tuple[int, str, list[str] | None, str | None]] = []

        def reader() -> Any:
            return csv.reader(feeder, delimiter=self._feed.delimiter, strict=True)

        parse = reader()
        while feeder.position < len(feeder.lines):
            start = feeder.record_start = feeder.position
            fields: list[str] = []
            error: str | None = None
            try:
                fields = next(parse)
            except StopIteration:
                break
            except csv.Error as problem:
                error = str(problem)
                open_quote = feeder.position == len(feeder.lines) and "unexpected end of data" in error
                if open_quote and not final and feeder.position - start < MAX_RECORD_LINES:
                    feeder.position = start
                    break
            if error is None and fields and len(fields) != width:
                error = f"{len(fields)} fields where the header has {width}"
            if error is not None:
                feeder.position = start + 1
                parse = reader()
            text = "".join(feeder.lines[start : feeder.position]).rstrip("\r\n")
            if error is None and not all(_is_valid_utf8(line) for line in raw[start : feeder.position]):
                error = NOT_UTF8
            if text:
                rows.append((lines.first + start, text, None if error else fields, error))
        columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
        table = pa.table(
            {
                "line": pa.array(columns[0], pa.int64()),
                "text": pa.array(columns[1], pa.large_string()),
                "fields": pa.array(columns[2], pa.list_(pa.large_string())),
                "error": pa.array(columns[3], pa.string()),
            }
        )
        return table, feeder.position


def csv_header(line: bytes, feed: Feed) -> list[str]:
    """The column names of a header line.

    Raises:
        UnreadableFileError: The line is no CSV, or no UTF-8.
    """
    try:
        names = next(csv.reader([line.decode("utf-8").rstrip("\r\n")], delimiter=feed.delimiter, strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFileError(f"the header line cannot be read: {error}") from error
    return [name.strip() for name in names]


def header_problem(header: list[str], feed: Feed) -> str | None:
    """Say why a CSV file with this header cannot be loaded, or None."""
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        return f"the header names '{repeated[0]}' twice"
    for column in REQUIRED_COLUMNS[feed.kind]:
        if feed.columns[column] not in header:
            return f"the header has no '{feed.columns[column]}' (for {column}); it has {', '.join(header)}"
    return None
