"""Insert records into the raw tables: SQL parses the text, selects the mapped columns and keeps the rest as JSON."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.loading.column_names import MAX_COLUMNS
from warehouse.sources.columns import (
    ID_COLUMNS,
    NUMBER_COLUMNS,
    RAW_COLUMNS,
    TIME_COLUMNS,
    ColumnSource,
    Constant,
    split_json_path,
)
from warehouse.sources.declaration import Feed
from warehouse.sql_text import quote_literal

REJECTED_TABLE = "rejected_records"
"""Temporary table of the records that cannot be loaded: path, line, text, error."""

JSON_PROBLEM_SQL = """
    case
        when error is not null then error
        when not json_valid(text) then 'the line is not valid JSON'
        when not starts_with(text, '{') and json_type(text) <> 'OBJECT' then 'the line is not a JSON object'
    end
"""
"""Expression of why a record cannot be loaded, or null."""

DOCUMENT_HINT_SQL = r"""
    case
        when error is null and (starts_with(text, '[') or trim(text, e' \t\r\n') = '{')
            then '. A list or a document of several lines needs format: json'
        else ''
    end
"""
"""Expression of a hint for a line that shows that the file is not JSON lines."""


MAX_OBJECT_NAMES = 200
"""Maximum number of names in a call of json_object. With few names it takes a seventh of a map's time. Its time grows
with the square of their number: four thousand take 13 seconds."""

SCIENTIFIC_NUMBER_PATTERN = r'([{,]\s*"(?:[^"\\]|\\.)*"\s*:\s*)(-?[0-9]+(?:[.][0-9]+)?[eE])[+]?([0-9]+)'
"""A JSON number in scientific notation, with its key before it."""


def _build_list(items: Iterable[str]) -> str:
    return "[" + ", ".join(items) + "]"


def build_json_pointer(keys: Sequence[str]) -> str:
    """Return the SQL literal of the JSON pointer to the value under the keys."""
    return quote_literal("".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys))


def nest(keys: Sequence[str], value: Any) -> Any:
    """Wrap the value in nested objects, one for each key."""
    return nest(keys[:-1], {keys[-1]: value}) if keys else value


def _build_object_check(keys: Sequence[str]) -> str:
    """Build the condition that JSON `rest` has an object at every step of the path."""
    steps = (build_json_pointer(keys[: depth + 1]) for depth in range(len(keys)))
    return " and ".join(f"json_type(rest, {step}) = 'OBJECT'" for step in steps) or "rest is not null"


def _build_removals(paths: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Build expressions that, applied one after the other, remove the values under the paths from JSON `rest`.

    A merge patch turns every value on the path into an object, so nested values are removed only if all values on the
    path are objects. An object that has no keys left is removed too.
    """
    by_parent: dict[tuple[str, ...], list[str]] = {}
    for path in paths:
        by_parent.setdefault(path[:-1], []).append(path[-1])
    for parent, keys in sorted(by_parent.items(), key=lambda item: -len(item[0])):
        removal = quote_literal(json.dumps(nest(parent, dict.fromkeys(keys))))
        yield f"case when {_build_object_check(parent)} then json_merge_patch(rest, {removal}) else rest end"
        for depth in range(len(parent), 0, -1):
            emptied = f"json_extract(rest, {build_json_pointer(parent[:depth])})::varchar = '{{}}'"
            removal = quote_literal(json.dumps(nest(parent[: depth - 1], {parent[depth - 1]: None})))
            condition = f"{_build_object_check(parent[: depth - 1])} and {emptied}"
            yield f"case when {condition} then json_merge_patch(rest, {removal}) else rest end"


def build_scientific_texts(text: str) -> str:
    """Build the expression of JSON in which numbers in scientific notation are texts such as "8.85E+12".

    DuckDB would read such a number as 8850000000000.0, which does not show that it was rounded.
    """
    return rf"""regexp_replace({text}, {quote_literal(SCIENTIFIC_NUMBER_PATTERN)}, '\1"\2+\3"', 'g')"""


def _build_values(feed: Feed, build_field: Callable[[str, str], str]) -> list[str]:
    """Build the expressions of the raw columns; `build_field` builds that of a column's name in the files."""

    def build_value(column: str, source: ColumnSource) -> str:
        if isinstance(source, Constant):
            return quote_literal(source.value)
        if isinstance(source, str):
            return build_field(column, source)
        # A spreadsheet writes a date as midnight. Before a time of day, that is no time.
        dates = (f"regexp_replace({build_field(column, name)}, '[T ]00:00:00([.]0+)?$', '')" for name in source)
        fields = ", ".join(f"nullif({date}, '')" for date in dates)
        return f"nullif(concat_ws(' ', {fields}), '')"

    return [
        build_value(column, feed.columns[column]) if column in feed.columns else "null"
        for column in RAW_COLUMNS[feed.kind]
    ]


def _build_json_query(feed: Feed, common_keys: Sequence[str]) -> str:
    """Build the query of raw rows from JSON records.

    A record with exactly `common_keys`, in this order, has no undeclared keys, so its `rest` is null.
    """
    paths = {name: split_json_path(name) for name in feed.mapped_names}
    indexes = {name: index for index, name in enumerate(paths, start=1)}

    def build_field(column: str, name: str) -> str:
        field, pointer = f"mapped[{indexes[name]}]", build_json_pointer(paths[name])
        if column in (*ID_COLUMNS, *TIME_COLUMNS.values()):
            # Rewriting the text of every record would take longer than reading it.
            exact = f"json_extract_string({build_scientific_texts('text')}, {pointer})"
            is_possibly_scientific = f"suffix({field}, '.0') or ({field} < ':' and contains({field}, 'e'))"
            return f"case when {is_possibly_scientific} then {exact} else {field} end"
        if column in NUMBER_COLUMNS and feed.decimal == ",":
            # In a feed with a decimal comma, a text 1.125 has a separator of thousands, and 1.1250 has none.
            is_ambiguous = f"regexp_full_match({field}, '-?[1-9][0-9]{{0,2}}[.][0-9]{{3}}')"
            is_text = f"json_type(text, {pointer}) = 'VARCHAR'"
            return f"case when {is_ambiguous} and not {is_text} then {field} || '0' else {field} end"
        return field

    values = _build_values(feed, build_field)
    removals = list(_build_removals(dict.fromkeys(paths.values())))
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
        with rest_0 as (
            select
                *,
                json_extract_string(text, {_build_list(map(build_json_pointer, paths.values()))}) as mapped,
                case
                    when json_keys(text) is distinct from {_build_list(map(quote_literal, common_keys))} then text
                end as rest,
            from records
            where {JSON_PROBLEM_SQL} is null
        ),

        {steps}
        final as (
            select {", ".join(values)}, nullif(rest::varchar, '{{}}') as extra, path, line, load_id,
            from rest_{len(removals)}
        )

        from final
    """


def _find_common_keys(connection: duckdb.DuckDBPyConnection, feed: Feed, records: pa.Table) -> list[str]:  # noqa: ARG001
    """Return the keys of one record if all of them are declared: comparing keys costs half of removing them."""
    query = f"select json_keys(text) from records where {JSON_PROBLEM_SQL} is null limit 1"
    rows = connection.execute(query).fetchall()
    declared_keys = {keys[0] for keys in map(split_json_path, feed.mapped_names) if len(keys) == 1}
    return rows[0][0] if rows and declared_keys.issuperset(rows[0][0]) else []


def _build_csv_query(feed: Feed, header: tuple[str, ...]) -> str:
    positions = {name: position for position, name in enumerate(header, start=1)}
    values = _build_values(feed, lambda _, name: f"fields[{positions[name]}]" if name in positions else "null")
    mapped_names = set(feed.mapped_names)
    undeclared = {name: position for name, position in positions.items() if name not in mapped_names}
    if not undeclared:
        extra = "null"
    elif len(undeclared) <= MAX_OBJECT_NAMES:
        pairs = ", ".join(f"{quote_literal(name)}, nullif(fields[{place}], '')" for name, place in undeclared.items())
        extra = f"json_object({pairs})::varchar"
    else:
        fields = f"list_select(fields, {_build_list(map(str, undeclared.values()))})"
        texts = f"list_transform({fields}, lambda field: nullif(field, ''))"
        extra = f"to_json(map({_build_list(map(quote_literal, undeclared))}, {texts}))::varchar"
    return f"select {', '.join(values)}, {extra}, path, line, load_id from records where error is null"


def insert_records(
    connection: duckdb.DuckDBPyConnection, feed: Feed, header: tuple[str, ...], records: pa.Table
) -> dict[str, tuple[int, int]]:
    """Insert records of one feed and header into the feed's raw table, and broken records into `raw.rejected_rows`.

    `records` has path, load_id, line, text, error and, for CSV, fields. Returns the number of rows loaded and of rows
    rejected by path.
    """
    # DuckDB reads the variable `records`. It would keep registered tables in memory until the transaction ends.
    if feed.format == "csv":
        problem, rows = "error", _build_csv_query(feed, header)
    else:
        problem, rows = JSON_PROBLEM_SQL, _build_json_query(feed, _find_common_keys(connection, feed, records))
    hint = DOCUMENT_HINT_SQL if feed.format == "jsonl" else "''"
    connection.execute(
        f"""
        create or replace temp table {REJECTED_TABLE} as
        select path, line, rtrim(text, chr(13) || chr(10)) as text, problem || {hint} as error
        from (select *, {problem} as problem from records)
        where problem is not null
        """
    )
    connection.execute(
        f"""
        insert into raw.{feed.kind} ({", ".join(RAW_COLUMNS[feed.kind])}, _extra, _file, _line, _load_id, _feed)
        select *, {quote_literal(feed.name)}
        from ({rows})
        """
    )
    connection.execute(
        f"insert into raw.rejected_rows (feed, path, line, text, error) select ?, * from {REJECTED_TABLE}", [feed.name]
    )
    rejected_counts = dict(connection.execute(f"select path, count(*) from {REJECTED_TABLE} group by path").fetchall())
    totals = {row["values"]: row["counts"] for row in pc.value_counts(records["path"]).to_pylist()}
    return {
        path: (total - rejected_counts.get(path, 0), rejected_counts.get(path, 0)) for path, total in totals.items()
    }


def save_column_names(
    connection: duckdb.DuckDBPyConnection, feed: Feed, header: tuple[str, ...], records: pa.Table
) -> None:
    """Save every column name of the inserted records, and whether the feed declares it.

    Of a feed, `MAX_COLUMNS` undeclared names are saved: in objects whose keys are ids, every record has another one.
    """
    declared_names = {*feed.mapped_names, *feed.condition_names}
    first_path = records["path"][0].as_py()
    if feed.format == "csv":
        first_paths = dict.fromkeys(header, first_path)
    else:
        rows = connection.execute(
            f"""
            select key, min(_file)
            from (
                select _file, unnest(json_keys(_extra)) as key
                from raw.{feed.kind}
                where _load_id between ? and ? and _extra is not null
            )
            group by key
            """,
            [*pc.min_max(records["load_id"]).as_py().values()],
        ).fetchall()
        first_paths = {**dict(rows), **dict.fromkeys(feed.mapped_names, first_path)}
    saved_count, saved_names = connection.execute(
        "select count(*), list(column_name) from raw.seen_columns where feed = ?", [feed.name]
    ).fetchall()[0]
    new_names = sorted(first_paths.keys() - declared_names - set(saved_names or ()))
    excess_names = new_names[max(0, MAX_COLUMNS - saved_count) :]
    names = sorted(first_paths.keys() - set(excess_names))
    # One statement: twenty thousand single ones take gigabytes.
    connection.execute(
        """
        insert into raw.seen_columns (feed, column_name, is_declared, first_path)
        select ?, unnest(?::varchar[]), unnest(?::boolean[]), unnest(?::varchar[])
        on conflict do update set
            is_declared = excluded.is_declared,
            first_path = least(first_path, excluded.first_path)
        """,
        [feed.name, names, [name in declared_names for name in names], [first_paths[name] for name in names]],
    )


def read_undeclared_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Read the saved names that no feed declares, by feed."""
    rows = connection.execute(
        """
        select feed, list(column_name order by column_name)
        from raw.seen_columns
        where not is_declared
        group by feed
        order by feed
        """
    ).fetchall()
    return dict(rows)


def find_decimal_id_columns(
    connection: duckdb.DuckDBPyConnection, feed: Feed, load_ids: Sequence[int]
) -> dict[int, list[str]]:
    """Find the id columns in which a row of these loads has a number with decimals, such as 10.5; return them by load.

    In such a column, 10.0 is another id than 10; in others it is an integer that a program wrote as a float.
    """
    columns = [column for column in ID_COLUMNS if column in feed.columns]
    if not columns:
        return {}
    # `case` skips the regular expression for almost all values; `and` would evaluate it for all of them.
    checks = (
        f"""
        case
            when bool_or(
                case when contains({column}, '.') then regexp_full_match({column}, '\\s*[0-9]+[.]0*[1-9][0-9]*\\s*') end
            )
                then {quote_literal(column)}
        end
        """
        for column in columns
    )
    rows = connection.execute(
        f"""
        select _load_id, list_filter({_build_list(checks)}, lambda x: x is not null)
        from raw.{feed.kind}
        where _load_id between ? and ? and _feed = ?
        group by _load_id
        """,
        [min(load_ids), max(load_ids), feed.name],
    ).fetchall()
    return dict(rows)
