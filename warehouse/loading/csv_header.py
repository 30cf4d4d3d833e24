"""The start of a CSV file: the lines before the header, the header, and the columns that it names."""

import csv
import re
from typing import NamedTuple

from warehouse.loading.column_names import name_columns
from warehouse.loading.dialects import SAMPLE_BYTES, SAMPLE_LINES, Dialect, detect_dialect
from warehouse.loading.landing_files import UnreadableFileError
from warehouse.loading.lines import make_readable
from warehouse.sources.declaration import Feed

MAX_HEADER_LINES = 20
"""Maximum number of lines of a header with line breaks in its names."""

MAX_LINES_BEFORE_HEADER = 100
"""Number of lines in which a header is looked for when the first line is none."""

DELIMITER_LINE_PATTERN = re.compile(rb""""?sep=([!#-/:-@\[-^`{-~]|\t)"?[\r\n]*""", re.IGNORECASE)
"""A line before the header that names the delimiter, as Excel reads it."""


class IncompleteHeaderError(UnreadableFileError):
    """A quote in the header is not closed; the lines after it can have the closing quote."""


class Header(NamedTuple):
    """The columns of a CSV file and how its records are written."""

    dialect: Dialect
    names: tuple[str, ...]
    """A unique name for each column."""

    fields: tuple[str, ...]
    """The names as the file has them."""

    line_count: int
    """Physical lines of the header; zero if the sources file declares the names."""


class LinesBeforeHeader:
    """Skips the lines before the header: declared ones, empty ones, comments and a line that names the delimiter."""

    def __init__(self, feed: Feed) -> None:
        self._skip_lines = feed.skip_lines
        self._comment = encode_comment(feed)
        self.line_count = 0
        """Number of skipped lines."""

        self.delimiter: str | None = None
        """The delimiter that a line names."""

    def skip(self, start: bytes) -> bytes:
        """Return the text from the header on; empty if it does not begin in these lines."""
        position = 0
        while position < len(start):
            end = start.find(b"\n", position) + 1 or len(start)
            line = start[position:end]
            delimiter_line = DELIMITER_LINE_PATTERN.fullmatch(line.lstrip(b"\r"))
            if delimiter_line:
                self.delimiter = delimiter_line[1].decode("ascii")
            is_comment = self._comment and line.startswith(self._comment)
            if not (self.line_count < self._skip_lines or delimiter_line or is_comment or not line.strip(b"\r\n")):
                break
            self.line_count += 1
            position = end
        return start[position:].lstrip(b"\r")


def encode_comment(feed: Feed) -> bytes:
    """Return the bytes at the start of a comment line; empty if the feed declares no comments."""
    return (feed.comment or "").encode()


def read_header(start: bytes, feed: Feed, delimiter: str | None) -> Header:
    """Read the header at the start of a text; `delimiter` is the one that a line before the header names.

    Raises:
        IncompleteHeaderError: A quote is not closed.
        UnreadableFileError: The header is not valid CSV or not valid UTF-8.
    """
    # A header can be longer than the sample.
    first_line, line_end, rest = start.partition(b"\n")
    raw_lines = [first_line, *(rest[:SAMPLE_BYTES].split(b"\n")[:SAMPLE_LINES] if line_end else [])]
    comment = encode_comment(feed)
    lines = [make_readable(line).rstrip("\r") for line in raw_lines if not (comment and line.startswith(comment))]
    if feed.names:
        return Header(detect_dialect(lines, feed, delimiter), feed.names, feed.names, 0)
    max_line_count = min(len(raw_lines), MAX_HEADER_LINES)
    for line_count in range(1, max_line_count + 1):
        dialect = detect_dialect(["\n".join(lines[:line_count]), *lines[line_count:]], feed, delimiter)
        try:
            fields = _parse_header(raw_lines[:line_count], dialect)
        except IncompleteHeaderError:
            if line_count == max_line_count:
                raise
        else:
            return Header(dialect, name_columns(fields, feed), tuple(fields), line_count)
    raise AssertionError("the last line of the loop returns or raises")


def _parse_header(lines: list[bytes], dialect: Dialect) -> list[str]:
    try:
        text = b"\n".join(lines).decode("utf-8").rstrip("\r")
        return next(dialect.make_reader(f"{line}\n" for line in text.split("\n")), [])
    except (UnicodeDecodeError, csv.Error) as error:
        problem = f"the header line cannot be read: {error}"
        if "unexpected end of data" in problem:
            raise IncompleteHeaderError(problem) from error
        raise UnreadableFileError(problem) from error


def find_later_header(start: bytes, feed: Feed) -> int | None:
    """Return the number of a later line that has all required names, if the first line is no header."""
    if feed.names:
        return None
    expected_names = {name for _, name in feed.required_names} or set(feed.mapped_names)
    lines = start[:SAMPLE_BYTES].split(b"\n")
    for index in range(1, min(len(lines), MAX_LINES_BEFORE_HEADER)):
        try:
            header = read_header(b"\n".join(lines[index : index + MAX_HEADER_LINES]), feed, None)
        except UnreadableFileError:
            continue
        if expected_names.issubset(header.names):
            return index + 1
    return None


def describe_later_header(start: bytes, first_number: int, feed: Feed) -> str:
    """Describe a later line that looks like the header; empty if there is none. The text begins at a line number."""
    later_number = find_later_header(start, feed)
    if later_number is None:
        return ""
    number = first_number + later_number - 1
    return f". Line {number} looks like the header: declare skip_lines: {number - 1}"
