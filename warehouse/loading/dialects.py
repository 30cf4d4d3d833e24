"""CSV dialects: the delimiter and the quote character of a file, declared or detected."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from warehouse.sources.declaration import Feed
from warehouse.sources.feed_checks import NO_QUOTE

DELIMITERS = (",", ";", "\t", "|")

SAMPLE_LINES = 200
SAMPLE_BYTES = 64 << 10
"""Maximum size of the sample after the header from which the dialect is detected."""

MIN_UNCLOSED_QUOTE_SHARE = 0.1
"""If more than this share of the lines has an unclosed quote, the quotes are ordinary characters, for example inch
signs. If fewer lines have one, those lines are damaged."""


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


def detect_dialect(lines: list[str], feed: Feed, sep_line_delimiter: str | None) -> Dialect:
    """Detect the dialect of a file from its header and first lines; the feed's declarations take precedence.

    `sep_line_delimiter` is the delimiter from a `sep=` line before the header. Without it and without a declared
    delimiter, the delimiter is the one with which the header has the most column names of the feed's mapping.
    """
    delimiter = (
        feed.delimiter
        or sep_line_delimiter
        or max(DELIMITERS, key=lambda candidate: _count_mapped_names(lines[0], candidate, feed))
    )
    if feed.quote is not None:
        return Dialect(delimiter, None if feed.quote == NO_QUOTE else feed.quote)
    header, *data_lines = lines
    rows = [header.split(delimiter), *(line.split(delimiter) for line in data_lines if line)]
    single_quoted, double_quoted = Dialect(delimiter, "'"), Dialect(delimiter, '"')
    if not _has_leading_quote(rows, '"') and (
        _has_quoted_column(rows, "'")
        or _count_complete_records(lines, single_quoted) > _count_complete_records(lines, double_quoted)
    ):
        return single_quoted
    return Dialect(delimiter, None) if _is_literal_quote(rows, '"') else double_quoted


def _count_mapped_names(header: str, delimiter: str, feed: Feed) -> int:
    names = {name.strip().strip("\"'").strip() for name in header.split(delimiter)}
    return len(names.intersection(feed.mapped_names))


def _count_complete_records(lines: list[str], dialect: Dialect) -> int:
    """Count the records that have as many fields as the header."""
    counts: list[int] = []
    with suppress(csv.Error):
        counts.extend(len(record) for record in dialect.make_reader(f"{line}\n" for line in lines))
    return counts.count(counts[0]) if counts else 0


def _is_quoted(cell: str, quote: str) -> bool:
    return len(cell) >= 2 and cell[0] == cell[-1] == quote


def _has_quoted_column(rows: list[list[str]], quote: str) -> bool:
    """Return whether a header name, or every value of a column with more than one value, is quoted."""
    header, *data_rows = rows
    if any(_is_quoted(cell, quote) for cell in header):
        return True
    columns = zip(*(row for row in data_rows if len(row) == len(header)), strict=True)
    filled_columns = ([cell for cell in column if cell] for column in columns)
    return any(len(column) > 1 and all(_is_quoted(cell, quote) for cell in column) for column in filled_columns)


def _has_leading_quote(rows: list[list[str]], quote: str) -> bool:
    return any(cell.startswith(quote) for row in rows for cell in row)


def _is_literal_quote(rows: list[list[str]], quote: str) -> bool:
    """Return whether quotes are ordinary characters.

    The condition is that all lines have equally many fields without quoting, no field is quoted, and many lines have a
    field that begins with an unclosed quote. A single line is no evidence, because it can be damaged.
    """
    header, *data_rows = rows
    if any(len(row) != len(header) for row in data_rows) or any(
        _is_quoted(cell, quote) for row in rows for cell in row
    ):
        return False
    unclosed_line_count = sum(_has_leading_quote([row], quote) for row in data_rows)
    return unclosed_line_count > max(1, len(data_rows) * MIN_UNCLOSED_QUOTE_SHARE)
