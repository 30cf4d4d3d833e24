"""Try a sources file on the first rows of each feed: what every mapped column becomes."""

from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from pydantic import BaseModel, ConfigDict

from orchestration.dbt_runner import run_dbt
from warehouse.database import open_reader, open_writer
from warehouse.erasure.retention import count_expired_rows
from warehouse.loading.feed_declarations import write_declarations
from warehouse.loading.sample_load import load_sample
from warehouse.settings import Settings
from warehouse.sources.columns import TYPED_VIEWS, ColumnSource, get_source_names
from warehouse.sources.declaration import Feed
from warehouse.sources.yaml_file import read_sources

SAMPLE_ROWS = 1_000

MAX_LISTED_TEXTS = 5
"""Maximum number of texts that were not understood in the report of a column."""


class ColumnCheck(BaseModel):
    """What a mapped column becomes in the first rows of its feed."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    column: str
    name: str
    """The name in the files, or the constant."""

    values: int
    """Rows with a value."""

    missing: int
    """Rows without a text, or with a word for a missing value."""

    not_understood: int
    """Rows with a text that is no value."""

    first: str | None
    """The lowest value: the first time, the lowest number, or the first text in alphabetical order."""

    last: str | None
    """The highest value."""

    texts_not_understood: dict[str, int]
    """The most frequent texts that are no values, with their rows."""


class FeedCheck(BaseModel):
    """The first rows of a feed."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    feed: str
    rows: int
    excluded_rows: int
    """Rows that conditions and ignored event types exclude; the columns do not count them."""

    keep_days: int | None
    expired_rows: int
    """Rows that are older than `keep_days`, which a run erases."""

    rejected_lines: int
    first_error: str | None
    """Error of the first rejected line or file."""

    columns: list[ColumnCheck]


def check_sources(settings: Settings) -> list[FeedCheck]:
    """Load the first rows of each feed into a temporary warehouse, type them, and report every mapped column.

    Raises:
        RecomartError: The sources file is wrong, contradicts the files, or dbt failed.
    """
    sources = read_sources(settings.sources)
    with TemporaryDirectory() as folder:
        trial_settings = settings.model_copy(
            update={"warehouse": Path(folder), "landing": settings.landing_dir, "sources": settings.sources}
        )
        with open_writer(trial_settings) as connection:
            errors = load_sample(connection, sources, trial_settings, SAMPLE_ROWS)
            write_declarations(connection, sources, [])
        run_dbt(trial_settings, "run", "--select", "staging.shop")
        with open_reader(trial_settings) as connection:
            return [
                _check_feed(connection, feed, sources.feeds.get(f"{name}.join"), errors.get(name))
                for name, feed in sources.shop_feeds.items()
            ]


def _check_feed(
    connection: duckdb.DuckDBPyConnection, feed: Feed, joined_feed: Feed | None, file_error: str | None
) -> FeedCheck:
    ((rows, rejected_lines, first_error),) = connection.execute(
        """
        select
            (select coalesce(sum(rows_loaded), 0) from raw.loaded_files where feed = $feed),
            (select count(*) from raw.rejected_rows where feed = $feed),
            (
                select min_by(path || ', line ' || line || ': ' || error, (path, line)) from raw.rejected_rows
                where feed = $feed
            )
        """,
        {"feed": feed.name},
    ).fetchall()
    sources = {**(joined_feed.columns if joined_feed else {}), **feed.columns}
    # Rows of joined files are typed as part of the rows that they are joined with.
    columns = [
        _check_column(connection, feed, *column, has_currency="currency" in sources)
        for column in (() if feed.joined_to else sources.items())
    ]
    ((excluded_rows,),) = connection.execute(
        f"select count(*) from {TYPED_VIEWS[feed.kind]} where _feed = ? and is_excluded", [feed.name]
    ).fetchall()
    return FeedCheck(
        feed=feed.name,
        rows=rows,
        excluded_rows=excluded_rows,
        keep_days=feed.keep_days,
        expired_rows=count_expired_rows(connection, feed),
        rejected_lines=rejected_lines,
        first_error=first_error or file_error,
        columns=columns,
    )


def _check_column(
    connection: duckdb.DuckDBPyConnection, feed: Feed, column: str, source: ColumnSource, *, has_currency: bool
) -> ColumnCheck:
    raw_rows, typed_rows = f"raw.{feed.kind}", TYPED_VIEWS[feed.kind]
    value, text = _build_expressions(column, has_currency=has_currency)
    words = {"words": ["", *feed.get_null_words(column)]}
    connection.execute(
        f"""
        create or replace temp table texts as
        select {text} as text, {value} as value
        from {raw_rows} as raw_rows
        inner join {typed_rows} as typed_rows
            on raw_rows._load_id = typed_rows._load_id and raw_rows._line = typed_rows._line
        where raw_rows._feed = $feed and not typed_rows.is_excluded
        """,
        {"feed": feed.name},
    )
    is_missing = "coalesce(lower(trim(text)), '') in (select unnest($words::varchar[]))"
    ((values, missing, first, last),) = connection.execute(
        f"""
        select
            count(value), count(*) filter (where value is null and {is_missing}),
            min(value)::varchar, max(value)::varchar
        from texts
        """,
        words,
    ).fetchall()
    unread_texts = connection.execute(
        f"select text, count(*) from texts where value is null and not {is_missing} group by text order by 2 desc, 1",
        words,
    ).fetchall()
    return ColumnCheck(
        column=column,
        name=" ".join(get_source_names(source)) or "(constant)",
        values=values,
        missing=missing,
        not_understood=sum(count for _, count in unread_texts),
        first=first,
        last=last,
        texts_not_understood=dict(unread_texts[:MAX_LISTED_TEXTS]),
    )


def _build_expressions(column: str, *, has_currency: bool) -> tuple[str, str]:
    """Return the SQL expressions of a column's value and of the text that it was read from."""
    value, text = f"typed_rows.{column}", f"raw_rows.{column}"
    match column:
        case "device":
            value = "nullif(typed_rows.device, 'unknown')"
        case "line_total":
            value = "typed_rows.price * coalesce(typed_rows.quantity, 1)"
        case "currency":
            value = "case when typed_rows.unreadable_currency is null then typed_rows.currency end"
            # The currency of a row without a price is not read.
            text = "coalesce(typed_rows.unreadable_currency, typed_rows.currency)"
    if column in ("price", "line_total") and has_currency:
        # A price in a currency without an exchange rate is null; the currency is what was not understood.
        text = f"case when typed_rows.unreadable_currency is null then {text} end"
    return value, text
