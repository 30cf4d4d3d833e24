"""Lists within JSON records: each item becomes a record, and lists of keys and values become objects."""

import json
from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa

from warehouse.loading.raw_rows import (
    JSON_PROBLEM_SQL,
    build_json_pointer,
    build_scientific_texts,
    nest,
)
from warehouse.sources.columns import split_json_path
from warehouse.sources.declaration import Feed
from warehouse.sources.feed_settings import ITEM_NUMBER_NAME
from warehouse.sql_text import quote_literal

MAX_REPETITION_RATIO = 200
"""Maximum bytes of the rows of a record for each byte of it. Each item repeats the rest of the record, so the rows of a
long record with many small items grow with the square of its length."""

MIN_CHECKED_REPEATED_BYTES = 1 << 20
"""Bytes of rows from which on the ratio is checked."""

VALUE_SQL = """
    case
        when json_type(item, '/value') = 'OBJECT'
            then list_filter(json_extract(json_extract(item, '/value'), '$.*'), lambda v: json_type(v) <> 'NULL')[1]
        else json_extract(item, '/value')
    end
"""
"""Expression of the value of an item with a key and a value. An object has a member for each type, as in exports of
Google Analytics, of which one is not null."""

OBJECT_SQL = f"""
    '{{' || array_to_string(
        list_transform(
            items,
            lambda item: to_json(json_extract_string(item, '/key'))::varchar
            || ':'
            || coalesce(({VALUE_SQL})::varchar, 'null')
        ),
        ','
    ) || '}}'
"""
"""Expression of the object that a list of keys and values stands for."""


def has_nested_lists(feed: Feed) -> bool:
    """Return whether the feed declares lists within its records."""
    return bool(feed.unnest or feed.key_values)


def reshape_records(table: pa.Table, feed: Feed, row_count: int) -> pa.Table:
    """Return the records with the declared lists replaced.

    With `unnest`, each item of the list becomes a record, in which the item has the place of the list; `line` is then
    the number of the record in the file, which had `row_count` records before. Where a key needs it, the record gets
    the number of the item.
    """
    rows = replace_lists(table, feed)
    return rows.set_column(0, "line", number_rows(rows, row_count)) if feed.unnest else rows


def number_rows(rows: pa.Table, row_count: int) -> pa.Array:
    """Return the numbers of rows in a file that has `row_count` rows before them."""
    return pa.array(np.arange(row_count + 1, row_count + 1 + len(rows), dtype=np.int64))


def replace_lists(table: pa.Table, feed: Feed) -> pa.Table:
    """Return the records with the declared lists replaced; `line` is that of the record."""
    connection = duckdb.cursor()
    # Offsets of four bytes are too few for texts of more than 2 GiB.
    connection.execute("set arrow_large_buffer_size = true")
    connection.register("records", table)
    result = connection.sql(_build_query(feed)).to_arrow_table()
    connection.unregister("records")
    return pa.table(
        {
            "line": result["line"],
            "text": result["text"].cast(pa.large_string()),
            "error": result["error"].cast(pa.string()),
        }
    )


def _build_query(feed: Feed) -> str:
    unnesting = (
        _build_unnesting(split_json_path(feed.unnest), has_item_numbers=feed.has_item_numbers)
        if feed.unnest
        else "reshaped_0 as (select *, 1 as position from checked)"
    )
    paths = [split_json_path(name) for name in feed.key_values]
    steps = "".join(f", {_build_key_values_step(path, number)}" for number, path in enumerate(paths, start=1))
    return f"""
        with checked as (
            select
                line, error, {JSON_PROBLEM_SQL} is null as is_object,
                case when {JSON_PROBLEM_SQL} is null then {build_scientific_texts("text")} else text end as text,
            from records
        ),

        {unnesting} {steps}

        select line, text, error,
        from reshaped_{len(paths)}
        order by line, position
    """


def _build_unnesting(path: Sequence[str], *, has_item_numbers: bool) -> str:
    """Build the expressions that repeat each record for the items of its list, each in the place of the list."""
    return f"{_build_lists(path)}, {_build_repeated_records(path, has_item_numbers=has_item_numbers)}"


def _build_lists(path: Sequence[str]) -> str:
    """Build the expressions that find the list of each record, and reject a record with too many bytes to repeat."""
    return f"""
        all_lists as (
            select *, case when is_object then json_extract(text, {build_json_pointer(path)}) end as list,
            from checked
        ),

        repetitions as (
            select
                *,
                json_array_length(list) * (strlen(text) - strlen(list::varchar)) as repeated_bytes,
            from all_lists
        ),

        lists as (
            select
                line, text, is_object and not is_too_large as is_object,
                case when is_too_large then null else list end as list,
                case
                    when is_too_large
                        then 'its ' || json_array_length(list) || ' items would repeat its other values: '
                        || repeated_bytes || ' bytes. Map fewer nested lists, or deliver the items as records'
                    else error
                end as error,
            from (
                select
                    *,
                    coalesce(
                        repeated_bytes > {MIN_CHECKED_REPEATED_BYTES}
                        and repeated_bytes > {MAX_REPETITION_RATIO} * strlen(text),
                        false
                    ) as is_too_large,
                from repetitions
            )
        )
    """


def _build_repeated_records(path: Sequence[str], *, has_item_numbers: bool) -> str:
    """Build the expressions that make a record of each item; a record without items remains one."""
    before, after = _split_around_value(path)
    number_before, number_after = _split_around_value([ITEM_NUMBER_NAME])
    number = f", {number_before} || position || {number_after}" if has_item_numbers else ""
    return f"""
        -- The list leaves the record first: a record is repeated for each of its items.
        items as (
            select
                line, error, is_object,
                json_type(list) in ('ARRAY', 'NULL') as is_list,
                case
                    when json_type(list) in ('ARRAY', 'NULL')
                        then json_merge_patch(text, {before} || 'null' || {after})::varchar
                    else text
                end as text,
                case
                    when json_type(list) = 'ARRAY' and json_array_length(list) > 0 then json_extract(list, '$[*]')
                    else ['null'::json]
                end as items,
            from lists
        ),

        numbered as (
            select * exclude (items), unnest(items) as item, generate_subscripts(items, 1) as position,
            from items
        ),

        -- The place of a list that is missing, or is no list, stays as it is.
        reshaped_0 as (
            select
                line, error, is_object, position,
                case
                    when is_list then json_merge_patch(text, {before} || item::varchar || {after}{number})::varchar
                    when is_object then json_merge_patch(text, '{{}}'{number})::varchar
                    else text
                end as text,
            from numbered
        )
    """


def _build_key_values_step(path: Sequence[str], number: int) -> str:
    """Build the expression that reads a list as an object, if each of its items has a key."""
    before, after = _split_around_value(path)
    return f"""
        lists_{number} as (
            select *, case when is_object then json_extract(text, {build_json_pointer(path)}) end as list,
            from reshaped_{number - 1}
        ),

        items_{number} as (
            select *, case when json_type(list) = 'ARRAY' then json_extract(list, '$[*]') end as items,
            from lists_{number}
        ),

        reshaped_{number} as (
            select
                line, error, is_object, position,
                case
                    when
                        items is not null
                        and len(list_filter(items, lambda item: json_extract_string(item, '/key') is null)) = 0
                        then json_merge_patch(text, {before} || {OBJECT_SQL} || {after})::varchar
                    else text
                end as text,
            from items_{number}
        )
    """


def _split_around_value(path: Sequence[str]) -> tuple[str, str]:
    """Return the literals before and after the value in a JSON object with one value under the path."""
    before, after = json.dumps(nest(path, None)).rsplit("null", 1)
    return quote_literal(before), quote_literal(after)
