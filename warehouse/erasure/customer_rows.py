"""Rows of one customer in the raw tables."""

from collections.abc import Sequence
from contextlib import suppress

import duckdb

from warehouse.database import fetch_first_row
from warehouse.erasure.row_erasure import FileRows, group_by_file
from warehouse.errors import RecomartError
from warehouse.loading.cleaned_ids import (
    MIN_TEXT_LENGTH,
    build_can_have_id,
    build_cleaned_id,
    build_id_pattern,
    build_tokens,
    is_text_searched,
)
from warehouse.loading.continued_rows import build_block_number, build_is_group_start
from warehouse.loading.forgotten_customers import REJECTION_REASON
from warehouse.loading.product_ids import find_product_ids
from warehouse.loading.rejected_customers import RejectedText, filter_by_customer
from warehouse.sources.columns import RAW_COLUMNS, TYPED_VIEWS
from warehouse.sources.declaration import Feed, Sources
from warehouse.sql_text import quote_literal

USER_KINDS = tuple(kind for kind, columns in RAW_COLUMNS.items() if "user_id" in columns)
"""Kinds of feeds whose rows have a customer."""

SESSION_KINDS = ("impressions", "served_lists")
"""Kinds of feeds whose rows can have a session without a customer."""

SESSIONS_QUERY = f"""
    select session_id
    from {TYPED_VIEWS["events"]}
    where
        not is_excluded
        and session_id in (select session_id from {TYPED_VIEWS["events"]} where user_id = $user_id and not is_excluded)
    group by session_id
    having min(user_id) = max(user_id)
"""
"""Query of the sessions of which all events are of one customer, as dbt's table int_session_users has them."""


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
        raise RecomartError(f"not a customer id: '{user_id}' is empty or a null word. Give the id of a customer")
    return cleaned


def find_sessions(connection: duckdb.DuckDBPyConnection, user_id: str) -> list[str]:
    """Find the sessions of a customer by the events; none before the views of schema `staging` are built."""
    with suppress(duckdb.CatalogException):
        rows = connection.execute(SESSIONS_QUERY, {"user_id": user_id}).fetchall()
        return [session_id for (session_id,) in rows]
    return []


def find_raw_rows(
    connection: duckdb.DuckDBPyConnection, user_id: str, sessions: Sequence[str] | None = None
) -> list[FileRows]:
    """Find the rows of a customer: by their own id, by the one that a join or `fill_down` gives them, or by a session.

    `user_id` is cleaned. The views of schema `staging` must be those of the current declaration. `sessions` are the
    sessions of the customer, for rows without a customer; by default they are those of `find_sessions`. An erasure
    finds them first, because it deletes the events.
    """
    sessions = find_sessions(connection, user_id) if sessions is None else sessions
    parameters: dict[str, object] = {"user_id": user_id}
    queries = [
        # Cleaning the ids of millions of lists would take minutes; RecoMart writes them as they are in the tables.
        f"select _feed, _file, _line from raw.{kind} "
        f"where {'user_id' if kind == 'recommendation_lists' else build_cleaned_id('user_id')} = $user_id"
        for kind in USER_KINDS
    ]
    with suppress(duckdb.CatalogException):
        for kind in USER_KINDS:
            view = TYPED_VIEWS[kind]
            connection.execute(f"from {view} limit 0")
            if kind != "recommendation_lists":
                queries.append(f"select _feed, _file, _line from {view} where user_id = $user_id")
            if kind in SESSION_KINDS and sessions:
                queries.append(
                    f"select _feed, _file, _line from {view} "
                    "where user_id is null and session_id in (select unnest($sessions::varchar[]))"
                )
                parameters["sessions"] = list(sessions)
    return group_by_file(connection, " union ".join(queries), parameters)


REJECTED_TEXTS_QUERY = f"""
    select
        feed, path, line, text, [$user_id],
        $is_searched and (regexp_matches(text, $pattern) or list_contains({build_tokens("text")}, $user_id))
    from raw.rejected_rows
    where length($user_id) >= {MIN_TEXT_LENGTH} and {build_can_have_id("text")}
"""


def find_rejected_rows(connection: duckdb.DuckDBPyConnection, sources: Sources, user_id: str) -> list[FileRows]:
    """Find the rejected rows of the customer, by the value of the customer, or the id anywhere in a broken text.

    Numbers and ids of products are not looked for anywhere: they can be in the row of another customer.
    """
    query, parameters = _build_rejected_query(connection, sources, user_id)
    return group_by_file(connection, query, parameters)


def find_rejected_rows_to_erase(
    connection: duckdb.DuckDBPyConnection, sources: Sources, user_id: str
) -> list[FileRows]:
    """Find the rejected rows of the customer, and those of all customers who were forgotten.

    Loads reject the rows of forgotten customers in files that were delivered again. With `fill_down`, the rows that
    continue the group of a rejected row are found too: without it, they would continue the group before.
    """
    query, parameters = _build_rejected_query(connection, sources, user_id)
    query = f"select feed, path, line from raw.rejected_rows where error = $reason union {query}"
    filled_feeds = [feed for feed in sources.feeds.values() if feed.fill_down and feed.kind in USER_KINDS]
    if filled_feeds:
        query = _build_group_query(query, filled_feeds)
    return group_by_file(connection, query, {**parameters, "reason": REJECTION_REASON})


def _build_rejected_query(
    connection: duckdb.DuckDBPyConnection, sources: Sources, user_id: str
) -> tuple[str, dict[str, object]]:
    """Return the query of the rejected rows of the customer, and its parameters."""
    is_searched = is_text_searched(user_id) and not find_product_ids(connection, [user_id])
    parameters = {"user_id": user_id, "pattern": build_id_pattern(user_id), "is_searched": is_searched}
    rows = connection.cursor().execute(REJECTED_TEXTS_QUERY, parameters)
    texts = (RejectedText(*row) for row in iter(rows.fetchone, None))
    found = [(text.feed, text.path, text.line) for text in filter_by_customer(connection, sources.feeds, texts)]
    feeds, paths, lines = map(list, zip(*found, strict=True)) if found else ([], [], [])
    return (
        "select unnest($feeds::varchar[]), unnest($paths::varchar[]), unnest($lines::bigint[])",
        {"feeds": feeds, "paths": paths, "lines": lines},
    )


def _build_group_query(rejected_query: str, feeds: Sequence[Feed]) -> str:
    """Return a query of the rejected rows and, of feeds with `fill_down`, the rows that continue their groups."""
    loaded_rows = [
        f"""
        select
            _feed, _file, _line,
            {build_is_group_start(feed)} as is_start,
            null as is_rejected,
        from raw.{feed.kind}
        where _feed = {quote_literal(feed.name)}
        """
        for feed in feeds
    ]
    return f"""
        with rejected as ({rejected_query}),

        rows as (
            {" union all ".join(loaded_rows)}
            union all
            select feed, path, line, true, true
            from rejected
        ),

        blocks as (
            select *, {build_block_number("is_start")} as block_number,
            from rows
        ),

        marked as (
            select *, bool_or(is_rejected) over (partition by _feed, _file, block_number) as is_found,
            from blocks
        )

        select _feed, _file, _line
        from marked
        where is_found
    """
