"""A shop for tests: a landing folder, a sources file with three feeds, and an empty warehouse."""

from pathlib import Path
from typing import Any

import yaml

from warehouse.database import open_reader
from warehouse.settings import Settings

EVENTS_JSONL: dict[str, Any] = {
    "files": "events/*",
    "format": "jsonl",
    "columns": {"user_id": "user", "product_id": "item", "event_type": "type", "event_at": "time"},
}

PURCHASES_CSV: dict[str, Any] = {
    "files": "purchases/*",
    "format": "csv",
    "columns": {"product_id": "sku", "purchased_at": "when", "user_id": "who", "quantity": "qty"},
}

PRODUCTS_JSON: dict[str, Any] = {
    "files": "catalog/*",
    "format": "json",
    "records": "data.items",
    "columns": {"product_id": "id", "product_name": "name", "price": "price"},
}


class Shop:
    """A landing folder, its sources file and its warehouse."""

    def __init__(self, root: Path) -> None:
        self.landing = root / "landing"
        self.landing.mkdir()
        self.settings = Settings(
            warehouse=root / "warehouse", landing=self.landing, sources=root / "sources.yml", settle_seconds=0
        )
        self.declare(events=EVENTS_JSONL, purchases=PURCHASES_CSV, products=PRODUCTS_JSON)

    def declare(self, **feeds: dict[str, Any]) -> None:
        """Write the sources file."""
        self.settings.sources.write_text(yaml.safe_dump({"feeds": feeds}), encoding="utf-8")

    def put(self, path: str, content: str | bytes) -> Path:
        """Write a landing file."""
        file = self.landing / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def query(self, query: str) -> list[tuple[Any, ...]]:
        """Query the warehouse."""
        with open_reader(self.settings) as connection:
            return connection.execute(query).fetchall()

    def read_contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """Read the content of the loader's tables, without load ids and times."""
        row_tables = ("events", "purchases", "products", "impressions", "recommendation_lists", "served_lists")
        other_tables = ("rejected_rows", "seen_columns", "feeds")
        return {
            **{table: self.query(f"select * exclude _load_id from raw.{table} order by all") for table in row_tables},
            **{table: self.query(f"select * from raw.{table} order by all") for table in other_tables},
            "loaded_files": self.query(
                "select * exclude (loaded_at, load_id, changed_ns) from raw.loaded_files order by all"
            ),
        }
