"""Reads samples of landing files of unknown format: of each sheet or list of records in a file."""

import re
from collections.abc import Collection, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from statistics import mode
from typing import Any

from pydantic import ValidationError

from warehouse.drafting.column_guesses import guess_columns
from warehouse.drafting.record_samples import MAX_SAMPLE_RECORDS, Doubt, Record, RecordSample, make_sample_feed
from warehouse.drafting.table_layout import MAX_LINES, find_csv_layout, find_layout
from warehouse.loading.excel_records import explain_damage, open_workbook, read_sheet_rows
from warehouse.loading.file_signatures import SIGNATURE_BYTES, find_signature
from warehouse.loading.json_reader import parse_json
from warehouse.loading.landing_files import (
    ChangingFileError,
    FileLoad,
    LandingFile,
    UnreadableFileError,
    find_link_problem,
    make_landing_file,
)
from warehouse.loading.records import read_records
from warehouse.loading.text import read_blocks
from warehouse.sources.columns import FeedKind, format_json_path
from warehouse.sources.declaration import Feed
from warehouse.sources.feed_settings import FileFormat


def read_samples(path: Path, allowed_folders: Collection[Path]) -> list[RecordSample]:
    """Read the first records of each part of a file; a symbolic link must lead into one of these resolved folders.

    Raises:
        UnreadableFileError: The file is empty, is damaged, or has no records.
    """
    if problem := find_link_problem(path, allowed_folders):
        raise UnreadableFileError(problem)
    if not path.is_file():
        raise UnreadableFileError("it is a pipe, a socket or a device, and no file")
    if path.suffix in (".yml", ".yaml"):
        raise UnreadableFileError("it is YAML, such as a sources file")
    try:
        with path.open("rb") as opened:
            signature = find_signature(opened.read(SIGNATURE_BYTES))
    except OSError as error:
        raise UnreadableFileError(f"the file cannot be read: {error.strerror}") from error
    if signature and signature.format == "excel":
        return _read_sheets(path)
    if signature and signature.format:
        return [_make_sample(path, signature.format, {})]
    text, encoding = _read_text(path)
    if not text.strip():
        raise UnreadableFileError("the file is empty")
    if text.lstrip()[0] in "[{":
        return _read_json_samples(path, text)
    delimiter, layout = find_csv_layout(text)
    sample = _make_sample(path, "csv", {"delimiter": delimiter, **layout.settings})
    sample.settings, sample.doubts = layout.settings, layout.doubts
    if not encoding.startswith("utf"):
        sample.settings["encoding"] = encoding
        sample.doubts.append(Doubt(f"The encoding {encoding} is a guess by the letters of {path.name}."))
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
    if not rejected:
        return None
    return f"{len(rejected):,} of {len(errors):,} lines of {path.name} are rejected, the first one for: {rejected[0]}."


def _make_landing_file(path: Path, feed: Feed) -> LandingFile:
    return make_landing_file(feed, path.name, path, path.stat())


def _read_text(path: Path) -> tuple[str, str]:
    """Return the first block of a file's text, up to its last complete line, and its encoding."""
    file_load = FileLoad()
    try:
        with closing(read_blocks(_make_landing_file(path, make_sample_feed("csv")), file_load)) as blocks:
            block, is_all = next(blocks, b""), next(blocks, None) is None
    except ChangingFileError:
        raise UnreadableFileError("the file is changing") from None
    text = block.decode("utf-8", errors="replace")
    return text if is_all else text[: text.rfind("\n") + 1] or text, file_load.encoding or "utf-8"


def _make_sample(path: Path, file_format: FileFormat, settings: dict[str, Any]) -> RecordSample:
    records = _read_records(path, file_format, settings)
    if not records:
        raise UnreadableFileError("the file has no records")
    return RecordSample(file_format, records, settings)


def _read_records(path: Path, file_format: FileFormat, settings: dict[str, Any]) -> list[Record]:
    """Read the first records of a file as the loader reads them, without damaged ones."""
    records: list[Record] = []
    row_count = 0
    feed = make_sample_feed(file_format, **settings)
    try:
        with closing(read_records(_make_landing_file(path, feed), FileLoad())) as chunks:
            for chunk in chunks:
                table = chunk.table.slice(0, MAX_SAMPLE_RECORDS - row_count)
                row_count += len(table)
                if file_format == "csv":
                    rows = [fields for fields in table["fields"].to_pylist() if fields is not None]
                    # Damaged rows lack their last fields.
                    min_width = min(len(chunk.header), mode(map(len, rows))) if rows else 0
                    rows = [fields for fields in rows if len(fields) >= min_width]
                    records += [dict(zip(chunk.header, map(str.strip, fields), strict=False)) for fields in rows]
                else:
                    values = map(parse_json, table["text"].to_pylist())
                    records += [value for value in values if isinstance(value, dict)]
                if row_count >= MAX_SAMPLE_RECORDS:
                    break
    except ChangingFileError:
        raise UnreadableFileError("the file is changing") from None
    return records


# -- Excel ------------------------------------------------------------------------------------------------------------


def _read_sheets(path: Path) -> list[RecordSample]:
    samples = []
    with path.open("rb") as opened:
        with explain_damage():
            sheets = open_workbook(opened).worksheets
        for number, sheet in enumerate(sheets):
            settings: dict[str, Any] = {"sheet": sheet.title} if number else {}
            sample = RecordSample("excel", [], settings, part=f"sheet '{sheet.title}'")
            samples.append(sample)
            rows = [
                (row_number, ["" if value is None else str(value) for value in values])
                for row_number, values in islice(read_sheet_rows(sheet), MAX_LINES)
            ]
            if rows and (layout := find_layout(rows)).width > 1:
                settings |= layout.settings
                sample.doubts += layout.doubts
                sample.records = _read_records(path, "excel", settings)
    return samples


# -- JSON -------------------------------------------------------------------------------------------------------------


def _read_json_samples(path: Path, text: str) -> list[RecordSample]:
    records = _read_records(path, "jsonl", {}) if text.lstrip().startswith("{") else []
    if len(records) > 1 or (records and _is_event_or_order(records[0])):
        return [RecordSample("jsonl", records)]
    document = records[0] if records else _parse_start(text)
    samples = []
    for keys, found_records, key_name in _find_records(document):
        settings: dict[str, Any] = {"records": format_json_path(keys)} if keys else {}
        settings |= {"record_key": key_name} if key_name else {}
        part = f"records under {format_json_path(keys)}" if keys else ""
        samples.append(RecordSample("json", found_records[:MAX_SAMPLE_RECORDS], settings, part=part))
    if samples or records:
        return samples or [RecordSample("jsonl", records)]
    raise UnreadableFileError("the JSON is damaged, or has no list of objects")


def _is_event_or_order(record: Record) -> bool:
    """Return whether a single object is an event or order with a list, not a document with a list of records."""
    own_values = {key: value for key, value in record.items() if not isinstance(value, list)}
    columns = guess_columns(RecordSample("jsonl", [own_values]), "events")
    return any(isinstance(value, list) for value in record.values()) and (
        "transaction_id" in columns or "user_id" in columns or "id" in record
    )


def _parse_start(text: str) -> Any:
    """Parse a JSON document, or the complete values of its start."""
    document = parse_json(text)
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
    return parse_json(text[:position] + last_complete) if last_complete else None


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
