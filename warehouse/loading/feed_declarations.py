"""The feeds that the warehouse was loaded with, compared with the sources file; raw.feeds and raw.event_aliases."""

import duckdb

from warehouse.database import transaction
from warehouse.errors import RecomartError
from warehouse.formatting import format_count
from warehouse.loading import ledger
from warehouse.settings import Settings
from warehouse.sources.columns import RAW_COLUMNS
from warehouse.sources.declaration import Feed, Sources
from warehouse.sources.typing_settings import build_feed_row, compute_typing_fingerprint


def check_feeds_declared(connection: duckdb.DuckDBPyConnection, sources: Sources, settings: Settings) -> None:
    """Check that the sources file declares every feed that was loaded: a warehouse belongs to one shop.

    Raises:
        RecomartError: The warehouse has files of a feed that the sources file does not declare.
    """
    loaded_feeds = connection.execute("select distinct feed from raw.loaded_files order by feed").fetchall()
    undeclared_feeds = [feed for (feed,) in loaded_feeds if feed not in sources.feeds]
    if undeclared_feeds:
        raise RecomartError(
            f"{settings.sources}: feed {', '.join(undeclared_feeds)} is not declared, but {settings.database} has its "
            "files. Name another warehouse with --warehouse, declare the feed, or delete the database and load again"
        )


def find_feeds_with_changed_kind(connection: duckdb.DuckDBPyConnection, sources: Sources) -> list[Feed]:
    """Find the feeds whose declared kind differs from the kind they were loaded with."""
    kinds = dict(connection.execute("select feed, kind from raw.feeds").fetchall())
    return [feed for feed in sources.feeds.values() if kinds.get(feed.name, feed.kind) != feed.kind]


def check_changed_feeds_present(
    connection: duckdb.DuckDBPyConnection, changed_feeds: list[Feed], present_paths: set[str], settings: Settings
) -> None:
    """Check that all files of feeds with a changed kind are present, because all of their rows are loaded again.

    Raises:
        RecomartError: A file is missing, or no glob of the feed matches it.
    """
    for feed in changed_feeds:
        missing_paths = sorted(set(ledger.read_loaded_files(connection, feed)) - present_paths)
        if missing_paths:
            raise RecomartError(
                f"{settings.sources}: feeds.{feed.name}.kind: the kind was different when {missing_paths[0]} was "
                f"loaded, and that file is no longer in {settings.landing_dir} or no glob of the feed matches it. Put "
                f"back {format_count(len(missing_paths), 'such file')}, or delete {settings.database} and load again"
            )


def write_declarations(connection: duckdb.DuckDBPyConnection, sources: Sources, changed_feeds: list[Feed]) -> None:
    """Write the declarations for the SQL models; delete the rows and ledger entries of feeds with a changed kind."""
    feeds = list(sources.feeds.values())
    loads = ledger.read_feed_loads(connection)
    # An id is the same in all feeds, so all of them are cleaned alike.
    decimal_id_columns = {column for feed_loads in loads.values() for column in feed_loads.decimal_id_columns}
    rows = []
    for feed in feeds:
        row = build_feed_row(sources, feed, decimal_id_columns)
        fingerprint = compute_typing_fingerprint(row, feed, loads[f"{feed.name}.join"].load_ids)
        rows.append((*row, fingerprint, feed.expected_hours, feed.keep_days))
    # A load with nothing new leaves the database file unchanged, so that a run can end after it.
    stored_rows = connection.execute(
        "select feed, typing_fingerprint, expected_hours, keep_days from raw.feeds"
    ).fetchall()
    if set(stored_rows) == {(row[0], *row[-3:]) for row in rows}:
        return
    with transaction(connection):
        for feed in changed_feeds:
            ledger.delete_files(connection, feed, list(ledger.read_loaded_files(connection, feed)), RAW_COLUMNS)
        connection.execute("delete from raw.feeds")
        connection.execute("delete from raw.event_aliases")
        connection.executemany("insert into raw.feeds values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        aliases = [(feed.name, alias, event_type) for feed in feeds for alias, event_type in feed.event_aliases]
        if aliases:
            connection.executemany("insert into raw.event_aliases values (?, ?, ?)", aliases)
