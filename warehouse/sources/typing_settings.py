"""The settings by which the SQL types the rows of a feed, as rows of raw.feeds."""

import hashlib
import json
from collections.abc import Collection
from typing import Any

from warehouse.sources.columns import RAW_COLUMNS, split_json_path
from warehouse.sources.declaration import Feed, Sources
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
    columns = {*feed.columns, *feed.joined_columns}
    null_words = {column: feed.get_null_words(column) for column in RAW_COLUMNS[feed.kind] if column in columns}
    settings = {
        "time_zone": feed.time_zone,
        "timestamp_formats": feed.timestamp_formats,
        "zone_offsets": find_abbreviations(feed.time_zone),
        "decimal_mark": feed.decimal,
        "thousands": feed.thousands,
        "null_words": {column: words for column, words in null_words.items() if words},
        "decimal_id_columns": sorted(decimal_id_columns),
        "where": _locate_conditions(feed, feed.where),
        "leave_out": _locate_conditions(feed, feed.leave_out),
        "is_return": _locate_conditions(feed, feed.is_return),
        "key": _locate_key(feed),
        "keeps_duplicates": feed.duplicates == "keep",
        "available": [value.strip().lower() for value in feed.availability.available],
        "unavailable": [value.strip().lower() for value in feed.availability.unavailable],
        "whole": feed.whole,
        "fill_down": _locate(feed, feed.fill_down) if feed.fill_down else None,
        "join_columns": sources.get_join_columns(feed),
        "currency": sources.currency,
        "exchange_rates": sources.exchange_rates,
    }
    return {name: value for name, value in settings.items() if value or value is False}


def _locate_conditions(feed: Feed, conditions: dict[str, tuple[str, ...]]) -> list[dict[str, Any]]:
    return [
        {**_locate(feed, name), "values": [value.strip().lower() for value in values]}
        for name, values in conditions.items()
    ]


def _locate_key(feed: Feed) -> list[dict[str, Any]]:
    if feed.key is None and feed.duplicates == "drop" and "event_id" in feed.columns:
        return [{"column": "event_id"}]
    return [_locate(feed, name) for name in feed.key or ()]


def _locate(feed: Feed, name: str) -> dict[str, Any]:
    """Return the place of a name of the files in a raw row: a column, or the keys of a value in _extra."""
    for column, source in feed.columns.items():
        if source == name:
            return {"column": column}
    return {"keys": split_json_path(name) if feed.is_json else (name,)}
