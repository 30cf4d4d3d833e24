"""Ids of products, which can also be ids of customers."""

from collections.abc import Sequence

import duckdb

from warehouse.loading.cleaned_ids import build_cleaned_id
from warehouse.sources.columns import RAW_COLUMNS


def find_product_ids(connection: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> set[str]:
    """Return which of the cleaned ids are ids of products in the raw tables."""
    kinds = [kind for kind, columns in RAW_COLUMNS.items() if "product_id" in columns]
    products = " union ".join(f"select distinct product_id from raw.{kind}" for kind in kinds)
    query = f"select {build_cleaned_id('product_id')} as id from ({products}) where list_contains($ids, id)"
    return {row[0] for row in connection.execute(query, {"ids": list(ids)}).fetchall()} if ids else set()
