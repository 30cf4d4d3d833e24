"""Rows of one customer in the raw tables."""

from contextlib import suppress

import duckdb

from warehouse.database import fetch_first_row
from warehouse.erasure.row_erasure import FileRows, group_by_file
from warehouse.errors import RecomartError
from warehouse.loading.forgotten_customers import REJECTION_REASON, TOKEN_SEPARATORS, build_cleaned_id
from warehouse.sources.columns import RAW_COLUMNS
from warehouse.sources.declaration import Sources

USER_KINDS = tuple(kind for kind, columns in RAW_COLUMNS.items() if "user_id" in columns)
"""Kinds of feeds whose rows have a customer."""


def clean_user_id(sources: Sources, user_id: str) -> str:
    """Return an id as the tables have it.

    Raises:
        RecomartError: The text is no id of one customer.
    """
    with duckdb.connect() as connection:
        row = fetch_first_row(connection, f"select {build_cleaned_id('?::varchar')}", [user_id])
    cleaned = str(row[0]) if row else ""
    null_words = {word for feed in sources.feeds.values() for word in feed.get_null_words("user_id")}
    if not cleaned or cleaned.lower() in null_words:
        raise RecomartError(f"'{user_id}' is the id of no customer. It stands for rows without one")
    return cleaned


def find_raw_rows(connection: duckdb.DuckDBPyConnection, user_id: str) -> list[FileRows]:
    """Find the rows of a customer: by their own id, and by the one that a join or `fill_down` gives them.

    `user_id` is cleaned. The views of schema `staging` must be those of the current declaration.
    """
    queries = [
        f"select _feed, _file, _line from raw.{kind} where {build_cleaned_id('user_id')} = $user_id"
        for kind in USER_KINDS
    ]
    with suppress(duckdb.CatalogException):
        for kind in USER_KINDS:
            connection.execute(f"from staging.stg_shop__{kind} limit 0")
            queries.append(f"select _feed, _file, _line from staging.stg_shop__{kind} where user_id = $user_id")
    return group_by_file(connection, " union ".join(queries), {"user_id": user_id})


def find_rejected_rows(connection: duckdb.DuckDBPyConnection, user_id: str) -> list[FileRows]:
    """Find the rejected rows that have the id as a value in their text."""
    query = f"""
        select feed, path, line
        from raw.rejected_rows
        where
            contains(text, $user_id)
            and list_contains(
                list_transform(
                    regexp_split_to_array(text, '{TOKEN_SEPARATORS}'), lambda token: {build_cleaned_id("token")}
                ),
                $user_id
            )
    """
    return group_by_file(connection, query, {"user_id": user_id})


def find_forgotten_rows(connection: duckdb.DuckDBPyConnection) -> list[FileRows]:
    """Find the rows of forgotten customers that loads rejected: files delivered again still have them."""
    query = "select feed, path, line from raw.rejected_rows where error = $reason"
    return group_by_file(connection, query, {"reason": REJECTION_REASON})
