"""Samples of tables in text: the delimiter, the lines before the header, and the names of the columns."""

import csv
import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from statistics import median, mode
from typing import Any, NamedTuple

from warehouse.drafting.file_samples import SAMPLE_RECORDS, FileSample
from warehouse.loading.csv_header import DELIMITER_LINE_PATTERN, name_columns
from warehouse.loading.dialects import DELIMITERS, detect_dialect
from warehouse.loading.landing_files import UnreadableFileError
from warehouse.sources.declaration import Feed

MAX_PREAMBLE_LINES = 50
"""Maximum number of lines before the header."""

MORE_DELIMITERS = ("^", "~", "\x01", "¦")
"""Delimiters that must be declared."""

VALUE_PATTERN = re.compile(r"[-+]?[0-9][0-9.,:/ TZ+-]*|[^@\s]+@[^@\s]+\.\w+|https?://\S+|True|False")
"""A number, date, time, address or truth value; no header has one as a name."""

# Joined files need no column.
ANY_FEED = Feed(name="draft", joined_to="-", kind="products", files=("*",), columns={"brand": "-"}, format="csv")

Row = tuple[int, list[str]]
"""The number of a row's first line, from 1, and its fields."""


class TableStart(NamedTuple):
    """Where the records of a table begin."""

    position: int
    """Index of the row of the header, or of the first record."""

    has_header: bool
    width: int


def read_csv_sample(text: str) -> FileSample:
    """Read the first records of the text of a CSV file.

    Raises:
        UnreadableFileError: The text has no records.
    """
    max_lines = SAMPLE_RECORDS + MAX_PREAMBLE_LINES
    lines = text.removesuffix("\n").split("\n", max_lines)[:max_lines]
    rows_by_delimiter = {delimiter: _parse_rows(lines, delimiter) for delimiter in (*DELIMITERS, *MORE_DELIMITERS)}
    delimiter = max(rows_by_delimiter, key=lambda delimiter: _score(rows_by_delimiter[delimiter]))
    rows = rows_by_delimiter[delimiter]
    start = find_table_start(rows)
    first_line, _ = rows[start.position]
    settings: dict[str, Any] = {"delimiter": delimiter} if delimiter in MORE_DELIMITERS else {}
    preamble = [line for line in lines[: first_line - 1] if line.strip() and not _is_delimiter_line(line)]
    table_lines = lines[first_line - 1 :]
    if preamble and all(line.startswith("#") for line in preamble) and not any(x.startswith("#") for x in table_lines):
        settings["comment"] = "#"
    elif preamble:
        settings["skip_lines"] = first_line - 1
    dialect = detect_dialect([line.rstrip("\r") for line in table_lines], ANY_FEED, delimiter)
    table_rows: list[list[str]] = []
    # A broken row ends the sample.
    with suppress(csv.Error):
        table_rows.extend(row for row in dialect.make_reader(f"{line}\n" for line in table_lines) if row)
    return make_table_sample(table_rows or [fields for _, fields in rows[start.position :]], start, settings)


def make_table_sample(rows: Sequence[list[str]], start: TableStart, settings: dict[str, Any]) -> FileSample:
    """Make the sample of the rows from the header on.

    Raises:
        UnreadableFileError: There are no records.
    """
    sample = FileSample("csv", [], settings)
    if start.has_header:
        header, *rows = rows
        names = name_columns(header, ANY_FEED)
    else:
        names = tuple(f"column_{index}" for index in range(1, start.width + 1))
        settings["names"] = list(names)
        sample.doubts.append("The files seem to have no header, so the columns have invented names. Rename them.")
    # Damaged rows lack their last fields.
    min_width = min(len(names), mode(map(len, rows))) if rows else 0
    full_rows = (row for row in rows if len(row) >= min_width and row != list(names))
    records = (dict(zip(names, map(str.strip, row), strict=False)) for row in full_rows)
    sample.records = list(islice(records, SAMPLE_RECORDS))
    if not sample.records:
        raise UnreadableFileError("the file has no records")
    return sample


def find_table_start(rows: Sequence[Row]) -> TableStart:
    """Find the header: the first row with as many names as most rows have fields, and no values."""
    widths = [len(fields) for _, fields in rows]
    width = mode([width for width in widths if width > 1] or widths)
    filled_counts = [sum(map(bool, map(str.strip, fields))) for _, fields in rows]
    # A record can have empty fields, and the header can lack the name of a column.
    counts = [count for count, row_width in zip(filled_counts, widths, strict=True) if row_width == width]
    min_count = max(1, median(counts))
    is_full = [
        count >= min_count or (row_width >= width > 3 and count == min_count - 1)
        for count, row_width in zip(filled_counts, widths, strict=True)
    ]
    candidates = [index for index, full in enumerate(is_full[:MAX_PREAMBLE_LINES]) if full]
    first = candidates[0] if candidates else 0
    has_values = sum(_has_value(fields) for _, fields in rows[first:]) > (len(rows) - first) / 2
    for index in candidates if has_values else candidates[:1]:
        if not _has_value(rows[index][1]) and not _has_repeated_field(rows, index):
            return TableStart(index, True, width)
    return TableStart(first, False, width)


def _has_value(fields: Sequence[str]) -> bool:
    return any(VALUE_PATTERN.fullmatch(field.strip()) for field in fields)


def _has_repeated_field(rows: Sequence[Row], index: int) -> bool:
    """Return whether a row after this one has the same field, but is not the same, as the header of joined files is."""
    fields = rows[index][1]
    return any(
        other != fields and any(field.strip() and field == value for field, value in zip(fields, other, strict=False))
        for _, other in rows[index + 1 :]
    )


def _parse_rows(lines: list[str], delimiter: str) -> list[Row]:
    """Parse the lines; return each row with the number of its first line. A broken row ends the sample."""
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, skipinitialspace=True)
    rows: list[Row] = []
    first_line = 1
    try:
        for fields in reader:
            if any(map(str.strip, fields)) and not _is_delimiter_line(delimiter.join(fields)):
                rows.append((first_line, fields))
            first_line = reader.line_num + 1
    except csv.Error:
        pass
    return rows or [(1, [""])]


def _is_delimiter_line(line: str) -> bool:
    return DELIMITER_LINE_PATTERN.fullmatch(line.encode()) is not None


def _score(rows: list[Row]) -> tuple[bool, float, int]:
    """Score how well a delimiter fits: more than one field, equally many in each row, many fields."""
    widths = [len(fields) for _, fields in rows]
    width = mode([width for width in widths if width > 1] or widths)
    return width > 1, sum(row_width == width for row_width in widths), width
