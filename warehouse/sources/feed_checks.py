"""Checks of a feed's declaration: settings that are wrong, or that contradict each other."""

import codecs
import re
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import duckdb

from warehouse.sources.columns import (
    RAW_COLUMNS,
    REQUIRED_COLUMNS,
    VISITOR_COLUMNS,
    Constant,
    get_source_names,
    normalize_value,
    split_json_path,
)
from warehouse.sources.feed_settings import FORMATS_BY_SETTING, KINDS_BY_SETTING, FeedSettings
from warehouse.sources.rest_api import Api
from warehouse.sources.row_checks import check_path, check_rows
from warehouse.sql_text import quote_literal

NO_QUOTE = "none"
"""Value of `quote` which declares that quotes are ordinary characters."""

LINE_END_CHARS = "\r\n"

NAMED_TIMESTAMP_FORMATS = ("iso", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns")


def check_feed(feed: FeedSettings) -> None:
    """Check the settings of a feed.

    Raises:
        ValueError: A setting is wrong or contradicts another; the message begins with the setting's name.
    """
    _check_columns(feed)
    _check_files(feed)
    _check_format_and_kind(feed)
    _check_text_format(feed)
    _check_records(feed)
    _check_times(feed)
    _check_numbers(feed)
    check_rows(feed)
    if feed.keep_days and feed.join:
        raise ValueError(
            "keep_days: the rows of joined files have no time of their own. Join the files before they land, or delete "
            "old files by a program of your own"
        )
    _check_availability(feed)
    interval = feed.expected_every
    if interval is not None and not re.fullmatch("[1-9][0-9]{0,4}[hd]", interval):
        raise ValueError(f"expected_every: '{interval}' is no number of hours or days. Write it like 6h or 1d")
    if feed.api:
        _check_api(feed, feed.api)


def _check_columns(feed: FeedSettings) -> None:
    columns = RAW_COLUMNS[feed.kind]
    for column in feed.columns:
        if column not in columns:
            raise ValueError(
                f"columns.{column}: unknown column. The columns of a feed of {feed.kind} are {', '.join(columns)}"
            )
    for column in REQUIRED_COLUMNS[feed.kind]:
        if column not in (*feed.columns, *feed.joined_columns) and not feed.joined_to:
            raise ValueError(
                f"columns.{column}: it is not mapped. A feed of {feed.kind} needs it, here or in join.columns"
            )
    if feed.kind == "impressions" and not set(VISITOR_COLUMNS).intersection(feed.columns):
        raise ValueError(
            "columns.user_id: neither user_id nor session_id is mapped. A feed of impressions needs one of them"
        )
    if feed.columns and all(isinstance(source, Constant) for source in feed.columns.values()):
        raise ValueError("columns: every column is a constant. Map a column of the files")
    if feed.is_json:
        for column, source in feed.columns.items():
            for name in get_source_names(source):
                check_path(name, f"columns.{column}")


def _check_files(feed: FeedSettings) -> None:
    for pattern in feed.files:
        parts = Path(pattern).parts
        if not "".join(parts).strip() or Path(pattern).is_absolute() or ".." in parts:
            raise ValueError(
                f"files: '{pattern}' is not a glob inside the landing folder. Write it like 'events/*.csv'"
            )
        if any("**" in part and part != "**" for part in parts):
            raise ValueError(
                f"files: '{pattern}': ** matches folders and must be a whole path part, as in 'events/**/*.csv'"
            )


def _check_format_and_kind(feed: FeedSettings) -> None:
    """Check that the feed's format and kind can have its settings."""
    for setting, formats in FORMATS_BY_SETTING.items():
        if feed.format not in formats and _is_declared(feed, setting):
            raise ValueError(f"{setting}: only a feed of format {' or '.join(formats)} can have it. Remove it")
    for setting, kinds in KINDS_BY_SETTING.items():
        if not feed.is_log and feed.kind not in kinds and _is_declared(feed, setting):
            raise ValueError(f"{setting}: only a feed of {' or '.join(kinds)} can have it. Remove it")


def _is_declared(feed: FeedSettings, setting: str) -> bool:
    value = getattr(feed, setting)
    return bool(value != FeedSettings.model_fields[setting].get_default(call_default_factory=True))


def _check_text_format(feed: FeedSettings) -> None:
    if feed.encoding and not _is_supported_encoding(feed.encoding):
        raise ValueError(f"encoding: Python has no text encoding '{feed.encoding}'")
    if feed.names and len(set(feed.names)) < len(feed.names):
        raise ValueError("names: a name occurs twice. Give every column a name of its own")
    if feed.delimiter is not None and (len(feed.delimiter) != 1 or feed.delimiter in LINE_END_CHARS + '"'):
        raise ValueError(
            'delimiter: it must be one character that is not a quote or line end. Write a tab as "\\t", in double '
            "quotes"
        )
    quote = None if feed.quote == NO_QUOTE else feed.quote
    if quote is not None and (len(quote) != 1 or quote in LINE_END_CHARS or quote == feed.delimiter):
        raise ValueError(f"quote: {quote!r} is not `none` or one character other than the delimiter")
    if feed.escape is not None:
        if len(feed.escape) != 1 or feed.escape in {feed.delimiter, quote or '"', *LINE_END_CHARS}:
            raise ValueError(
                f"escape: {feed.escape!r} is not one character other than the delimiter and the quote. A doubled quote "
                "needs no escape"
            )
        if feed.quote == NO_QUOTE:
            raise ValueError("escape: quote: none means that there are no quoted fields. Remove one of the two")


def _check_records(feed: FeedSettings) -> None:
    if feed.record_key and feed.record_key.startswith("$."):
        raise ValueError("record_key: it is the name that the keys of the records get, not a path. Write a name")
    if feed.records is not None and feed.records.startswith("$."):
        check_path(feed.records, "records")
    for name in (feed.unnest, *feed.key_values):
        if name:
            setting = "unnest" if name == feed.unnest else "key_values"
            check_path(name, setting)
            # Writing into an item of a list would replace the list.
            if any(key.isdigit() for key in split_json_path(name)):
                raise ValueError(f"{setting}: '{name}' leads into an item of a list. Unnest the outer list")
    for name in feed.key_values if feed.unnest else ():
        if split_json_path(str(feed.unnest))[: len(split_json_path(name))] == split_json_path(name):
            raise ValueError(f"key_values: '{name}' has the list that is unnested. Unnest it, or read it as an object")


def _check_times(feed: FeedSettings) -> None:
    if not _is_time_zone(feed.time_zone):
        raise ValueError(
            f"time_zone: '{feed.time_zone}' is not an IANA time zone. Write it like {ZoneInfo('Europe/Paris')}"
        )
    for timestamp_format in feed.timestamp_formats:
        if problem := _find_format_problem(timestamp_format):
            raise ValueError(f"timestamp_formats: '{timestamp_format}': {problem}")


def _check_numbers(feed: FeedSettings) -> None:
    if feed.thousands == feed.decimal:
        raise ValueError(f"thousands: '{feed.thousands}' is the decimal mark. Declare the other one as decimal")
    if feed.price_divisor and not {"price", "line_total"}.intersection((*feed.columns, *feed.joined_columns)):
        raise ValueError("price_divisor: columns do not map price or line_total. Map one, or remove the divisor")


def _check_availability(feed: FeedSettings) -> None:
    if feed.availability.available + feed.availability.unavailable and "is_available" not in feed.columns:
        raise ValueError("availability: columns do not map is_available. Map it, or remove the values")
    available = {normalize_value(value) for value in feed.availability.available}
    for value in feed.availability.unavailable:
        if normalize_value(value) in available:
            raise ValueError(f"availability: '{value}' is a value of both available and unavailable")


def _check_api(feed: FeedSettings, api: Api) -> None:
    if feed.format != "jsonl" or codecs.lookup(feed.encoding or "utf-8").name != "utf-8":
        raise ValueError("format: records from an api are written as jsonl in utf-8. Declare that format")
    folder, _, name = feed.files[0].rpartition("/")
    if name.count("*") != 1 or set(folder + name) & set("?[") or "*" in folder:
        raise ValueError(
            f"files: '{feed.files[0]}' does not name the file to write the api's records to. The first glob needs "
            "one * in the file's name, in place of the time, as in 'catalog/*.jsonl'"
        )
    if api.id_column is None and feed.kind != "products":
        raise ValueError(f"api.id_column: it must be given for a feed of {feed.kind}")
    if api.id_column is None and not isinstance(feed.columns["product_id"], str):
        raise ValueError("api.id_column: it must be given, because product_id is not one name")


def _find_format_problem(timestamp_format: str) -> str | None:
    """Describe why DuckDB cannot use a timestamp format, or return None."""
    if timestamp_format in NAMED_TIMESTAMP_FORMATS:
        return None
    try:
        duckdb.cursor().execute(f"select try_strptime('', {quote_literal(timestamp_format)})").fetchall()
    except duckdb.Error as error:
        return str(error).splitlines()[0]
    names = ", ".join(NAMED_TIMESTAMP_FORMATS)
    return None if "%" in timestamp_format else f"it is not {names} or a strptime format"


# The list of all time zones takes 10 ms, which every feed of a shop would pay.
@cache
def _is_time_zone(time_zone: str) -> bool:
    if time_zone not in available_timezones():
        return False
    try:
        duckdb.cursor().execute("select timezone(?, timestamp '2000-01-01')", [time_zone]).fetchall()
    except duckdb.Error:
        return False
    return True


def _is_supported_encoding(encoding: str) -> bool:
    """Return whether Python has this text encoding and can skip undecodable bytes in it."""
    try:
        "".encode(encoding)
        codecs.getincrementaldecoder(encoding)("surrogateescape").decode(b"", final=True)
    except (LookupError, UnicodeError):
        return False
    return True
