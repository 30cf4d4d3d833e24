"""The built-in feeds: the logs of recommendations that RecoMart writes into the landing folder itself."""

from collections.abc import Mapping
from typing import Any

from warehouse.sources.columns import RAW_COLUMNS, FeedKind

LOG_FOLDER = "recommendation_log"
"""Folder of the logs in the landing folder. Globs of the shop's feeds match no file in it."""


def _build_feed(kind: FeedKind, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Build the declaration of a log: its files have the names of the raw table, and no words for missing values."""
    columns = {column: column for column in RAW_COLUMNS[kind]}
    return {"name": kind, "kind": kind, "columns": columns, "null_values": (), **settings}


LOG_FEEDS: Mapping[str, dict[str, Any]] = {
    "recommendation_lists": _build_feed(
        "recommendation_lists",
        {
            "files": f"{LOG_FOLDER}/published/*.parquet",
            "format": "parquet",
            # The hash by which the next publication finds the lists that changed; the warehouse has the lists.
            "dropped_names": ("list_hash",),
        },
    ),
    "served_lists": _build_feed(
        "served_lists", {"files": f"{LOG_FOLDER}/served/*.jsonl", "format": "jsonl", "encoding": "utf-8"}
    ),
}
"""The declarations by the name of the feed, which is that of its kind."""
