"""How a CSV file is written: what separates its fields, and what encloses them; declared, or seen from its start."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from warehouse.sources.declaration import NO_QUOTE, Feed

DELIMITERS = (",", ";", "\t", "|")

SAMPLE_LINES = 200
SAMPLE_BYTES = 64 << 10
"""How much after the header is looked at, whichever is less."""

MIN_UNCLOSED_QUOTE_SHARE = 0.1
"""Share of lines with a quote that never closes from which on quotes are taken for letters (inches, say): fewer are
taken for damage."""


class Dialect(NamedTuple):
    """How the lines of one CSV file are to be taken apart."""

    delimiter: str
    quote: str | None
    """None where quotes are letters like others."""

    def make_reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """The standard library's reader of lines that are written so."""
        if self.quote is None:
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE, strict=True)
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote, strict=True)


def detect_dialect(lines: list[str], feed: Feed, named_delimiter: str | None) -> Dialect:
    """The dialect of a file whose first lines these are, the header before all; what the feed declares is so.

    The delimiter, where neither the feed nor the file names it, is the one by which the header has most of the names
    that the feed maps.
    """
    delimiter = (
        feed.delimiter or named_delimiter or max(DELIMITERS, key=lambda mark: _count_mapped_names(lines[0], mark, feed))
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
    """How many records have as many fields as the header."""
    counts: list[int] = []
    with suppress(csv.Error):
        counts.extend(len(record) for record in dialect.make_reader(f"{line}\n" for line in lines))
    return counts.count(counts[0]) if counts else 0


def _is_quoted(cell: str, quote: str) -> bool:
    return len(cell) >= 2 and cell[0] == cell[-1] == quote


def _has_quoted_column(cells: list[list[str]], quote: str) -> bool:
    """Whether the header, or all there is in one column of several lines, stands in these quotes."""
    header, *rows = cells
    if any(_is_quoted(cell, quote) for cell in header):
        return True
    columns = zip(*(row for row in rows if len(row) == len(header)), strict=True)
    filled = ([cell for cell in column if cell] for column in columns)
    return any(len(column) > 1 and all(_is_quoted(cell, quote) for cell in column) for column in filled)


def _has_leading_quote(cells: list[list[str]], quote: str) -> bool:
    return any(cell.startswith(quote) for row in cells for cell in row)


def _is_literal_quote(cells: list[list[str]], quote: str) -> bool:
    """Whether lines are whole without a thought to quotes, no quote encloses anything, and many never close."""
    header, *rows = cells
    if any(len(row) != len(header) for row in rows) or any(_is_quoted(cell, quote) for row in cells for cell in row):
        return False
    open_lines = sum(_has_leading_quote([row], quote) for row in rows)
    return open_lines > max(1, len(rows) * MIN_UNCLOSED_QUOTE_SHARE)
