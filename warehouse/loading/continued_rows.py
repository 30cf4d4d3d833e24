"""SQL of the groups of rows that `fill_down` declares, as dbt's macro `filled_down_rows` finds them.

One difference: a time that cannot be read begins a group here, because times are only read by dbt.
"""

from collections.abc import Sequence

from warehouse.loading.cleaned_ids import build_cleaned_id
from warehouse.loading.raw_rows import build_json_pointer
from warehouse.sources.columns import ID_COLUMNS, TIME_COLUMNS, split_json_path
from warehouse.sources.declaration import Feed
from warehouse.sql_text import quote_literal


def build_assigned_users(feed: Feed, rows: str) -> str:
    """Build the query of file, line and customer of raw events or purchases, with the customers of groups."""
    return f"""
        with blocks as (
            select
                _file,
                _line,
                {_build_column(feed, "user_id")} as user_id,
                {_build_group_value(feed)} as own_group_value,
                {build_block_number(build_is_group_start(feed))} as block_number,
            from ({rows})
        ),

        group_values as (
            select _file, block_number, min(_line) as first_line, max(own_group_value) as group_value,
            from blocks
            group by all
        ),

        -- A rejected line can be the first one of another group.
        grouped as (
            select blocks.*, group_values.group_value,
            from blocks
            left join group_values
                on blocks._file = group_values._file
                and blocks.block_number = group_values.block_number
                and not exists (
                    select 1
                    from raw.rejected_rows as rejected
                    where
                        rejected.feed = {quote_literal(feed.name)}
                        and rejected.path = blocks._file
                        and rejected.line between group_values.first_line and blocks._line
                )
        )

        select
            _file, _line,
            coalesce(
                user_id,
                case
                    when group_value is not null
                        then last_value(user_id ignore nulls) over (
                            partition by _file, group_value
                            order by _line rows between unbounded preceding and current row
                        )
                end
            ) as user_id,
        from grouped
    """


def build_is_group_start(feed: Feed) -> str:
    """Build the condition that a raw event or purchase does not continue the group of the row before it."""
    time_column = TIME_COLUMNS[feed.kind]
    values = [_build_group_value(feed), *([_build_column(feed, time_column)] if time_column in feed.columns else [])]
    return " or ".join(f"{value} is not null" for value in values)


def build_block_number(is_start: str) -> str:
    """Build the number of the block of rows in its file; a block begins with a row that meets the condition."""
    # A count with a filter takes quadratic time.
    return f"""
        sum(case when {is_start} then 1 else 0 end) over (
            partition by _feed, _file
            order by _line rows between unbounded preceding and current row
        )
    """


def _build_group_value(feed: Feed) -> str:
    """Build the expression of the value by which a raw row names its group; null if it has none."""
    assert feed.fill_down is not None
    for column, source in feed.columns.items():
        if source == feed.fill_down:
            return _build_column(feed, column)
    keys = split_json_path(feed.fill_down) if feed.is_json else (feed.fill_down,)
    text = f"json_extract_string(_extra, {build_json_pointer(keys)})"
    return _build_value(_build_trimmed(text), feed.get_null_words(feed.fill_down))


def _build_column(feed: Feed, column: str) -> str:
    text = build_cleaned_id(column) if column in ID_COLUMNS else _build_trimmed(column)
    return _build_value(text, feed.get_null_words(column))


def _build_trimmed(text: str) -> str:
    return rf"trim({text}, e' \t\r\n')"


def _build_value(text: str, null_words: Sequence[str]) -> str:
    words = ", ".join(map(quote_literal, ("", *null_words)))
    return f"case when lower({text}) not in ({words}) then {text} end"
