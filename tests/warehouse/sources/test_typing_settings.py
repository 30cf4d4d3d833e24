"""The settings that the SQL reads: where it finds the names of conditions and keys."""

import json
from typing import Any

import pytest

from warehouse.sources.declaration import Sources
from warehouse.sources.typing_settings import build_feed_row

EVENTS: dict[str, Any] = {
    "files": "*.jsonl",
    "format": "jsonl",
    "columns": {
        "event_id": "$.message.id",
        "user_id": "user",
        "product_id": "$.items.sku",
        "event_type": "type",
        "event_at": "at",
    },
}
LINES: dict[str, Any] = {
    "files": "lines.csv",
    "format": "csv",
    "columns": {"transaction_id": "order", "product_id": "sku"},
    "join": {"files": "orders.csv", "columns": {"transaction_id": "id", "user_id": "who", "purchased_at": "at"}},
}


def build_settings(feed: str, **feeds: dict[str, Any]) -> dict[str, Any]:
    """Build the settings of one of the declared feeds."""
    sources = Sources.model_validate({"feeds": feeds})
    settings: dict[str, Any] = json.loads(build_feed_row(sources, sources.feeds[feed])[-1])
    return settings


def test_event_id_is_default_key() -> None:
    assert build_settings("events", events=EVENTS)["key"] == [{"column": "event_id"}]
    (place,) = build_settings("events", events=EVENTS | {"key": "session", "null_values": "none"})["key"]
    assert place == {"keys": ["session"], "null_words": ["none"]}
    assert "key" not in build_settings("events", events=EVENTS | {"key": []})
    assert "key" not in build_settings("events", events=EVENTS | {"duplicates": "keep"})


def test_unnested_feeds_with_key_have_item_numbers() -> None:
    """All items of an event have its id."""
    settings = build_settings("events", events=EVENTS | {"unnest": "$.items"})
    assert (settings["key"], settings["item_number"]) == ([{"column": "event_id"}], "_item")
    assert "item_number" in build_settings("events", events=EVENTS | {"unnest": "$.items", "key": "session"})
    assert "item_number" not in build_settings("events", events=EVENTS | {"unnest": "$.items", "key": []})
    assert "item_number" not in build_settings("events", events=EVENTS)


@pytest.mark.parametrize("value", ["-1", "-1.0"])
def test_values_of_conditions_have_spellings(value: str) -> None:
    """Programs write integers as floats where a column has missing values."""
    conditions = {"is_return": {"status": [value, "1.5", "v1.0", "1.", "2026-01-31"]}}
    assert build_settings("purchases", purchases=LINES | conditions)["is_return"] == [
        {"keys": ["status"], "values": ["-1", "-1.0", "1.5", "v1.0", "1.", "2026-01-31", "2026-01-31 00:00:00"]}
    ]


def test_conditions_find_joined_columns() -> None:
    conditions = {"where": {"order": "1", "who": "u1", "state": "paid"}}
    assert build_settings("purchases", purchases=LINES | conditions)["where"] == [
        {"column": "transaction_id", "values": ["1", "1.0"]},
        {"column": "user_id", "values": ["u1"]},
        {"keys": ["state"], "values": ["paid"]},
    ]


def test_missing_value_of_condition_includes_null_words() -> None:
    conditions = {"where": {"parent": ["", "x"]}, "leave_out": {"state": "none"}}
    settings = build_settings("events", events=EVENTS | conditions | {"null_values": ["null", "none"]})
    assert settings["where"] == [{"keys": ["parent"], "values": ["", "x", "null", "none"]}]
    assert settings["leave_out"] == [{"keys": ["state"], "values": ["none"]}]


def test_path_of_mapped_key_is_its_column() -> None:
    settings = build_settings("events", events=EVENTS | {"where": {"$.user": "u1"}})
    assert settings["where"] == [{"column": "user_id", "values": ["u1"]}]


def test_joined_files_have_null_words_of_feed() -> None:
    settings = build_settings("purchases.join", purchases=LINES | {"null_values": {"user_id": "unknown"}})
    assert settings["null_words"]["user_id"] == ["unknown"]
