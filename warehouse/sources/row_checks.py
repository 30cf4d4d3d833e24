"""Checks of the settings that select, identify and group the rows of a feed."""

from warehouse.sources.columns import Constant, get_source_names, normalize_value, split_json_path
from warehouse.sources.feed_settings import ITEM_NUMBER_NAME, FeedSettings

CONDITIONS = ("where", "leave_out", "is_return")


def check_rows(feed: FeedSettings) -> None:
    """Check the conditions, the key and the groups of a feed, and the words that its rows are compared with.

    Raises:
        ValueError: A setting is wrong or contradicts another; the message begins with the setting's name.
    """
    if feed.joined_to:
        return
    if isinstance(feed.null_values, dict):
        for column in feed.null_values:
            if column not in feed.columns and column not in feed.joined_columns:
                raise ValueError(f"null_values.{column}: columns do not map it. Map it, or remove the list")
    _check_conditions(feed)
    _check_key(feed)
    if feed.fill_down is not None:
        _check_fill_down(feed, feed.fill_down)
    _check_event_types(feed)
    if feed.cancelled_transaction_prefix and "transaction_id" not in (*feed.columns, *feed.joined_columns):
        raise ValueError(
            "cancelled_transaction_prefix: columns do not map transaction_id. Map it, or remove the prefix"
        )


def check_path(name: str, setting: str) -> None:
    """Check a name in JSON records.

    Raises:
        ValueError: The name begins like a path and is none.
    """
    try:
        split_json_path(name)
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None


def _check_conditions(feed: FeedSettings) -> None:
    for setting in CONDITIONS:
        for name, values in getattr(feed, setting).items():
            _check_name(feed, name, f"{setting}.{name}")
            if not values:
                raise ValueError(f"{setting}.{name}: it has no value. List the values")
            for column in [column for column, source in feed.columns.items() if source == name]:
                missing_words = set(feed.get_null_words(column)).intersection(map(normalize_value, values))
                if missing_words and "" not in values:
                    raise ValueError(
                        f"{setting}.{name}: '{min(missing_words)}' is a missing value of {column}. Write \"\" for all "
                        "missing values, or declare null_values without it"
                    )
    for setting, other in (("where", "leave_out"), ("is_return", "leave_out")):
        for name, values in getattr(feed, setting).items():
            if set(map(normalize_value, values)) <= set(map(normalize_value, getattr(feed, other).get(name, ()))):
                raise ValueError(f"{setting}.{name}: {other} has the same values, so no row is left. Remove one")
    for name, values in feed.is_return.items():
        if name in feed.where and set(map(normalize_value, values)).isdisjoint(map(normalize_value, feed.where[name])):
            raise ValueError(f"is_return.{name}: where excludes these rows. Add the values to where.{name}")


def _check_key(feed: FeedSettings) -> None:
    for name in feed.key or ():
        _check_name(feed, name, "key")
    if feed.key and feed.duplicates == "keep":
        raise ValueError("duplicates: with a key, rows of the same key are one row. Remove key or duplicates")
    names = (*feed.mapped_names, *feed.where, *feed.leave_out, *feed.is_return, *(feed.key or ()))
    if feed.has_item_numbers and ITEM_NUMBER_NAME in names:
        raise ValueError(
            f"unnest: with a key, each item gets its number as {ITEM_NUMBER_NAME}. Read no other value of it"
        )


def _check_fill_down(feed: FeedSettings, group_name: str) -> None:
    _check_name(feed, group_name, "fill_down")
    if feed.unnest:
        raise ValueError("fill_down: with unnest, the items of a record have its values. Remove one")
    if feed.kind == "products" and "product_name" not in (*feed.columns, *feed.joined_columns):
        raise ValueError("fill_down: without product_name, no row shows that it begins a product. Map product_name")
    names = [(f"{setting}.{name}", name) for setting in CONDITIONS for name in getattr(feed, setting)]
    for setting, name in (*names, *(("key", name) for name in feed.key or ())):
        if feed.is_json and len(split_json_path(name)) > 1:
            raise ValueError(f"{setting}: fill_down reads no nested values. Remove one")


def _check_event_types(feed: FeedSettings) -> None:
    if feed.event_types and isinstance(feed.columns.get("event_type"), Constant):
        raise ValueError("event_types: event_type is a constant. Remove one")
    if feed.kind != "events" and "purchases" in feed.carries:
        raise ValueError("carries: only a feed of events can carry purchases. Remove it")
    type_by_alias: dict[str, str] = {}
    for alias, event_type in feed.event_aliases:
        if type_by_alias.setdefault(alias, event_type) != event_type:
            raise ValueError(f"event_types: '{alias}' is a name of both {type_by_alias[alias]} and {event_type}")


def _check_name(feed: FeedSettings, name: str, setting: str) -> None:
    """Check that the SQL can read a name in the files: alone in a column, or among the undeclared ones."""
    if feed.is_json:
        check_path(name, setting)
    elif feed.join and name.startswith("$."):
        raise ValueError(f"{setting}: the feed has format csv, so the path is not read in joined files either. Map it")
    for column, source in feed.columns.items():
        if name in get_source_names(source) and not isinstance(source, str):
            raise ValueError(f"{setting}: columns.{column} joins it with others. Map it alone, or use another column")
        if feed.is_json and isinstance(source, str):
            keys, mapped_keys = split_json_path(name), split_json_path(source)
            if len(keys) > len(mapped_keys) and keys[: len(mapped_keys)] == mapped_keys:
                raise ValueError(f"{setting}: columns.{column} maps the object around it. Map a value in it")
