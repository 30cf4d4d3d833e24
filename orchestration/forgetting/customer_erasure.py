"""Erasure of a customer from the landing files, the tables, the dataset versions, the models and the published copies.

Every step finds its work in the data, so the call after a killed one completes it.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress

import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.dbt_runner import lock_build, run_dbt
from orchestration.forgetting.model_erasure import erase_from_models
from orchestration.forgetting.traces import (
    Trace,
    contains_id,
    count_in_file,
    find_mentions,
    find_paths_with_id,
    find_traces,
)
from orchestration.progress import PipelineListener
from orchestration.refusals import list_renewable_reasons, renew_acceptances
from orchestration.steps import build_marts, build_recommendations, publish_copy
from warehouse.database import fetch_first_row, open_ledger_reader, open_reader, open_writer, transaction
from warehouse.erasure.customer_rows import clean_user_id, find_raw_rows, find_rejected_rows_to_erase, find_sessions
from warehouse.erasure.customer_tables import IS_USER_ROW, find_user_tables
from warehouse.erasure.database_rewriting import rewrite_database
from warehouse.erasure.erasure_lock import lock_erasure
from warehouse.erasure.row_erasure import erase_rows, load_present_files
from warehouse.errors import RecomartError, TemporaryError
from warehouse.loading.cleaned_ids import is_text_searched
from warehouse.loading.forgotten_customers import add_forgotten_customer
from warehouse.loading.landing_files import find_feed_files
from warehouse.loading.ledger import delete_files
from warehouse.publishing.live_copy import POINTER_FILE
from warehouse.publishing.publisher import log_live_lists, publish_without_customer
from warehouse.settings import Settings
from warehouse.sources.declaration import Sources
from warehouse.sources.yaml_file import read_sources
from warehouse.sql_text import TableName

DISPOSABLE_FOLDERS = ("logs", "target")
"""Folders of dbt's logs and compiled SQL; a file with the id is deleted."""

MAX_LISTED_PLACES = 5

DEV_DATABASE = "recomart_dev.duckdb"
"""Database of dbt's target `dev`, beside that of `prod`; dbt builds it again."""

LOG = logging.getLogger(__name__)


def check_customer(settings: Settings, user_id: str) -> list[Trace]:
    """Return the places that have the id of a customer; nothing is changed.

    Raises:
        RecomartError: The text is no id of one customer, the warehouse or the landing folder does not exist, or the
            warehouse is in use.
    """
    return find_traces(settings, clean_user_id(_read_sources(settings), user_id))


def forget_customer(settings: Settings, user_id: str, listener: PipelineListener) -> list[Trace]:
    """Erase a customer everywhere, and build and publish the tables without them; return the places that are left.

    From the first step on, each load rejects rows of the customer. When no place has the id, nothing else is done. When
    the tables cannot be built or published, such as after a failed test, the live copy is replaced by a copy of it
    without the customer, and a warning is logged.

    Raises:
        RecomartError: A step failed; the next call continues. The text is no id of one customer, a landing file cannot
            be rewritten, the warehouse or the landing folder does not exist, or the warehouse is in use.
        ModelError: A dataset version or a model is damaged.
        DiskFullError: The disk is full.
    """
    sources = _read_sources(settings)
    user_id = clean_user_id(sources, user_id)
    with lock_erasure(settings):
        is_new = add_forgotten_customer(settings, user_id)
        # An id that no place has, such as a mistyped one, needs no build.
        if is_new and not find_traces(settings, user_id):
            return []
        # The file's time is the erasure number: a training or scoring that began before does not write its result.
        settings.forgotten_customers_file.touch()
        accepted = _read_accepted(settings)
        listener.on_stage("erasing the rows")
        if _erase_rows(settings, sources, user_id):
            # No user has accepted the failures of the delivery.
            accepted = {}
        listener.on_stage("erasing datasets and models")
        erase_from_models(settings, user_id)
        _rebuild(settings, user_id, accepted, listener)
        listener.on_stage("rewriting the database")
        rewrite_database(settings)
        _erase_from_other_files(settings, user_id)
        listener.on_stage("searching for the id")
        return find_traces(settings, user_id)


def has_customers(settings: Settings) -> bool:
    """Return whether the marts, if they are built, have a customer."""
    with open_reader(settings) as connection, suppress(duckdb.CatalogException):
        return fetch_first_row(connection, "select 1 from marts.dim_users limit 1") is not None
    return True


def describe_remaining(settings: Settings, user_id: str, traces: Sequence[Trace]) -> str:
    """Return one line about the places that still have the id after the erasure, with the remedy."""
    user_id = clean_user_id(read_sources(settings.sources), user_id)
    mentions = find_mentions(settings, user_id)
    with open_reader(settings) as connection:
        paths = list(dict.fromkeys(path for _, path in find_paths_with_id(connection, user_id)))
    reasons = []
    if mentions:
        reasons.append(
            f"rows of other customers mention it: {_shorten_list(mentions)}. Correct these lines in the landing files"
        )
    if remedies := [trace.describe() for trace in traces if trace.remedy]:
        reasons.append(_shorten_list(remedies))
    if deleted := [path for path in paths if not (settings.landing_dir / path).exists()]:
        reasons.append(
            f"names of deleted files have it: {_shorten_list(deleted)}. Put the files back under other names"
        )
    if reasons:
        return f"{'; '.join(reasons)}, and call the command again"
    return f"{_shorten_list([trace.place for trace in traces])}. See docs/operations/customer_data.md"


def _shorten_list(texts: Sequence[str]) -> str:
    """Return the first texts, and the number of the others."""
    others = len(texts) - MAX_LISTED_PLACES
    return "; ".join(texts[:MAX_LISTED_PLACES]) + (f"; and {others:,} more" if others > 0 else "")


def _read_sources(settings: Settings) -> Sources:
    """Read the sources file; check that the landing folder and the warehouse exist."""
    sources = read_sources(settings.sources)
    with open_ledger_reader(settings):
        find_feed_files(sources.feeds.values(), settings)
    return sources


def _erase_rows(settings: Settings, sources: Sources, user_id: str) -> bool:
    """Erase the rows of the customer from the landing files and the raw tables.

    Returns whether a new or changed file was loaded.
    """
    with lock_build(settings):
        run_dbt(settings, "run", "--select", "staging.shop", "staging.log")
    loaded_files = _read_loaded_files(settings)
    # Later the log of a killed publication would be written with the customer.
    log_live_lists(settings)
    load_present_files(settings, sources)
    present_files = _read_loaded_files(settings)
    _delete_renamed_files(settings, sources, user_id)
    with open_reader(settings) as connection:
        sessions = find_sessions(connection, user_id)
    erase_rows(
        settings,
        sources,
        find_rows=lambda connection: find_raw_rows(connection, user_id, sessions),
        find_rejected=lambda connection: find_rejected_rows_to_erase(connection, sources, user_id),
    )
    # A file that arrives during the erasure is loaded with the rewritten files.
    return present_files != loaded_files or any(
        lines > present_files.get(file, (0, 0))[1] for file, (_, lines) in _read_loaded_files(settings).items()
    )


def _delete_renamed_files(settings: Settings, sources: Sources, user_id: str) -> None:
    """Delete the rows and entries of files with the id in their path that have another name now."""
    with open_writer(settings) as connection, transaction(connection):
        for feed, path in find_paths_with_id(connection, user_id):
            if (settings.landing_dir / path).exists():
                continue
            connection.execute("delete from raw.rejected_files where feed = ? and path = ?", [feed, path])
            query = """
                select new.path
                from raw.loaded_files as old
                inner join raw.loaded_files as new
                    on old.feed = new.feed and old.checksum = new.checksum and old.path <> new.path
                where old.feed = ? and old.path = ?
            """
            if renamed := fetch_first_row(connection, query, [feed, path]):
                delete_files(connection, sources.feeds[feed], [path])
                connection.execute("update raw.seen_columns set first_path = ? where first_path = ?", [*renamed, path])


def _read_accepted(settings: Settings) -> dict[str, str]:
    """Return the reasons of the accepted failures by test, of those that hold for all loaded rows."""
    try:
        return list_renewable_reasons(settings)
    except TemporaryError:
        raise
    except RecomartError as error:
        # The file is damaged.
        LOG.warning("no acceptance is renewed: %s", error)
        return {}


def _read_loaded_files(settings: Settings) -> dict[tuple[str, str], tuple[int, int]]:
    """Return the load id and the number of lines of the loaded files, by feed and path."""
    with open_reader(settings) as connection:
        rows = connection.execute("select feed, path, load_id, lines from raw.loaded_files").fetchall()
    return {(feed, path): (load_id, lines) for feed, path, load_id, lines in rows}


def _rebuild(settings: Settings, user_id: str, accepted: Mapping[str, str], listener: PipelineListener) -> None:
    """Build the tables that exist without the customer, and publish them if a copy is live.

    `accepted` are the reasons of accepted failures by test: these tests can fail with other rows now.
    """
    with open_writer(settings) as connection:
        for table in find_user_tables(connection):
            _delete_user_rows(connection, table, user_id)
        has_marts = bool(fetch_first_row(connection, "from duckdb_tables() where schema_name = 'marts' limit 1"))
    is_live = (settings.serving_dir / POINTER_FILE).exists()
    try:
        if has_marts:
            listener.on_stage("building the tables")
            _build_tables(settings, accepted, listener)
        if is_live:
            # The earlier copies have the customer too.
            publish_copy(settings.model_copy(update={"serving_copies": 1}), is_empty_allowed=True)
    except TemporaryError:
        raise
    except RecomartError as error:
        if is_live:
            listener.on_stage("erasing the customer from the published copy")
            publish_without_customer(settings, user_id)
        LOG.warning(
            "the customer is erased, also from the published lists, but no new lists are published: %s. `recomart "
            "accept` lists failed tests; `recomart run` publishes new lists when they pass or are accepted",
            error,
        )


def _delete_user_rows(connection: duckdb.DuckDBPyConnection, table: TableName, user_id: str) -> None:
    """Delete the rows of the customer from a table.

    Raises:
        RecomartError: Rows of another table refer to them.
    """
    try:
        connection.execute(f"delete from {table.quoted} where {IS_USER_ROW}", [user_id])
    except duckdb.ConstraintException as error:
        rows = connection.execute(
            """
            select string_agg(schema_name || '.' || table_name, ', ')
            from duckdb_constraints()
            where referenced_table = ? and database_name = current_database()
            """,
            [table.name],
        ).fetchall()
        raise RecomartError(
            f"rows of the customer cannot be deleted: {table}: rows of {rows[0][0]} refer to them. Delete the latter, "
            "or drop their table, and call the command again"
        ) from error


def _build_tables(settings: Settings, accepted: Mapping[str, str], listener: PipelineListener) -> None:
    """Build the tables; accept the failures again of tests that were accepted before the erasure, each test once."""
    whys = dict(accepted)
    for build in (build_marts, build_recommendations):
        while True:
            try:
                build(settings, listener.on_dbt)
                break
            except RecomartError:
                renewed_tests = renew_acceptances(settings, whys)
                if not renewed_tests:
                    raise
                for test in renewed_tests:
                    del whys[test]


def _erase_from_other_files(settings: Settings, user_id: str) -> None:
    """Delete dbt's files with the id, and the customer's row in the truth of the demo shop."""
    dev_database = settings.warehouse / DEV_DATABASE
    if count_in_file(settings, dev_database, user_id):
        dev_database.unlink()
        dev_database.with_name(f"{DEV_DATABASE}.wal").unlink(missing_ok=True)
    for folder in DISPOSABLE_FOLDERS:
        for file in (settings.warehouse / folder).rglob("*"):
            if is_text_searched(user_id) and file.is_file() and contains_id(file, user_id):
                file.unlink()
    for file in settings.demo_truth_dir.glob("user_*.parquet"):
        table = pq.read_table(file)
        pq.write_table(table.filter(pc.not_equal(table["user_id"], user_id)), file)
