"""From records to raw rows, in SQL: parse the text, pick the mapped columns by name, keep the rest as JSON."""

import json
from collections.abc import Iterable

import duckdb
import pyarrow as pa

from warehouse.sources import COLUMNS, Feed

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


def _json_pointer(key: str) -> str:
    return _literal("/" + key.replace("~", "~0").replace("/", "~1"))


def _parse_json(feed: Feed, relation: str) -> str:
    pointers = [
        _json_pointer(feed.columns[column]) if column in feed.columns else None for column in COLUMNS[feed.kind]
    ]
    mapped = [pointer for pointer in pointers if pointer]
    places = iter(range(1, len(mapped) + 1))
    values = _list(f"found[{next(places)}]" if pointer else "null" for pointer in pointers)
    removal = _literal(json.dumps(dict.fromkeys(feed.columns.values())))
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
            from {relation}
        ),

        found as (
            select
                *,
                case when error is null then json_extract_string(text, {_list(mapped)}) end as found,
                case when error is null then nullif(json_merge_patch(text, {removal})::varchar, '{{}}') end as extra,
            from checked
        )

        select path, load_id, line, rtrim(text, chr(13) || chr(10)) as text, error, {values} as values_, extra,
        from found
    """


def _take_document_apart(feed: Feed) -> str:
    """The list of a JSON document, one record for each element, every value as it was written."""
    where = _literal(feed.records_path + "[*]")
    return f"""(
        select path, load_id, generate_subscripts(elements, 1) as line, unnest(elements)::varchar as text, error,
        from (select path, load_id, json_extract(text, {where}) as elements, error, from records)
    )"""


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
    match feed.format:
        case "csv":
            query = _parse_csv(feed, header)
        case "jsonl":
            query = _parse_json(feed, "records")
        case "json":
            query = _parse_json(feed, _take_document_apart(feed))
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
        seen = {**dict.fromkeys(declared, first_path), **dict(rows)}
    connection.executemany(
        """
        insert into raw.seen_columns (feed, column_name, is_declared, first_path)
        values (?, ?, ?, ?)
        on conflict do update set is_declared = excluded.is_declared
        """,
        [(feed.name, name, name in declared, path) for name, path in sorted(seen.items())],
    )
