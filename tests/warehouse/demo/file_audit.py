"""An independent audit of the demo shop's files; it uses no code of the generator or of the warehouse."""

import csv
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

PURCHASE_COLUMNS = ["transaction_id", "user_id", "product_id", "quantity", "price", "timestamp"]

AuditResult = tuple[Counter[str], list[dict[str, Any]]]
"""Number of rows of each kind, and the clean rows."""


def read_catalog(landing: Path) -> Iterator[tuple[date, dict[str, Any]]]:
    """Yield every record of the catalog with its delivery date, in the order of the files."""
    for path in sorted((landing / "catalog").rglob("*.json")):
        document = json.loads(path.read_text())
        assert document["pages"] == len(list(path.parent.iterdir()))
        for record in document["products"]:
            yield date.fromisoformat(path.parent.name), record


def read_known_products(landing: Path) -> set[str]:
    return {product for _, record in read_catalog(landing) if (product := _clean_text(record["product_id"]))}


def audit_events(landing: Path) -> AuditResult:
    counts: Counter[str] = Counter()
    known_products, earlier_rows, clean_rows = read_known_products(landing), set(), []
    for path in sorted((landing / "clickstream").iterdir()):
        counts.update(files=1, repeated_files="(1)" in path.name)
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for line in text.decode().splitlines():
            counts["lines"] += 1
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                counts["rejected"] += 1
                continue
            counts["loaded"] += 1
            row = {key: _clean_text(record.get(key)) for key in ("user_id", "product_id", "device", "session_id")}
            row |= {
                "event_type": record["event_type"].strip().lower(),
                "timestamp": _parse_timestamp(record["timestamp"]),
            }
            problems = _check_product(row["product_id"], known_products) | {
                "missing_user": row["user_id"] is None,
                "unknown_event_type": row["event_type"] not in ("view", "click", "add-to-cart"),
                "bad_timestamp": row["timestamp"] is None,
            }
            if _count_row(counts, earlier_rows, tuple(row.values()), problems):
                counts["odd_casing"] += row["event_type"] != record["event_type"]
                counts["late"] += row["timestamp"].date() < date.fromisoformat(path.name[:10])
                clean_rows.append(row | {"has_new_column": "app_version" in record})
    return counts, clean_rows


def audit_purchases(landing: Path) -> AuditResult:
    counts: Counter[str] = Counter()
    known_products, earlier_rows, clean_rows = read_known_products(landing), set(), []
    for path in sorted((landing / "purchases").iterdir()):
        header, *lines = csv.reader(path.read_text().splitlines())
        assert sorted(header) == sorted(PURCHASE_COLUMNS)
        counts.update(files=1, reordered_headers=header != PURCHASE_COLUMNS)
        for fields in lines:
            counts["lines"] += 1
            if len(fields) != len(header):
                counts["rejected"] += 1
                continue
            counts["loaded"] += 1
            record = dict(zip(header, fields, strict=True))
            row = {key: _clean_text(record[key]) for key in ("transaction_id", "user_id", "product_id")}
            row |= {"quantity": _parse_number(record["quantity"]), "price": _parse_number(record["price"])}
            row |= {"timestamp": _parse_timestamp(record["timestamp"])}
            problems = _check_product(row["product_id"], known_products) | {
                "bad_timestamp": row["timestamp"] is None,
                "bad_quantity": not row["quantity"],
                "bad_price": row["price"] is None or row["price"] < 0,
            }
            if _count_row(counts, earlier_rows, tuple(row.values()), problems):
                counts["returns"] += row["quantity"] < 0
                counts["missing_user_kept"] += row["user_id"] is None
                counts["late"] += row["timestamp"].date() < date.fromisoformat(path.stem)
                clean_rows.append(row)
    return counts, clean_rows


def audit_products(landing: Path) -> Counter[str]:
    counts: Counter[str] = Counter(files=len(list((landing / "catalog").rglob("*.json"))))
    latest_values: dict[str | None, tuple[Any, ...]] = {}
    for _, record in read_catalog(landing):
        counts.update(("lines", "loaded"))
        product, price = _clean_text(record["product_id"]), _parse_number(record["price"])
        values = (price, *(record[key] for key in ("name", "category", "brand", "popularity_score", "in_stock")))
        is_repeat = latest_values.get(product) == values
        latest_values[product] = values
        problems = {"missing_product": product is None, "bad_price": price is None or price < 0}
        _count_row(counts, {values} if is_repeat else set(), values, problems)
    return counts


def _count_row(
    counts: Counter[str], earlier_rows: set[tuple[Any, ...]], values: tuple[Any, ...], problems: dict[str, bool]
) -> bool:
    """Count the row as duplicate, quarantined or clean; return whether it is clean."""
    if values in earlier_rows:
        counts["duplicates"] += 1
        return False
    earlier_rows.add(values)
    reasons = [reason for reason, is_present in problems.items() if is_present]
    assert len(reasons) <= 1, "a planted row has at most one kind of dirt"
    counts.update(reasons)
    counts["quarantined" if reasons else "clean"] += 1
    return not reasons


def _check_product(product: str | None, known_products: set[str]) -> dict[str, bool]:
    return {
        "missing_product": product is None,
        "unknown_product": product is not None and product not in known_products,
    }


def _clean_text(value: object) -> str | None:
    """Trim a text; return None for a missing or empty one."""
    return None if value is None else str(value).strip() or None


def _parse_timestamp(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None


def _parse_number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None
