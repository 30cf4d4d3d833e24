"""The layout of tables in text and sheets: the delimiter, the lines before the header, and whether there is a header.

DuckDB's sniff_csv finds 7 of the 13 layouts of the tests: it misses lines before the header and headers among texts.
"""

import csv
import re
from collections.abc import Sequence
from contextlib import suppress
from statistics import median, mode
from typing import Any, NamedTuple

from warehouse.drafting.record_samples import MAX_SAMPLE_RECORDS, Doubt
from warehouse.loading.csv_header import DELIMITER_LINE_PATTERN
from warehouse.loading.dialects import DELIMITERS

MAX_PREAMBLE_LINES = 50
"""Maximum number of lines before the header."""

MAX_LINES = MAX_SAMPLE_RECORDS + MAX_PREAMBLE_LINES

MORE_DELIMITERS = ("^", "~", "\x01", "¦")
"""Delimiters that must be declared."""

VALUE_PATTERN = re.compile(r"[-+]?[0-9][0-9.,:/ TZ+-]*|[^@\s]+@[^@\s]+\.\w+|https?://\S+|True|False")
"""A number, date, time, address or truth value; no header has one as a name."""

Row = tuple[int, list[str]]
"""The number of a row's first line, from 1, and its fields."""


class TableLayout(NamedTuple):
    """Where the records of a table begin."""

    width: int
    settings: dict[str, Any]
    """Settings of a feed that the layout needs."""

    doubts: list[Doubt]


def find_csv_layout(text: str) -> tuple[str, TableLayout]:
    """Find the delimiter and the layout of the start of a CSV file."""
    lines = text.removesuffix("\n").split("\n", MAX_LINES)[:MAX_LINES]
    rows_by_delimiter = {delimiter: _parse_rows(lines, delimiter) for delimiter in (*DELIMITERS, *MORE_DELIMITERS)}
    delimiter = max(rows_by_delimiter, key=lambda delimiter: _score(rows_by_delimiter[delimiter]))
    layout = find_layout(rows_by_delimiter[delimiter])
    if delimiter in MORE_DELIMITERS:
        layout.settings["delimiter"] = delimiter
    return delimiter, layout


def find_layout(rows: Sequence[Row]) -> TableLayout:
    """Find the header: the first row with as many names as most rows have fields, and no values."""
    widths = [len(fields) for _, fields in rows]
    width = _find_width(rows)
    filled_counts = [sum(map(bool, map(str.strip, fields))) for _, fields in rows]
    # A record can have empty fields, and the header can lack the name of a column.
    min_count = max(1, median(count for count, other in zip(filled_counts, widths, strict=True) if other == width))
    candidates = [
        index
        for index, (count, other) in enumerate(zip(filled_counts, widths, strict=True))
        if index < MAX_PREAMBLE_LINES and (count >= min_count or (other >= width > 3 and count == min_count - 1))
    ]
    first = candidates[0] if candidates else 0
    has_values = sum(_has_value(fields) for _, fields in rows[first:]) > (len(rows) - first) / 2
    headers = [
        index
        for index in (candidates if has_values else candidates[:1])
        if not _has_value(rows[index][1]) and not _is_repeated(rows, index)
    ]
    start = headers[0] if headers else first
    settings: dict[str, Any] = {"skip_lines": rows[start][0] - 1} if start else {}
    doubts = []
    if not headers:
        settings["names"] = [f"column_{number}" for number in range(1, width + 1)]
        doubts.append(Doubt("There seems to be no header, so the columns have invented names. Rename them."))
    return TableLayout(width, settings, doubts)


def _find_width(rows: Sequence[Row]) -> int:
    """Return the number of fields that most rows have, without the rows of one field."""
    widths = [len(fields) for _, fields in rows]
    return mode([width for width in widths if width > 1] or widths)


def _has_value(fields: Sequence[str]) -> bool:
    return any(VALUE_PATTERN.fullmatch(field.strip()) for field in fields)


def _is_repeated(rows: Sequence[Row], index: int) -> bool:
    """Return whether half of a row's fields are values of later rows; the header of joined files is no such row."""
    fields = rows[index][1]
    others = [other for _, other in rows[index + 1 :] if other != fields]
    values = [{other[place] for other in others if len(other) > place} for place in range(len(fields))]
    return 2 * sum(field in values[place] for place, field in enumerate(fields) if field.strip()) >= len(fields)


def _parse_rows(lines: list[str], delimiter: str) -> list[Row]:
    """Parse the lines; return each row with the number of its first line. A broken row ends the sample."""
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, skipinitialspace=True)
    rows: list[Row] = []
    first_line = 1
    with suppress(csv.Error):
        for fields in reader:
            if fields and not DELIMITER_LINE_PATTERN.fullmatch(delimiter.join(fields).encode()):
                rows.append((first_line, fields))
            first_line = reader.line_num + 1
    return rows or [(1, [""])]


def _score(rows: list[Row]) -> tuple[bool, int, int]:
    """Score how well a delimiter fits: more than one field, equally many in each row, many fields."""
    width = _find_width(rows)
    return width > 1, sum(len(fields) == width for _, fields in rows), width
