"""The settings by which the SQL types the rows of a feed, as rows of raw.feeds."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from warehouse.sources.columns import RAW_COLUMNS, ROW_ID_COLUMNS, ColumnSource, normalize_value, split_json_path
from warehouse.sources.declaration import Feed, Sources
from warehouse.sources.feed_settings import ITEM_NUMBER_NAME
from warehouse.sources.time_zones import find_abbreviations


def build_feed_row(sources: Sources, feed: Feed, decimal_id_columns: Collection[str] = ()) -> tuple[Any, ...]:
    """Build the feed's row of raw.feeds, without the fingerprint.

    `decimal_id_columns` are the id columns in which a loaded file has a number with decimals, such as 10.5.
    """
    return (
        *(feed.name, feed.kind, feed.joined_to),
        *(sources.carries_purchases(feed), "products" in feed.carries, feed.cancelled_transaction_prefix),
        json.dumps(_build_settings(sources, feed, decimal_id_columns), sort_keys=True),
    )


def compute_typing_fingerprint(feed_row: tuple[Any, ...], feed: Feed, joined_load_ids: Collection[int] = ()) -> int:
    """Return the fingerprint of all that decides how the SQL types the feed's rows besides the rows themselves.

    When it changes, the rows are typed again. `joined_load_ids` are the loads of the feed's joined files.
    """
    settings = repr((feed_row, sorted(feed.event_aliases), sorted(joined_load_ids)))
    return int.from_bytes(hashlib.sha256(settings.encode()).digest()[:7], "big")


def _build_settings(sources: Sources, feed: Feed, decimal_id_columns: Collection[str]) -> dict[str, Any]:
    """Build the settings that the macro declared_feeds reads; empty ones are left out."""
    # The values of joined files fill the rows of the feed, so its null words are those of both.
    words_feed = sources.feeds[feed.joined_to] if feed.joined_to else feed
    joined_feed = sources.feeds.get(f"{feed.name}.join") if feed.join else None
    columns = {**(joined_feed.columns if joined_feed else {}), **feed.columns}
    null_words = {column: words_feed.get_null_words(column) for column in RAW_COLUMNS[feed.kind] if column in columns}
    settings = {
        "columns": sorted(columns),
        "time_zone": feed.time_zone,
        "timestamp_formats": feed.timestamp_formats,
        "zone_offsets": find_abbreviations(feed.time_zone),
        "decimal_mark": feed.decimal,
        "thousands": feed.thousands,
        "price_divisor": feed.price_divisor,
        "null_words": {column: words for column, words in null_words.items() if words},
        "decimal_id_columns": sorted(decimal_id_columns),
        "where": _locate_conditions(feed, feed.where, columns),
        "leave_out": _locate_conditions(feed, feed.leave_out, columns),
        "is_return": _locate_conditions(feed, feed.is_return, columns),
        "key": _locate_key(feed, columns),
        "item_number": ITEM_NUMBER_NAME if feed.has_item_numbers else None,
        "keeps_duplicates": feed.duplicates == "keep",
        "available": [normalize_value(value) for value in feed.availability.available],
        "unavailable": [normalize_value(value) for value in feed.availability.unavailable],
        "whole": feed.whole,
        "fill_down": _locate_value(feed, feed.fill_down, columns) if feed.fill_down else None,
        "join_key": _locate_join_key(sources, feed),
        "currency": sources.currency,
        "exchange_rates": sources.exchange_rates,
    }
    return {name: value for name, value in settings.items() if value or value is False}


def _locate_conditions(
    feed: Feed, conditions: Mapping[str, tuple[str, ...]], columns: Mapping[str, ColumnSource]
) -> list[dict[str, Any]]:
    located_conditions = []
    for name, declared_values in conditions.items():
        place = _locate(feed, name, columns)
        values = [spelling for value in declared_values for spelling in _spell_value(normalize_value(value))]
        # Null words of a mapped column are missing values already.
        same_values = feed.get_null_words(name) if "keys" in place and "" in values else ()
        located_conditions.append({**place, "values": list(dict.fromkeys([*values, *same_values]))})
    return located_conditions


def _spell_value(value: str) -> list[str]:
    """Return the spellings of a value.

    Programs write 1 as 1.0 where a column has missing values, and spreadsheets a date as midnight.
    """
    if number := re.fullmatch(r"(-?[0-9]+)([.]0)?", value):
        return [number[1], f"{number[1]}.0"]
    return [value, f"{value} 00:00:00"] if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value) else [value]


def _locate_key(feed: Feed, columns: Mapping[str, ColumnSource]) -> list[dict[str, Any]]:
    if feed.has_default_key:
        return [{"column": ROW_ID_COLUMNS[feed.kind]}]
    return [_locate_value(feed, name, columns) for name in feed.key or ()]


def _locate_join_key(sources: Sources, feed: Feed) -> list[dict[str, Any]]:
    """Return the places of the join key in the rows of a feed, or of its joined files."""
    joining_feed = sources.feeds[feed.joined_to] if feed.joined_to else feed
    return [
        {"column": name} if name in feed.columns else _locate_value(feed, name, feed.columns)
        for name in sources.get_join_names(joining_feed)
    ]


def _locate(feed: Feed, name: str, columns: Mapping[str, ColumnSource]) -> dict[str, Any]:
    """Return the place of a name of the files in a raw row: a column, or the keys of a value in _extra."""
    keys = split_json_path(name) if feed.is_json else (name,)
    for column, source in columns.items():
        if isinstance(source, str) and keys == (split_json_path(source) if feed.is_json else (source,)):
            return {"column": column}
    return {"keys": keys}


def _locate_value(feed: Feed, name: str, columns: Mapping[str, ColumnSource]) -> dict[str, Any]:
    """Return the place of a name whose null words are missing values: those of mapped columns already are."""
    place = _locate(feed, name, columns)
    return place if "column" in place else {**place, "null_words": feed.get_null_words(name)}
