"""Erasure of a customer from the landing files, the tables, the dataset versions, the models and the published copies.

Every step finds its work in the data, so the call after a killed one completes it.
"""

import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.dbt_runner import lock_build, run_dbt
from orchestration.forgetting.model_erasure import erase_from_models
from orchestration.forgetting.traces import Trace, contains_id, count_in_file, find_traces, is_text_searched
from orchestration.progress import PipelineListener
from orchestration.steps import build_marts, build_recommendations, publish_copy
from warehouse.database import fetch_first_row, open_writer
from warehouse.erasure.customer_rows import clean_user_id, find_raw_rows, find_rejected_rows_to_erase
from warehouse.erasure.database_rewriting import IS_USER_ROW, TableName, find_user_tables, rewrite_database
from warehouse.erasure.erasure_lock import lock_erasure
from warehouse.erasure.row_erasure import erase_rows, load_present_files
from warehouse.errors import RecomartError
from warehouse.loading.forgotten_customers import add_forgotten_customer
from warehouse.publishing.live_copy import POINTER_FILE
from warehouse.settings import Settings
from warehouse.sources.declaration import Sources
from warehouse.sources.yaml_file import read_sources

DISPOSABLE_FOLDERS = ("logs", "target")
"""Folders of dbt's logs and compiled SQL; a file with the id is deleted."""

DEV_DATABASE = "recomart_dev.duckdb"
"""Database of dbt's target `dev`, beside that of `prod`; dbt builds it again."""


def check_customer(settings: Settings, user_id: str) -> list[Trace]:
    """Return the places that have the id of a customer; nothing is changed.

    Raises:
        RecomartError: The text is no id of one customer, or the warehouse is in use.
    """
    return find_traces(settings, clean_user_id(read_sources(settings.sources), user_id))


def forget_customer(settings: Settings, user_id: str, listener: PipelineListener) -> list[Trace]:
    """Erase a customer everywhere, and build and publish the tables without them; return the places that are left.

    From the first step on, each load rejects rows of the customer.

    Raises:
        RecomartError: A step failed; the next call continues. The text is no id of one customer, a landing file cannot
            be rewritten, a test of a build failed, or the warehouse is in use.
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
        listener.on_stage("erasing the rows")
        _erase_rows(settings, sources, user_id)
        listener.on_stage("erasing datasets and models")
        erase_from_models(settings, user_id)
        _rebuild(settings, user_id, listener)
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


def _rebuild(settings: Settings, user_id: str, listener: PipelineListener) -> None:
    """Build the tables that exist without the customer, and publish them if a copy is live."""
    with open_writer(settings) as connection:
        for table in find_user_tables(connection):
            _delete_user_rows(connection, table, user_id)
        has_marts = bool(fetch_first_row(connection, "from duckdb_tables() where schema_name = 'marts' limit 1"))
    if has_marts:
        listener.on_stage("building the tables")
        build_marts(settings, listener.on_dbt)
        build_recommendations(settings, listener.on_dbt)
    if (settings.serving_dir / POINTER_FILE).exists():
        # The earlier copies have the customer too.
        publish_copy(settings.model_copy(update={"serving_copies": 1}))


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
            [table.table],
        ).fetchall()
        raise RecomartError(
            f"rows of the customer cannot be deleted: {table}: rows of {rows[0][0]} refer to them. Delete the latter, "
            "or drop their table, and call the command again"
        ) from error


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
