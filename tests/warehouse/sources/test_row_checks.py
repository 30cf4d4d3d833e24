"""Settings of rows that contradict each other or have no effect are refused."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from warehouse.errors import RecomartError
from warehouse.sources.yaml_file import read_sources


def write_feed(folder: Path, name: str, feed: dict[str, Any]) -> Path:
    path = folder / "sources.yml"
    path.write_text(yaml.safe_dump({"feeds": {name: feed}}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("where: {s: A}, leave_out: {s: a}", "where.s: leave_out has the same values"),
        ("is_return: {s: A}, leave_out: {s: [a, b]}", "is_return.s: leave_out has the same values"),
        ("is_return: {s: A}, where: {s: b}", "is_return.s: where excludes these rows"),
        ("fill_down: ''", "fill_down: it must"),
        ("cancelled_transaction_prefix: ''", "cancelled_transaction_prefix: it must"),
        ("cancelled_transaction_prefix: C", "cancelled_transaction_prefix: columns do not map transaction_id"),
        ("join: {files: b, columns: {user_id: u}}, where: {$.a.b: x}", "where.$.a.b: the feed has format csv"),
        ("join: {files: a, columns: {user_id: u}}", "join.files: they are the feed's own files"),
        ("join: {files: b, columns: {user_id: {value: x}, price: p}}", "join.columns: no column is in both mappings"),
        ("format: jsonl, fill_down: g, unnest: a", "fill_down: with unnest, the items"),
        ("format: jsonl, fill_down: g, key: $.a.b", "key: fill_down reads no nested values"),
        ("format: jsonl, unnest: l, key: _item", "unnest: with a key, each item gets its number"),
        ("format: jsonl, unnest: $.a.b, key_values: a", "key_values: 'a' has the list that is unnested"),
        ("kind: events, event_types: {view: x}", "event_types: event_type is a constant"),
    ],
)
def test_settings_without_effect_fail(tmp_path: Path, settings: str, message: str) -> None:
    columns = {"product_id": "p", "user_id": "u", "purchased_at": "t"}
    feed = {"kind": "purchases", "files": "a", "format": "csv", "columns": columns}
    declared = yaml.safe_load(f"{{{settings}}}")
    if declared.get("kind") == "events":
        del columns["purchased_at"]
        feed["columns"] = columns | {"event_at": "t", "event_type": {"value": "view"}}
    path = write_feed(tmp_path, "till", feed | declared)
    with pytest.raises(RecomartError, match=re.escape(f"feeds.till.{message}")):
        read_sources(path)


def test_fill_down_of_products_needs_name(tmp_path: Path) -> None:
    feed = {"files": "a", "format": "csv", "columns": {"product_id": "p"}, "fill_down": "g"}
    path = write_feed(tmp_path, "products", feed)
    with pytest.raises(RecomartError, match=r"feeds\.products\.fill_down: without product_name"):
        read_sources(path)
