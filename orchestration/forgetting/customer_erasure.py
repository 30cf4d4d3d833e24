"""Erasure of a customer from the landing files, the tables, the dataset versions, the models and the published copies.

Every step finds its work in the data, so the call after a killed one completes it.
"""

import logging
from collections.abc import Callable
from contextlib import suppress

import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.dbt_runner import DbtProgress, DbtResult, lock_build, run_dbt
from orchestration.forgetting.model_erasure import erase_from_models
from orchestration.forgetting.traces import Trace, contains_id, find_traces, is_text_searched
from orchestration.progress import PipelineListener
from orchestration.refusals import list_accepted, renew_acceptances
from orchestration.steps import build_marts, build_recommendations, publish_copy
from warehouse.database import fetch_first_row, open_reader, open_writer
from warehouse.erasure.customer_rows import clean_user_id, find_raw_rows, find_rejected_rows_to_erase
from warehouse.erasure.database_rewriting import IS_USER_ROW, find_user_tables, rewrite_database
from warehouse.erasure.erasure_lock import lock_erasure
from warehouse.erasure.row_erasure import erase_rows, load_present_files
from warehouse.errors import RecomartError, TemporaryError
from warehouse.loading.forgotten_customers import add_forgotten_customer
from warehouse.publishing.live_copy import POINTER_FILE
from warehouse.publishing.publisher import publish_without_customer
from warehouse.settings import Settings
from warehouse.sources.declaration import Sources
from warehouse.sources.yaml_file import read_sources

DISPOSABLE_FOLDERS = ("logs", "target")
"""Folders of dbt's logs and compiled SQL; a file with the id is deleted."""

LOG = logging.getLogger(__name__)


def check_customer(settings: Settings, user_id: str) -> list[Trace]:
    """Return the places that have the id of a customer; nothing is changed.

    Raises:
        RecomartError: The text is no id of one customer, or the warehouse is in use.
    """
    return find_traces(settings, clean_user_id(read_sources(settings.sources), user_id))


def forget_customer(settings: Settings, user_id: str, listener: PipelineListener) -> list[Trace]:
    """Erase a customer everywhere, and build and publish the tables without them; return the places that are left.

    From the first step on, each load rejects rows of the customer. When the tables cannot be built or published, such
    as after a failed test, the live copy is replaced by a copy of it without the customer, and a warning is logged.

    Raises:
        RecomartError: A step failed; the next call continues. The text is no id of one customer, a landing file cannot
            be rewritten, or the warehouse is in use.
        ModelError: A dataset version or a model is damaged.
        DiskFullError: The disk is full.
    """
    if not settings.database.exists():
        raise RecomartError(
            f"{settings.database}: the warehouse does not exist. Name its folder with --warehouse, or load the landing "
            "files with `recomart load`, and call the command again"
        )
    sources = read_sources(settings.sources)
    user_id = clean_user_id(sources, user_id)
    with lock_erasure(settings):
        add_forgotten_customer(settings, user_id)
        # The file's time is the erasure number: a training or scoring that began before does not write its result.
        settings.forgotten_customers_file.touch()
        accepted, line_counts = _read_accepted(settings), _read_line_counts(settings)
        listener.on_stage("erasing the rows")
        _erase_rows(settings, sources, user_id)
        if any(count > line_counts.get(file, 0) for file, count in _read_line_counts(settings).items()):
            # The call has loaded a delivery, whose failures no user has accepted.
            accepted = {}
        listener.on_stage("erasing datasets and models")
        erase_from_models(settings, user_id)
        _rebuild(settings, user_id, accepted, listener)
        listener.on_stage("rewriting the database")
        rewrite_database(settings)
        _erase_from_other_files(settings, user_id)
        listener.on_stage("searching for the id")
        return find_traces(settings, user_id)


def _erase_rows(settings: Settings, sources: Sources, user_id: str) -> None:
    """Erase the rows of the customer from the landing files and the raw tables."""
    with lock_build(settings):
        run_dbt(settings, "run", "--select", "staging.shop")
    load_present_files(settings, sources)
    erase_rows(
        settings,
        sources,
        find_rows=lambda connection: find_raw_rows(connection, user_id),
        find_rejected=lambda connection: find_rejected_rows_to_erase(connection, sources, user_id),
    )


def _read_accepted(settings: Settings) -> dict[str, str]:
    """Return the reasons of the accepted failures by test, of those that hold."""
    try:
        return {acceptance.test: acceptance.why for acceptance, is_current in list_accepted(settings) if is_current}
    except TemporaryError:
        raise
    except RecomartError as error:
        # The file is damaged.
        LOG.warning("no acceptance is renewed: %s", error)
        return {}


def _read_line_counts(settings: Settings) -> dict[tuple[str, str], int]:
    """Return the number of lines by feed and path of the loaded files."""
    with open_reader(settings) as connection, suppress(duckdb.CatalogException):
        rows = connection.execute("select feed, path, lines from raw.loaded_files").fetchall()
        return {(feed, path): lines for feed, path, lines in rows}
    return {}


def _rebuild(settings: Settings, user_id: str, accepted: dict[str, str], listener: PipelineListener) -> None:
    """Build the tables that exist without the customer, and publish them if a copy is live.

    `accepted` are the reasons of accepted failures by test: these tests can fail with other rows now.
    """
    with open_writer(settings) as connection:
        for table in find_user_tables(connection):
            connection.execute(f"delete from {table.quoted} where {IS_USER_ROW}", [user_id])
        has_marts = bool(fetch_first_row(connection, "from duckdb_tables() where schema_name = 'marts' limit 1"))
    is_live = (settings.serving_dir / POINTER_FILE).exists()
    try:
        if has_marts:
            listener.on_stage("building the tables")
            _build(settings, build_marts, accepted, listener)
            _build(settings, build_recommendations, accepted, listener)
        if is_live:
            # The earlier copies have the customer too.
            publish_copy(settings.model_copy(update={"serving_copies": 1}))
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


def _build(
    settings: Settings,
    build: Callable[[Settings, Callable[[DbtProgress], None]], DbtResult],
    accepted: dict[str, str],
    listener: PipelineListener,
) -> None:
    """Build tables; accept the failures again of tests that were accepted before the erasure."""
    while True:
        try:
            build(settings, listener.on_dbt)
        except RecomartError:
            if not renew_acceptances(settings, accepted):
                raise
        else:
            return


def _erase_from_other_files(settings: Settings, user_id: str) -> None:
    """Delete dbt's files with the id, and the customer's row in the truth of the demo shop."""
    for folder in DISPOSABLE_FOLDERS:
        for file in (settings.warehouse / folder).rglob("*"):
            if is_text_searched(user_id) and file.is_file() and contains_id(file, user_id):
                file.unlink()
    for file in settings.demo_truth_dir.glob("user_*.parquet"):
        table = pq.read_table(file)
        pq.write_table(table.filter(pc.not_equal(table["user_id"], user_id)), file)
