"""The first bytes by which files of a format are recognized, besides compressed ones."""

import re
from typing import NamedTuple

from warehouse.loading.landing_files import UnreadableFileError
from warehouse.sources.feed_settings import FileFormat

SIGNATURE_BYTES = 2_048
"""Bytes that are looked at; a dump of SQL statements can begin with a long comment."""


class Signature(NamedTuple):
    """The first bytes of a kind of files."""

    pattern: bytes
    """Regular expression of the first bytes."""

    description: str
    """What such a file is, and what to do with it."""

    format: FileFormat | None = None
    """The format that reads it, if there is one."""


SIGNATURES = (
    Signature(rb"PAR1\x15", "a Parquet file. Declare format: parquet", "parquet"),
    Signature(rb"ARROW1\x00", "an Arrow file. Declare format: arrow", "arrow"),
    Signature(
        rb"PK\x03\x04", "a zip archive or a spreadsheet such as .xlsx. Unpack it, or declare format: excel", "excel"
    ),
    Signature(
        rb"\xd0\xcf\x11\xe0",
        "a spreadsheet of an old format, or an encrypted one. Save it as .xlsx, and declare format: excel",
    ),
    Signature(rb"%PDF-", "a PDF document. Ask the shop for the data as CSV or JSON"),
    # Names in angle brackets can be the header of a CSV file.
    Signature(rb"(?i)(\xef\xbb\xbf)?\s*<(\?xml|!doctype|!--|\w[^>]*>\s*<)", "XML or HTML. Convert it to CSV or JSON"),
    Signature(rb"SQLite format 3\x00|.{8}DUCK", "a database. Export its tables to CSV or Parquet"),
    Signature(rb"\x89PNG|\xff\xd8\xff|GIF8[79]a", "a picture. Ask the shop for the data as CSV or JSON"),
    # Atomic groups: otherwise many comments would take exponential time.
    Signature(
        rb"(?i)\s*+(?>--[^\n]*\n\s*|/\*.*?\*/[\s;]*)*+(insert into |create table |drop table |begin;|set \w+ ?= ?)",
        "a dump of SQL statements. Export the tables to CSV",
    ),
)


def find_signature(start: bytes) -> Signature | None:
    """Find the signature of a file by its first bytes; None for text and unknown files."""
    return next((signature for signature in SIGNATURES if re.match(signature.pattern, start, re.DOTALL)), None)


def check_signature(start: bytes, file_format: FileFormat) -> None:
    """Reject a file whose first bytes are those of another format than the declared one.

    Raises:
        UnreadableFileError: The file has another format; the message says which one.
    """
    signature = find_signature(start[:SIGNATURE_BYTES])
    if signature and signature.format != file_format:
        raise UnreadableFileError(f"the file is {signature.description}")
