"""Columns of the raw tables, and the names in a shop's files that fill them."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

import duckdb
from pydantic import BeforeValidator, Discriminator, Field, Tag

from warehouse.sources.rest_api import DeclarationModel

FeedKind = Literal["events", "purchases", "products", "impressions", "recommendation_lists", "served_lists"]

LOG_KINDS: tuple[FeedKind, ...] = ("recommendation_lists", "served_lists")
"""Kinds of the files that RecoMart writes itself: its feeds are built in, and a shop cannot declare one."""

SHOP_KINDS: tuple[FeedKind, ...] = tuple(kind for kind in get_args(FeedKind) if kind not in LOG_KINDS)
"""Kinds of the files of shops."""

EventType = Literal["view", "click", "add_to_cart", "remove_from_cart", "purchase"]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)

PRODUCT_ATTRIBUTES = ("product_name", "category", "brand")
MONEY_COLUMNS = ("quantity", "price", "line_total", "currency")

RAW_COLUMNS: Mapping[FeedKind, tuple[str, ...]] = {
    "events": (
        *("event_id", "user_id", "product_id", "event_type", "event_at", "device", "session_id", "transaction_id"),
        *(*MONEY_COLUMNS, *PRODUCT_ATTRIBUTES),
    ),
    "purchases": (
        *("transaction_id", "user_id", "product_id", *MONEY_COLUMNS, "purchased_at", "device", *PRODUCT_ATTRIBUTES),
    ),
    "products": (
        *("product_id", *PRODUCT_ATTRIBUTES, "price", "currency", "popularity_score", "is_available", "updated_at"),
        *("margin", "product_url", "image_url"),
    ),
    "impressions": (
        *("impression_id", "user_id", "session_id", "product_id", "placement", "position", "seen_at"),
        "recommendation_id",
    ),
    "recommendation_lists": (
        *("user_id", "placement", "published_at", "experiment", "arm", "run_id", "product_ids", "sources"),
        *("reason_keys", "propensities", "publication", "list_hash"),
    ),
    "served_lists": (
        *("recommendation_id", "served_at", "user_id", "session_id", "placement", "experiment", "arm", "run_id"),
        *("product_ids", "is_fallback"),
    ),
}
"""The columns of each raw table that a mapping can fill, in table order."""

REQUIRED_COLUMNS: Mapping[FeedKind, tuple[str, ...]] = {
    "events": ("user_id", "product_id", "event_type", "event_at"),
    "purchases": ("product_id", "purchased_at"),
    "products": ("product_id",),
    "impressions": ("product_id", "seen_at"),
    "recommendation_lists": ("user_id", "placement", "published_at", "product_ids"),
    "served_lists": ("recommendation_id", "served_at", "product_ids"),
}
"""The columns that the mapping of a feed must have."""

VISITOR_COLUMNS = ("user_id", "session_id")
"""The columns of which the mapping of a feed of impressions must have one."""

ID_COLUMNS = (
    *("user_id", "product_id", "transaction_id", "session_id", "event_id", "impression_id", "recommendation_id"),
)
"""Columns with ids, which are cleaned alike."""

ROW_ID_COLUMNS: Mapping[FeedKind, str] = {"events": "event_id", "impressions": "impression_id"}
"""The column with the id of a row, which is its key where it is mapped and no other key is declared."""

TIME_COLUMNS: Mapping[FeedKind, str] = {
    "events": "event_at",
    "purchases": "purchased_at",
    "products": "updated_at",
    "impressions": "seen_at",
    "recommendation_lists": "published_at",
    "served_lists": "served_at",
}
"""The column with the time of a row."""

TYPED_VIEWS: Mapping[FeedKind, str] = {
    kind: f"staging.stg_{'log' if kind in LOG_KINDS else 'shop'}__{kind}" for kind in RAW_COLUMNS
}
"""The view of each kind in which dbt has typed the raw rows."""

NUMBER_COLUMNS = ("quantity", "price", "line_total", "popularity_score", "margin", "position")
"""Columns whose texts follow the feed's marks of decimals and thousands; numbers of JSON do not."""

PATH_STEP_PATTERN = re.compile(r"\.(?:(\w+)|(\"(?:[^\"\\]|\\.)*\"))")


def split_json_path(name: str) -> tuple[str, ...]:
    """Split a JSON path such as `$.product.id` or `$."product.v2".id` into keys; any other name is one key.

    Raises:
        ValueError: The name begins with `$.` and is not a path.
    """
    if not name.startswith("$."):
        return (name,)
    keys, position = [], 1
    while position < len(name):
        step = PATH_STEP_PATTERN.match(name, position)
        if not step:
            hint = ". For each item of a list, declare unnest" if name.startswith("[", position) else ""
            raise ValueError(f"'{name}' is not a path of keys. Write it like $.product.id or $.\"product.v2\".id{hint}")
        keys.append(step[1] or str(json.loads(step[2])))
        position = step.end()
    return tuple(keys)


def format_json_path(keys: Sequence[str]) -> str:
    """Return a path of keys as the sources file has it."""
    return "$" + "".join(
        f".{key}" if re.fullmatch(r"\w+", key) else f".{json.dumps(key, ensure_ascii=False)}" for key in keys
    )


def normalize_value(value: str) -> str:
    """Return a declared value as the SQL compares it: trimmed, and in the lower case of DuckDB."""
    # Python's lower case differs, for example for İ and Σ.
    # Threads that share a connection would get each other's results, so each call uses its own cursor.
    normalized: str = duckdb.cursor().execute(r"select lower(trim(?, e' \t\r\n'))", [value]).fetchall()[0][0]
    return normalized


def wrap_in_list(value: Any) -> Any:
    """Return a list or tuple unchanged, and any other value as a list of one."""
    return value if isinstance(value, list | tuple) else [value]


OneOrMany = Annotated[tuple[str, ...], BeforeValidator(wrap_in_list), Field(min_length=1)]

FileValues = Annotated[tuple[str, ...], BeforeValidator(wrap_in_list)]
"""Values as the files have them. YAML reads yes, NO, 007 and 1.10 as other values, so these need quotes."""


class Constant(DeclarationModel):
    """A column with the same value in every row."""

    value: str
    """The value, written as a file would have it."""


def _get_source_tag(source: Any) -> str:
    if isinstance(source, dict | Constant):
        return "[constant]"
    return "[names]" if isinstance(source, list | tuple) else "[name]"


ColumnSource = Annotated[
    Annotated[str, Tag("[name]")]
    | Annotated[tuple[str, ...], Field(min_length=1), Tag("[names]")]
    | Annotated[Constant, Tag("[constant]")],
    Discriminator(_get_source_tag),
]
"""What fills a column: a name in the files, several names whose values are joined by blanks, or a constant."""


def get_source_names(source: ColumnSource) -> tuple[str, ...]:
    """Return the names in the files that fill a column; none for a constant."""
    if isinstance(source, Constant):
        return ()
    return (source,) if isinstance(source, str) else source
