"""CSV dialects: the delimiter, the quote and the escape character of a file, declared or detected."""

import csv
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
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
    """How the fields of one CSV file are delimited and quoted."""

    delimiter: str
    quote: str | None
    """None if quotes are ordinary characters."""

    escape: str | None = None
    """Character before a quote, a delimiter or itself, which then are ordinary characters."""

    skips_blanks: bool = False
    """Whether blanks before a field are no part of it, as in `a, "b"`."""

    def make_reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """Make a csv.reader for the lines."""
        if self.quote is None:
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE, strict=True)
        if self.escape:
            # csv.reader removes every escape character; those before another character are text, such as \N.
            special = re.escape(self.escape + self.quote + self.delimiter)
            escape = re.escape(self.escape)
            pattern = re.compile(f"({escape}[{special}])|{escape}")
            lines = map(partial(pattern.sub, lambda match: match[1] or 2 * match[0]), lines)
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote,
            escapechar=self.escape,
            skipinitialspace=self.skips_blanks,
            strict=True,
        )


def detect_dialect(lines: list[str], feed: Feed, sep_line_delimiter: str | None) -> Dialect:
    """Detect the dialect of a file from its header and first lines; the feed's declarations take precedence.

    `sep_line_delimiter` is the delimiter from a `sep=` line before the header. Without it and without a declared
    delimiter, the delimiter is the one with which the header has the most column names of the feed's mapping. If the
    feed declares the names, it is the one with which most lines have as many fields, and the lines have no header.
    """
    delimiter = (
        feed.delimiter
        or sep_line_delimiter
        or max(DELIMITERS, key=lambda candidate: _count_expected_fields(lines, candidate, feed))
    )
    if feed.names:
        lines = [delimiter.join("x" for _ in feed.names), *lines]
    dialect = _detect_quote(lines, delimiter, feed)
    if dialect.quote is None:
        return dialect
    dialect = _detect_blanks(lines, dialect, feed)
    if feed.escape:
        return dialect._replace(escape=feed.escape)
    return _detect_escape(lines, dialect)


def _detect_quote(lines: list[str], delimiter: str, feed: Feed) -> Dialect:
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
    # Quotes with an escape declared are never ordinary characters.
    return Dialect(delimiter, None) if not feed.escape and _is_literal_quote(rows, '"') else double_quoted


def _detect_blanks(lines: list[str], dialect: Dialect, feed: Feed) -> Dialect:
    """Return the dialect that skips blanks before fields if quoted fields in the lines begin after one."""
    blanks = re.compile(f"({re.escape(dialect.delimiter)}|^) +(?=[\"'{re.escape(dialect.quote or '')}])")
    if dialect.delimiter == " " or not any(map(blanks.search, lines)):
        return dialect
    candidate = _detect_quote([blanks.sub(r"\1", line) for line in lines], dialect.delimiter, feed)
    quote = candidate.quote
    if quote is None:
        return dialect
    candidate = candidate._replace(skips_blanks=True)
    gain = _count_complete_records(lines, candidate) - _count_complete_records(lines, dialect)
    has_quoted_field = any(
        cell.startswith(" ") and _is_quoted(cell.strip(" "), quote)
        for line in lines
        for cell in line.split(dialect.delimiter)
    )
    return candidate if gain > 0 or (gain == 0 and has_quoted_field) else dialect


def _detect_escape(lines: list[str], dialect: Dialect) -> Dialect:
    """Return the dialect with backslashes as escapes if it reads more records of the lines."""
    candidate = dialect._replace(escape="\\")
    if not any(f"\\{dialect.quote}" in line for line in lines):
        return dialect
    gain = _count_complete_records(lines, candidate) - _count_complete_records(lines, dialect)
    return candidate if gain > 0 else dialect


def _count_expected_fields(lines: list[str], delimiter: str, feed: Feed) -> int:
    """Count the names of the mapping in the header, or the lines with as many fields as the declared names."""
    if feed.names:
        # Delimiters at the end of a line can follow its last column.
        delimiter_count = len(feed.names) - 1
        return sum(
            line.rstrip(f"{delimiter}\"'").count(delimiter) <= delimiter_count <= line.count(delimiter)
            for line in lines
        )
    return _count_mapped_names(lines[0], delimiter, feed)


def _count_mapped_names(header: str, delimiter: str, feed: Feed) -> int:
    names = {name.strip().strip("\"'").strip() for name in header.split(delimiter)}
    return len(names.intersection(feed.mapped_names))


def _count_complete_records(lines: list[str], dialect: Dialect) -> int:
    """Count the records that have as many fields as the header, or empty ones after them."""
    records: list[list[str]] = []
    with suppress(csv.Error):
        records.extend(dialect.make_reader(f"{line}\n" for line in lines))
    width = len(records[0]) if records else 0
    return sum(len(record) >= width and not any(record[width:]) for record in records)


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
