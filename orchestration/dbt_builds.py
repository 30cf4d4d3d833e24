"""The two dbt builds of a run: the marts that the model is trained on, and the recommendations."""

from collections.abc import Callable
from subprocess import Popen

from orchestration.dbt_runner import (
    BUILD_COMMAND,
    TRAINING_INPUT_SELECTION,
    TRAINING_OUTPUT_SELECTION,
    DbtProgress,
    DbtResult,
    build_lock,
    run_dbt,
)
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


def _build(
    settings: Settings,
    selection: tuple[str, str],
    on_progress: Callable[[DbtProgress], None],
    started_process: Popen[str] | None,
) -> DbtResult:
    with build_lock(settings):
        return run_dbt(settings, *BUILD_COMMAND, *selection, on_progress=on_progress, started_process=started_process)
