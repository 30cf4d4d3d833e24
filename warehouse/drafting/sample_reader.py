"""Reads samples of landing files of unknown format: of each sheet or list of records in a file."""

import json
import re
import warnings
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from warehouse.drafting.column_guesses import guess_columns
from warehouse.drafting.file_samples import SAMPLE_RECORDS, FileSample, Record, format_path
from warehouse.drafting.table_samples import MAX_PREAMBLE_LINES, find_table_start, read_csv_sample
from warehouse.loading.landing_files import ChangingFileError, FileLoad, LandingFile, UnreadableFileError
from warehouse.loading.records import read_records
from warehouse.loading.text import read_blocks
from warehouse.sources.columns import FeedKind
from warehouse.sources.declaration import Feed
from warehouse.sources.feed_settings import FileFormat

MAGIC_FORMATS: dict[bytes, FileFormat] = {b"PAR1": "parquet", b"ARROW1": "arrow", b"PK\x03\x04": "excel"}
"""The first bytes of files that are not text."""

UNREADABLE_PATTERNS = {
    rb"%PDF": "a PDF document. Ask the shop for the data as CSV or JSON",
    rb"(\xef\xbb\xbf)?\s*<": "XML or HTML. Convert it to CSV or JSON",
    rb"SQLite format 3|DUCK|.{8}DUCK": "a database. Export its tables to CSV or Parquet",
    rb"\x89PNG|\xff\xd8\xff|GIF8": "a picture",
    rb"(?i)\s*(--[^\n]*\s+|/\*.*?\*/\s*;?\s*)*(insert into|create table|begin;|set |drop table)": (
        "a dump of SQL statements. Export the tables to CSV"
    ),
}
"""The first bytes of files that RecoMart does not read, as regular expressions."""

MAX_START_BYTES = 2_048

MAX_REJECTED_SHARE = 0.02
"""Share of rejected lines from which a draft has a doubt."""


def read_samples(path: Path) -> list[FileSample]:
    """Read the first records of each part of a file.

    Raises:
        UnreadableFileError: The file is empty, is damaged, or has no records.
    """
    with path.open("rb") as opened:
        start = opened.read(MAX_START_BYTES)
    for pattern, description in UNREADABLE_PATTERNS.items():
        if re.match(pattern, start, re.DOTALL):
            raise UnreadableFileError(f"the file is {description}")
    binary_format = next((name for magic, name in MAGIC_FORMATS.items() if start.startswith(magic)), None)
    if binary_format == "excel":
        return _read_sheets(path)
    if binary_format:
        return [FileSample(binary_format, _require_records(list(_read_objects(path, {"format": binary_format}))))]
    text, encoding = _read_text(path)
    if not text.strip():
        raise UnreadableFileError("the file is empty")
    if text.lstrip()[0] in "[{":
        return _read_json_samples(path, text)
    sample = read_csv_sample(text)
    if not encoding.startswith("utf"):
        sample.settings["encoding"] = encoding
        sample.doubts.append(f"encoding: {encoding} is a guess by the letters of {path.name}.")
    return [sample]


def find_load_problem(path: Path, kind: FeedKind, settings: dict[str, Any]) -> str | None:
    """Describe why the loader does not read the first records of a file with the settings of a feed, or return None."""
    own_settings = {name: value for name, value in settings.items() if name != "join"}
    joined_columns = tuple(settings.get("join", {}).get("columns", ()))
    try:
        feed = Feed(name="draft", kind=kind, files=("*",), joined_columns=joined_columns, **own_settings)
        with closing(read_records(_make_landing_file(path, feed), FileLoad())) as chunks:
            errors = [error for chunk in islice(chunks, 1) for error in chunk.table["error"].to_pylist()]
    except ChangingFileError:
        return None
    except ValidationError as error:
        return f"The declaration is refused: {error.errors()[0]['msg']}."
    except UnreadableFileError as error:
        return f"{path.name} cannot be loaded: {error}."
    rejected = [error for error in errors if error]
    if len(rejected) <= MAX_REJECTED_SHARE * len(errors):
        return None
    return f"{len(rejected):,} of {len(errors):,} lines of {path.name} are rejected, the first one for: {rejected[0]}."


def _make_file(path: Path, settings: dict[str, Any]) -> LandingFile:
    # Joined files need no column.
    feed = Feed(name="draft", joined_to="-", kind="products", files=("*",), columns={"brand": "-"}, **settings)
    return _make_landing_file(path, feed)


def _make_landing_file(path: Path, feed: Feed) -> LandingFile:
    stat = path.stat()
    return LandingFile(feed, path.name, path, stat.st_size, stat.st_ctime_ns, 0)


def _read_text(path: Path) -> tuple[str, str]:
    """Return the first block of a file's text, up to its last complete line, and its encoding."""
    file_load = FileLoad()
    try:
        with closing(read_blocks(_make_file(path, {"format": "csv"}), file_load)) as blocks:
            block, is_all = next(blocks, b""), next(blocks, None) is None
    except ChangingFileError:
        raise UnreadableFileError("the file is changing") from None
    text = block.decode("utf-8", errors="replace")
    return text if is_all else text[: text.rfind("\n") + 1] or text, file_load.encoding or "utf-8"


def _read_objects(path: Path, settings: dict[str, Any]) -> Iterator[Record]:
    """Yield the first records of a file as the loader reads them."""
    count = 0
    try:
        with closing(read_records(_make_file(path, settings), FileLoad())) as chunks:
            for chunk in chunks:
                for text in chunk.table["text"].slice(0, SAMPLE_RECORDS - count).to_pylist():
                    count += 1
                    if isinstance(value := _parse_json(text), dict):
                        yield value
                if count >= SAMPLE_RECORDS:
                    return
    except ChangingFileError:
        raise UnreadableFileError("the file is changing") from None


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _require_records(records: list[Record]) -> list[Record]:
    if not records:
        raise UnreadableFileError("the file has no records")
    return records


# -- Excel ------------------------------------------------------------------------------------------------------------


def _read_sheets(path: Path) -> list[FileSample]:
    import openpyxl

    try:
        with warnings.catch_warnings(action="ignore"):
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            rows_by_sheet = {sheet.title: _read_sheet_rows(sheet) for sheet in book.worksheets}
    except Exception as error:
        # openpyxl raises errors of many kinds for damaged files.
        raise UnreadableFileError(f"the file is a zip archive, or no complete .xlsx file: {error}") from error
    samples = []
    for number, (sheet, rows) in enumerate(rows_by_sheet.items()):
        start = find_table_start(rows) if rows else None
        settings: dict[str, Any] = {"sheet": sheet} if number else {}
        if start and rows[start.position][0] > 1:
            settings["skip_lines"] = rows[start.position][0] - 1
        doubts = []
        if start and not start.has_header:
            settings["names"] = [f"column_{index}" for index in range(1, start.width + 1)]
            doubts.append("The sheet seems to have no header, so the columns have invented names. Rename them.")
        records = list(_read_objects(path, {"format": "excel", **settings})) if start and start.width > 1 else []
        samples.append(FileSample("excel", records, settings, doubts, f"sheet '{sheet}'"))
    return samples


def _read_sheet_rows(sheet: Any) -> list[tuple[int, list[str]]]:
    """Return the first rows of a sheet that are not empty, with their numbers."""
    sheet.reset_dimensions()
    rows = enumerate(sheet.iter_rows(values_only=True), start=1)
    texts = ((number, ["" if cell is None else str(cell) for cell in cells]) for number, cells in rows)
    return list(islice(((number, row) for number, row in texts if any(row)), SAMPLE_RECORDS + MAX_PREAMBLE_LINES))


# -- JSON -------------------------------------------------------------------------------------------------------------


def _read_json_samples(path: Path, text: str) -> list[FileSample]:
    records = list(_read_objects(path, {"format": "jsonl"})) if text.lstrip().startswith("{") else []
    if len(records) > 1 or (records and _is_event_or_order(records[0])):
        return [FileSample("jsonl", records)]
    document = records[0] if records else _parse_start(text)
    locations = list(_find_records(document))
    samples = []
    for keys, found_records, key_name in locations:
        settings: dict[str, Any] = {"records": format_path(keys)} if keys else {}
        settings |= {"record_key": key_name} if key_name else {}
        part = f"records under {format_path(keys)}" if keys else ""
        samples.append(FileSample("json", found_records[:SAMPLE_RECORDS], settings, part=part))
    if samples or records:
        return samples or [FileSample("jsonl", records)]
    raise UnreadableFileError("the JSON is damaged, or has no list of objects")


def _is_event_or_order(record: Record) -> bool:
    """Return whether a single object is an event or order with a list, not a document with a list of records."""
    own_values = {key: value for key, value in record.items() if not isinstance(value, list)}
    columns = guess_columns(FileSample("jsonl", [own_values]), "events")
    return any(isinstance(value, list) for value in record.values()) and (
        "transaction_id" in columns or "user_id" in columns or "id" in record
    )


def _parse_start(text: str) -> Any:
    """Parse a JSON document, or the complete values of its start."""
    document = _parse_json(text)
    if document is not None:
        return document
    closers: list[str] = []
    last_complete = ""
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[\]{},]', text):
        match match[0]:
            case "[" | "{" as opener:
                closers.append("]" if opener == "[" else "}")
            case "]" | "}" if closers:
                closers.pop()
            case "," if len(closers) < 6:
                last_complete, position = "".join(reversed(closers)), match.start()
    return _parse_json(text[:position] + last_complete) if last_complete else None


def _find_records(value: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[Record], str | None]]:
    """Find the lists of objects in a document, and the objects whose values are records.

    Yields the keys that lead to them, the records, and the name of their keys if they are the values of an object.
    """
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        yield keys, value, None
    if not isinstance(value, dict):
        return
    children = list(value.values())
    if len(children) > 1 and all(isinstance(child, dict) for child in children) and _have_same_keys(children):
        names = {name for child in children for name in child}
        key_name = next(name for name in ("id", "key", "record_key") if name not in names)
        yield keys, [{key_name: key, **child} for key, child in value.items()], key_name
        return
    for key, child in value.items():
        yield from _find_records(child, (*keys, key))


def _have_same_keys(objects: list[Record]) -> bool:
    """Return whether objects are records of one kind: they share most keys and have several plain values."""
    shared_keys = set.intersection(*(set(item) for item in objects))
    plain_counts = [sum(not isinstance(value, list | dict) for value in item.values()) for item in objects]
    return bool(shared_keys) and all(len(shared_keys) >= len(item) / 2 for item in objects) and min(plain_counts) > 1
