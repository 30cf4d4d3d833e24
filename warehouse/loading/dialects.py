"""CSV dialects: the delimiter and the quote character of a file, declared or detected."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from warehouse.sources.declaration import NO_QUOTE, Feed

DELIMITERS = (",", ";", "\t", "|")

SAMPLE_LINES = 200
SAMPLE_BYTES = 64 << 10
"""The sample after the header that is used for detection: the smaller of lines and bytes."""

MIN_UNCLOSED_QUOTE_SHARE = 0.1
"""Minimum share of lines with an unclosed quote for which quotes are ordinary characters, for example inches. A smaller
share counts as damaged lines."""


class Dialect(NamedTuple):
    """The delimiter and the quote character of one CSV file."""

    delimiter: str
    quote: str | None
    """None if quotes are ordinary characters."""

    def make_reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """Make a csv.reader for the lines."""
        if self.quote is None:
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE, strict=True)
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote, strict=True)


def detect_dialect(lines: list[str], feed: Feed, named_delimiter: str | None) -> Dialect:
    """Detect the dialect of a file from its header and first lines; the feed's declarations take precedence.

    If neither the feed nor the file names the delimiter, the one that splits the header into most mapped names is used.
    """
    delimiter = (
        feed.delimiter
        or named_delimiter
        or max(DELIMITERS, key=lambda candidate: _count_mapped_names(lines[0], candidate, feed))
    )
    if feed.quote is not None:
        return Dialect(delimiter, None if feed.quote == NO_QUOTE else feed.quote)
    header, *rows = lines
    cells = [header.split(delimiter), *(line.split(delimiter) for line in rows if line)]
    single, double = Dialect(delimiter, "'"), Dialect(delimiter, '"')
    if not _has_leading_quote(cells, '"') and (
        _has_quoted_column(cells, "'")
        or _count_complete_records(lines, single) > _count_complete_records(lines, double)
    ):
        return single
    return Dialect(delimiter, None) if _is_literal_quote(cells, '"') else double


def _count_mapped_names(header: str, delimiter: str, feed: Feed) -> int:
    names = {name.strip().strip("\"'").strip() for name in header.split(delimiter)}
    return len(names & set(feed.columns.values()))


def _count_complete_records(lines: list[str], dialect: Dialect) -> int:
    """Count the records that have as many fields as the header."""
    counts: list[int] = []
    with suppress(csv.Error):
        counts.extend(len(record) for record in dialect.make_reader(f"{line}\n" for line in lines))
    return counts.count(counts[0]) if counts else 0


def _is_quoted(cell: str, quote: str) -> bool:
    return len(cell) >= 2 and cell[0] == cell[-1] == quote


def _has_quoted_column(cells: list[list[str]], quote: str) -> bool:
    """Return whether a header name, or every value of a column with more than one value, is quoted."""
    header, *rows = cells
    if any(_is_quoted(cell, quote) for cell in header):
        return True
    columns = zip(*(row for row in rows if len(row) == len(header)), strict=True)
    filled_columns = ([cell for cell in column if cell] for column in columns)
    return any(len(column) > 1 and all(_is_quoted(cell, quote) for cell in column) for column in filled_columns)


def _has_leading_quote(cells: list[list[str]], quote: str) -> bool:
    return any(cell.startswith(quote) for row in cells for cell in row)


def _is_literal_quote(cells: list[list[str]], quote: str) -> bool:
    """Return whether quotes are ordinary characters.

    This is so if every line has the header's number of fields without quoting, no field is quoted, and many fields
    begin with a quote that does not close.
    """
    header, *rows = cells
    if any(len(row) != len(header) for row in rows) or any(_is_quoted(cell, quote) for row in cells for cell in row):
        return False
    unclosed_line_count = sum(_has_leading_quote([row], quote) for row in rows)
    return unclosed_line_count > max(1, len(rows) * MIN_UNCLOSED_QUOTE_SHARE)
