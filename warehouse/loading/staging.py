"""From records to raw rows, in SQL: parse the text, pick the mapped columns by name, keep the rest as JSON."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from warehouse.sources import COLUMNS, Feed, json_keys

PARSED = "parsed_records"
"""Temporary table: path, load_id, line, text, error, values_ (the mapped columns in table order), extra."""

COUNT_ROWS = f"""
    select path, count(*) filter (error is null), count(*) filter (error is not null)
    from {PARSED}
    group by path
"""


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _list(items: Iterable[str]) -> str:
    return "[" + ", ".join(items) + "]"


def _json_pointer(keys: Sequence[str]) -> str:
    return _literal("".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys))


def _nested(keys: Sequence[str], value: Any) -> Any:
    """The value as the only one inside objects of these keys."""
    return _nested(keys[:-1], {keys[-1]: value}) if keys else value


def _are_objects(keys: Sequence[str]) -> str:
    """Whether an object lies at every step of the way in JSON `rest`."""
    steps = (_json_pointer(keys[: depth + 1]) for depth in range(len(keys)))
    return " and ".join(f"json_type(rest, {step}) = 'OBJECT'" for step in steps) or "true"


def _removals(paths: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Expressions that turn JSON `rest` into the same without the values under the paths, to be applied in turn.

    A merge patch makes an object of whatever it finds on the way, so what lies deeper is removed only where objects are
    on the way; an object that has lost its last key goes with it.
    """
    by_parent: dict[tuple[str, ...], list[str]] = {}
    for path in paths:
        by_parent.setdefault(path[:-1], []).append(path[-1])
    for parent, keys in sorted(by_parent.items(), key=lambda item: -len(item[0])):
        removal = _literal(json.dumps(_nested(parent, dict.fromkeys(keys))))
        yield f"case when {_are_objects(parent)} then json_merge_patch(rest, {removal}) else rest end"
        for depth in range(len(parent), 0, -1):
            emptied = f"json_extract(rest, {_json_pointer(parent[:depth])})::varchar = '{{}}'"
            removal = _literal(json.dumps(_nested(parent[: depth - 1], {parent[depth - 1]: None})))
            condition = f"{_are_objects(parent[: depth - 1])} and {emptied}"
            yield f"case when {condition} then json_merge_patch(rest, {removal}) else rest end"


def _parse_json(feed: Feed) -> str:
    paths = {column: json_keys(name) for column, name in feed.columns.items()}
    places = {column: place for place, column in enumerate(paths, start=1)}
    values = _list(f"found[{places[column]}]" if column in paths else "null" for column in COLUMNS[feed.kind])
    removals = list(_removals(dict.fromkeys(paths.values())))
    steps = "".join(
        f"""
        rest_{number} as (
            select * exclude (rest), {removal} as rest,
            from rest_{number - 1}
        ),
        """
        for number, removal in enumerate(removals, start=1)
    )
    return f"""
        with checked as (
            select
                path,
                load_id,
                line,
                text,
                case
                    when error is not null then error
                    when not json_valid(text) then 'the line is no valid JSON'
                    when json_type(text) <> 'OBJECT' then 'the JSON value is no object'
                end as error,
            from records
        ),

        rest_0 as (
            select
                *,
                case
                    when error is null then json_extract_string(text, {_list(map(_json_pointer, paths.values()))})
                end as found,
                case when error is null then text end as rest,
            from checked
        ),
        {steps}
        final as (
            select
                path,
                load_id,
                line,
                rtrim(text, chr(13) || chr(10)) as text,
                error,
                {values} as values_,
                case when error is null then nullif(rest::varchar, '{{}}') end as extra,
            from rest_{len(removals)}
        )

        from final
    """


def _parse_csv(feed: Feed, header: tuple[str, ...]) -> str:
    def field(name: str) -> str:
        return f"fields[{header.index(name) + 1}]" if name in header else "null"

    values = _list(field(feed.columns[column]) if column in feed.columns else "null" for column in COLUMNS[feed.kind])
    undeclared = [name for name in header if name not in feed.columns.values()]
    pairs = ", ".join(f"{_literal(name)}, nullif({field(name)}, '')" for name in undeclared)
    extra = f"case when error is null then json_object({pairs})::varchar end" if undeclared else "null"
    return f"select path, load_id, line, text, error, {values}::varchar[] as values_, {extra} as extra, from records"


def stage(connection: duckdb.DuckDBPyConnection, feed: Feed, header: tuple[str, ...], records: pa.Table) -> None:
    """Parse records of one feed and header into the temporary table `parsed_records`.

    `records` has path, load_id, line, text, error and, for CSV, fields.
    """
    connection.register("records", records)
    query = _parse_csv(feed, header) if feed.format == "csv" else _parse_json(feed)
    connection.execute(f"create or replace temp table {PARSED} as {query}")
    connection.unregister("records")


def insert_staged(connection: duckdb.DuckDBPyConnection, feed: Feed) -> None:
    """Move the staged records to the feed's raw table and the broken ones to `raw.rejected_rows`."""
    columns = COLUMNS[feed.kind]
    values = ", ".join(f"values_[{place}]" for place in range(1, len(columns) + 1))
    connection.execute(
        f"""
        insert into raw.{feed.kind} ({", ".join(columns)}, _extra, _feed, _file, _line, _load_id)
        select {values}, extra, $feed, path, line, load_id
        from {PARSED}
        where error is null
        """,
        {"feed": feed.name},
    )
    connection.execute(
        f"""
        insert into raw.rejected_rows (feed, path, line, text, error)
        select $feed, path, line, text, error
        from {PARSED}
        where error is not null
        """,
        {"feed": feed.name},
    )


def note_columns(connection: duckdb.DuckDBPyConnection, feed: Feed, header: tuple[str, ...], first_path: str) -> None:
    """Remember every column name that the staged records had, and whether the feed declares it."""
    declared = set(feed.columns.values())
    if feed.format == "csv":
        seen = dict.fromkeys(header, first_path)
    else:
        rows = connection.execute(
            f"""
            select key, min(path)
            from (select path, unnest(json_keys(extra)) as key from {PARSED} where extra is not null)
            group by key
            """
        ).fetchall()
        seen = {**dict(rows), **dict.fromkeys(declared, first_path)}
    connection.executemany(
        """
        insert into raw.seen_columns (feed, column_name, is_declared, first_path)
        values (?, ?, ?, ?)
        on conflict do update set is_declared = excluded.is_declared
        """,
        [(feed.name, name, name in declared, path) for name, path in sorted(seen.items())],
    )
