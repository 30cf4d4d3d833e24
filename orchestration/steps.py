"""Steps of a run that need no model: the load, the two dbt builds, and the publication of their tables."""

import logging
from collections.abc import Callable
from datetime import datetime
from subprocess import Popen

from orchestration.dbt_manifest import list_published_tables
from orchestration.dbt_runner import (
    BUILD_COMMAND,
    LIST_INPUT_SELECTION,
    LIST_OUTPUT_SELECTION,
    RULES_OUTPUT_SELECTION,
    TRAINING_INPUT_SELECTION,
    TRAINING_OUTPUT_SELECTION,
    DbtProgress,
    DbtResult,
    lock_build,
    run_dbt,
)
from orchestration.progress import StepTimer, describe_expiry, describe_load
from orchestration.refusals import check_tables_accepted
from orchestration.run_state import find_run_of_database, ignore_loaded_logs
from warehouse.erasure.retention import erase_expired_rows, find_feeds_with_retention, has_outdated_views
from warehouse.erasure.row_erasure import FileRows
from warehouse.errors import RecomartError
from warehouse.loading.loader import load
from warehouse.loading.reports import LoadReport
from warehouse.loading.unreadable_feeds import check_feeds_readable
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.publishing.publisher import log_live_lists, publish
from warehouse.settings import Settings
from warehouse.sources.declaration import Feed, Sources
from warehouse.sources.yaml_file import read_sources

LOG = logging.getLogger(__name__)


def load_landing(settings: Settings, timer: StepTimer) -> tuple[LoadReport, list[FileRows] | None]:
    """Load the landing files, then erase the rows that are older than their feed keeps.

    Before, the lists of a publication that was killed before it logged them are logged.

    Returns the report of the load and the erased rows; None when no feed declares how long its rows are kept. Nothing
    is erased when a feed cannot be read.

    Raises:
        RecomartError: The load or the erasure failed, or no line of a feed could be read.
        DiskFullError: The disk is full.
    """
    log_live_lists(settings)
    run = find_run_of_database(settings)
    report = timer.run("load", lambda: load(settings, timer.listener.on_files), describe_load)
    ignore_loaded_logs(settings, run)
    timer.listener.on_load_done(report)
    check_feeds_readable(report)
    sources = read_sources(settings.sources)
    feeds = find_feeds_with_retention(sources)
    if not feeds:
        return report, None
    return report, timer.run("expire", lambda: _erase_expired_rows(settings, sources, feeds), describe_expiry)


def _erase_expired_rows(settings: Settings, sources: Sources, feeds: list[Feed]) -> list[FileRows]:
    if has_outdated_views(settings, feeds):
        # By the views of an earlier declaration, such as of another time format, young rows can look old.
        with lock_build(settings):
            run_dbt(settings, "run", "--select", "staging.shop", "staging.log")
    return erase_expired_rows(settings, sources, feeds)


def build_marts(
    settings: Settings,
    on_progress: Callable[[DbtProgress], None] = lambda _: None,
    started_process: Popen[str] | None = None,
    *,
    is_lists_only: bool = False,
) -> DbtResult:
    """Build and test the dbt models that the model is trained on, in `started_process` or a new dbt process.

    With `is_lists_only`, only those that new lists of the serving model need.
    """
    selection = LIST_INPUT_SELECTION if is_lists_only else TRAINING_INPUT_SELECTION
    return _build(settings, selection, on_progress, started_process)


def build_recommendations(
    settings: Settings,
    on_progress: Callable[[DbtProgress], None] = lambda _: None,
    started_process: Popen[str] | None = None,
    *,
    is_lists_only: bool = False,
) -> DbtResult:
    """Build and test the dbt models that read the model's output, in `started_process` or a new dbt process.

    With `is_lists_only`, only those that the lists need.
    """
    selection = LIST_OUTPUT_SELECTION if is_lists_only else TRAINING_OUTPUT_SELECTION
    return _build(settings, selection, on_progress, started_process)


def apply_rules(
    settings: Settings, on_progress: Callable[[DbtProgress], None] = lambda _: None
) -> tuple[DbtResult, PublishedCopy]:
    """Build the lists by the rules of the rules store, with the serving model, and publish them.

    Raises:
        RecomartError: A test of the tables failed, or their build did not finish; or see `publish`.
    """
    return _build(settings, RULES_OUTPUT_SELECTION, on_progress, None), publish_copy(settings)


def publish_copy(
    settings: Settings, *, is_empty_allowed: bool = False, published_at: datetime | None = None
) -> PublishedCopy:
    """Publish the tables that the exposures of the app and the service depend on.

    `published_at` is the time of publication of a simulated shop.

    Raises:
        RecomartError: A test of the tables failed, or their build did not finish; or see `publish`.
    """
    check_tables_accepted(settings, "publishing")
    return publish(
        settings,
        list_published_tables(settings),
        is_empty_allowed=is_empty_allowed,
        # A build may have changed the tables while the publication waited.
        check_tables=lambda: check_tables_accepted(settings, "publishing"),
        published_at=published_at,
    )


def publish_and_load_log(settings: Settings, *, published_at: datetime | None = None) -> PublishedCopy:
    """Publish as `publish_copy`, and load the log of the lists that went live, so that the next run has nothing new.

    A failure of this load is a warning, because the lists are live already: the next load reads the log.

    Raises:
        RecomartError: See `publish_copy`.
    """
    published = publish_copy(settings, published_at=published_at)
    try:
        load(settings, is_log_only=True)
    except RecomartError as error:
        LOG.warning("the log of the published lists was not loaded: %s. The next load reads it", error)
    return published


def _build(
    settings: Settings,
    selection: tuple[str, ...],
    on_progress: Callable[[DbtProgress], None],
    started_process: Popen[str] | None,
) -> DbtResult:
    with lock_build(settings):
        return run_dbt(settings, *BUILD_COMMAND, *selection, on_progress=on_progress, started_process=started_process)
