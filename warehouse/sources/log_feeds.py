"""The built-in feeds: the logs of recommendations that RecoMart writes into the landing folder itself."""

from collections.abc import Mapping
from typing import Any

from warehouse.settings import PUBLISHED_LISTS_FOLDER, SERVED_LISTS_FOLDER
from warehouse.sources.columns import RAW_COLUMNS, FeedKind


def _build_feed(kind: FeedKind, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Build the declaration of a log: its files have the names of the raw table, and no words for missing values."""
    columns = {column: column for column in RAW_COLUMNS[kind]}
    return {"name": kind, "kind": kind, "columns": columns, "null_values": (), **settings}


LOG_FEEDS: Mapping[str, dict[str, Any]] = {
    "recommendation_lists": _build_feed(
        "recommendation_lists", {"files": f"{PUBLISHED_LISTS_FOLDER}/*.parquet", "format": "parquet"}
    ),
    "served_lists": _build_feed(
        "served_lists", {"files": f"{SERVED_LISTS_FOLDER}/*.jsonl", "format": "jsonl", "encoding": "utf-8"}
    ),
}
"""The declarations by the name of the feed, which is that of its kind."""
