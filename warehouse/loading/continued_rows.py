"""SQL expressions of the groups of rows that `fill_down` declares, as dbt's macro `filled_down_rows` finds them."""

from collections.abc import Sequence

from warehouse.loading.raw_rows import build_json_pointer, quote_literal
from warehouse.sources.columns import TIME_COLUMNS, split_json_path
from warehouse.sources.declaration import Feed


def build_group_value(feed: Feed) -> str:
    """Build the expression of the value by which a raw row names its group; null if it has none."""
    assert feed.fill_down is not None
    for column, source in feed.columns.items():
        if source == feed.fill_down:
            return build_value(column, feed.get_null_words(column))
    keys = split_json_path(feed.fill_down) if feed.is_json else (feed.fill_down,)
    return build_value(f"json_extract_string(_extra, {build_json_pointer(keys)})", feed.get_null_words(feed.fill_down))


def build_value(text: str, null_words: Sequence[str]) -> str:
    """Build the expression of a text that is null if it is blank or a word for a missing value."""
    words = ", ".join(map(quote_literal, ("", *null_words)))
    return f"case when lower(trim({text})) not in ({words}) then {text} end"


def build_is_group_start(feed: Feed) -> str:
    """Build the condition that a raw event or purchase does not continue the group of the row before it."""
    own_time = TIME_COLUMNS[feed.kind]
    is_timed = f"{build_value(own_time, feed.get_null_words(own_time))} is not null" if own_time in feed.columns else ""
    return " or ".join(filter(None, (f"{build_group_value(feed)} is not null", is_timed)))


def build_block_number(is_start: str) -> str:
    """Build the number of the block of rows in its file; a block begins with a row that meets the condition."""
    # A count with a filter takes quadratic time.
    return f"""
        sum(case when {is_start} then 1 else 0 end) over (
            partition by _feed, _file
            order by _line rows between unbounded preceding and current row
        )
    """
