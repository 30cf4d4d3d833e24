"""Samples of landing files of unknown format: the names and the first records of a file."""

import csv
import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mode
from typing import Any

from warehouse.loading.dialects import DELIMITERS
from warehouse.loading.landing_files import ChangingFileError, FileLoad, LandingFile, UnreadableFileError
from warehouse.loading.records import read_records
from warehouse.loading.text import read_blocks
from warehouse.sources.declaration import Feed
from warehouse.sources.feed_settings import FileFormat

SAMPLE_RECORDS = 1_000
SAMPLE_BYTES = 1 << 20

MAX_PREAMBLE_LINES = 50
"""Maximum number of lines before the header."""

MAGIC_FORMATS: dict[bytes, FileFormat] = {b"PAR1": "parquet", b"ARROW1": "arrow", b"PK\x03\x04": "excel"}
"""The first bytes of files that are not text."""

VALUE_PATTERN = re.compile(r"[-+]?[0-9][0-9.,:/ T-]*")
"""A number, date or time; no header has one as a name."""

Record = dict[str, Any]


@dataclass
class FileSample:
    """The first records of a file, and what must be declared to read them."""

    format: FileFormat
    records: list[Record]
    """Objects; those of CSV have texts as values."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of a feed that the file needs besides its format, such as `skip_lines`."""

    doubts: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The names of all records, in the order of their first occurrence; nested ones as paths."""
        return list(dict.fromkeys(name for record in self.records for name in flatten(record)))

    def get_values(self, name: str) -> list[Any]:
        """Return the values of a name that are not missing."""
        values = (flatten(record).get(name) for record in self.records)
        return [value for value in values if value not in (None, "")]


def flatten(record: Record, parents: tuple[str, ...] = ()) -> Record:
    """Return the values of a record by name; values in nested objects have a path such as `$.product.id` as name."""
    values: Record = {}
    for key, value in record.items():
        path = (*parents, key)
        if isinstance(value, dict):
            values |= flatten(value, path)
        else:
            values[key if len(path) == 1 else format_path(path)] = value
    return values


def format_path(keys: tuple[str, ...]) -> str:
    """Return a path of keys as the sources file has it."""
    return "$." + ".".join(key if re.fullmatch(r"\w+", key) else json.dumps(key, ensure_ascii=False) for key in keys)


def read_sample(path: Path) -> FileSample:
    """Read the first records of a file.

    Raises:
        UnreadableFileError: The file is empty, is damaged, or has no records.
    """
    start = path.open("rb").read(8)
    binary_format = next((name for magic, name in MAGIC_FORMATS.items() if start.startswith(magic)), None)
    if binary_format:
        return FileSample(binary_format, _require_records(list(_read_objects(path, {"format": binary_format}))))
    text = _read_text(path)
    if not text.strip():
        raise UnreadableFileError("the file is empty")
    return _read_json_sample(path, text) if text.lstrip()[0] in "[{" else _read_csv_sample(text)


def _make_file(path: Path, settings: dict[str, Any]) -> LandingFile:
    # Joined files need no column.
    feed = Feed(name="draft", joined_to="-", kind="products", files=("*",), columns={"brand": "-"}, **settings)
    stat = path.stat()
    return LandingFile(feed, path.name, path, stat.st_size, stat.st_ctime_ns, 0)


def _read_text(path: Path) -> str:
    try:
        with closing(read_blocks(_make_file(path, {"format": "csv"}), FileLoad())) as blocks:
            return next(blocks, b"")[:SAMPLE_BYTES].decode("utf-8", errors="replace")
    except ChangingFileError:
        raise UnreadableFileError("the file is changing") from None


def _read_objects(path: Path, settings: dict[str, Any]) -> Iterator[Record]:
    """Yield the first records of a file as the loader reads them."""
    try:
        with closing(read_records(_make_file(path, settings), FileLoad())) as chunks:
            texts = [text for chunk in chunks for text in chunk.table["text"].to_pylist()[:SAMPLE_RECORDS]]
    except ChangingFileError:
        raise UnreadableFileError("the file is changing") from None
    for text in texts[:SAMPLE_RECORDS]:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def _require_records(records: list[Record]) -> list[Record]:
    if not records:
        raise UnreadableFileError("the file has no records")
    return records


# -- JSON -------------------------------------------------------------------------------------------------------------


def _read_json_sample(path: Path, text: str) -> FileSample:
    records = list(_read_objects(path, {"format": "jsonl"})) if text.lstrip().startswith("{") else []
    # A single object is an event or order with a list of items, or a document with a list of records.
    is_document = len(records) == 1 and sum(not isinstance(value, dict | list) for value in records[0].values()) < 2
    if records and not (is_document and _find_records(records[0])):
        return FileSample("jsonl", records)
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError(f"the JSON cannot be read: {error}") from None
    location = _find_records(document)
    if location is None:
        raise UnreadableFileError("the JSON document has no list of objects")
    keys, records, is_keyed = location
    settings: dict[str, Any] = {"records": format_path(keys)} if keys else {}
    if is_keyed:
        settings["record_key"] = "key"
    return FileSample("json", records[:SAMPLE_RECORDS], settings)


def _find_records(value: Any, keys: tuple[str, ...] = ()) -> tuple[tuple[str, ...], list[Record], bool] | None:
    """Find the largest list of objects in a document, or an object whose values are records.

    Returns the keys that lead to it, the records, and whether they are the values of an object.
    """
    if isinstance(value, list):
        return (keys, value, False) if value and all(isinstance(item, dict) for item in value) else None
    if not isinstance(value, dict):
        return None
    found = [location for key, child in value.items() if (location := _find_records(child, (*keys, key)))]
    if found:
        return max(found, key=lambda location: len(location[1]))
    children = list(value.values())
    if len(children) > 1 and all(isinstance(child, dict) for child in children) and _have_same_keys(children):
        return keys, [{**child, "key": key} for key, child in value.items()], True
    return None


def _have_same_keys(objects: list[Record]) -> bool:
    shared_keys = set.intersection(*(set(item) for item in objects))
    return bool(shared_keys) and all(len(shared_keys) >= len(item) / 2 for item in objects)


# -- CSV --------------------------------------------------------------------------------------------------------------


def _read_csv_sample(text: str) -> FileSample:
    lines = text.splitlines(keepends=True)[: SAMPLE_RECORDS + MAX_PREAMBLE_LINES]
    if text[-1:] not in ("\n", "\r"):
        lines = lines[:-1] or lines
    rows = max((_parse_rows(lines, char) for char in DELIMITERS), key=_score)
    width = _find_width(rows)
    if all(not fields[-1] for _, fields in rows if len(fields) == width):
        # Data lines can end with a delimiter where the header does not.
        width = width - 1 if any(len(fields) == width - 1 for _, fields in rows) else width
    position = next(index for index, (_, fields) in enumerate(rows) if len(fields) == width)
    line_number, header = rows[position]
    sample = FileSample("csv", [])
    if line_number > 1:
        sample.settings["skip_lines"] = line_number - 1
    data_rows = [fields for _, fields in rows[position + 1 :]]
    names = [name.strip() or f"column {index}" for index, name in enumerate(header, start=1)]
    if any(VALUE_PATTERN.fullmatch(name) for name in header):
        names = [f"column_{index}" for index in range(1, width + 1)]
        data_rows.insert(0, header)
        sample.settings["names"] = names
        sample.doubts.append("The files seem to have no header, so the columns have invented names. Rename them.")
    sample.records = [dict(zip(names, fields, strict=False)) for fields in data_rows[:SAMPLE_RECORDS]]
    _require_records(sample.records)
    return sample


def _parse_rows(lines: list[str], delimiter: str) -> list[tuple[int, list[str]]]:
    """Parse the lines; return each row with the number of its first line. A broken row ends the sample."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    rows: list[tuple[int, list[str]]] = []
    first_line = 1
    try:
        for fields in reader:
            if fields and not (len(fields) == 1 and fields[0].lower().startswith("sep=")):
                rows.append((first_line, fields))
            first_line = reader.line_num + 1
    except csv.Error:
        pass
    return rows or [(1, [""])]


def _score(rows: list[tuple[int, list[str]]]) -> tuple[bool, float, int]:
    """Score how well a delimiter fits: more than one field, equally many in each row, many fields."""
    width = _find_width(rows)
    return width > 1, sum(len(fields) == width for _, fields in rows), width


def _find_width(rows: list[tuple[int, list[str]]]) -> int:
    """Return the number of fields of most rows, without the single fields of lines before the header."""
    widths = [len(fields) for _, fields in rows]
    return mode([width for width in widths if width > 1] or widths)
