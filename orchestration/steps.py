"""Steps of a run that need no model: the two dbt builds, and the publication of their tables."""

from collections.abc import Callable
from subprocess import Popen

from orchestration.dbt_manifest import list_published_tables
from orchestration.dbt_runner import (
    BUILD_COMMAND,
    TRAINING_INPUT_SELECTION,
    TRAINING_OUTPUT_SELECTION,
    DbtProgress,
    DbtResult,
    lock_build,
    run_dbt,
)
from orchestration.refusals import check_tables_accepted
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.publishing.publisher import publish
from warehouse.settings import Settings


def build_marts(
    settings: Settings,
    on_progress: Callable[[DbtProgress], None] = lambda _: None,
    started_process: Popen[str] | None = None,
) -> DbtResult:
    """Build and test the dbt models that the model is trained on, in `started_process` or a new dbt process."""
    return _build(settings, TRAINING_INPUT_SELECTION, on_progress, started_process)


def build_recommendations(
    settings: Settings,
    on_progress: Callable[[DbtProgress], None] = lambda _: None,
    started_process: Popen[str] | None = None,
) -> DbtResult:
    """Build and test the dbt models that read the model's output, in `started_process` or a new dbt process."""
    return _build(settings, TRAINING_OUTPUT_SELECTION, on_progress, started_process)


def publish_copy(settings: Settings, *, is_empty_allowed: bool = False) -> PublishedCopy:
    """Publish the tables that the exposures of the app and the service depend on.

    Raises:
        RecomartError: A test of the tables failed, or their build did not finish; or see `publish`.
    """
    check_tables_accepted(settings, "publishing")
    return publish(settings, list_published_tables(settings), is_empty_allowed=is_empty_allowed)


def _build(
    settings: Settings,
    selection: tuple[str, str],
    on_progress: Callable[[DbtProgress], None],
    started_process: Popen[str] | None,
) -> DbtResult:
    with lock_build(settings):
        return run_dbt(settings, *BUILD_COMMAND, *selection, on_progress=on_progress, started_process=started_process)
