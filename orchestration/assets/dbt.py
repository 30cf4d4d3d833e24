"""Assets of the dbt models: the model's inputs, and what dbt builds from its outputs. dbt's tests are asset checks."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource, dbt_assets
from dagster_dbt.errors import DagsterDbtCliRuntimeError

from orchestration.assets.common import WAREHOUSE_POOL, as_dagster_failure, build_table_metadata, read_table_info
from orchestration.assets.dbt_graph import MANIFEST, TRANSLATOR, require_inputs
from orchestration.assets.effect_metadata import build_effect_metadata
from orchestration.assets.lineage import build_lineage_metadata
from orchestration.assets.warehouse_resource import WarehouseResource
from orchestration.config_files import read_train_config
from orchestration.dbt_runner import (
    BUILD_COMMAND,
    TRAINING_INPUT_SELECTION,
    TRAINING_OUTPUT_SELECTION,
    build_dbt_error,
    delete_run_results,
    lock_build,
    read_failed_test_messages,
)
from orchestration.run_state import NOTHING_NEW_MESSAGE, begin_run, find_reasons_to_run
from warehouse.errors import RecomartError, TemporaryError
from warehouse.settings import Settings

AUTOMATIC_RUN_TAGS = {"dagster/schedule_name", "dagster/sensor_name"}
"""Tags that Dagster gives to the runs of schedules and sensors."""


def _run_build(context: dg.AssetExecutionContext, dbt: DbtCliResource, warehouse: WarehouseResource) -> Iterator[Any]:
    """Run `dbt build` and yield its events.

    The tables' events come last: their metadata can be read only after dbt has closed the warehouse. Tables that were
    built before a failure are reported too. The events of failed checks come when dbt has written their messages.
    """
    settings = warehouse.settings
    # dbt inherits this environment and runs in another folder: relative paths must become absolute.
    os.environ.update(settings.build_environment())
    outputs: dict[dg.AssetKey, dg.Output[Any]] = {}
    failed_checks: list[dg.AssetCheckResult] = []
    failure: Exception | None = None
    try:
        with lock_build(settings):
            require_inputs(context, settings)
            delete_run_results(settings)
            invocation = dbt.cli(BUILD_COMMAND, context=context, target_path=settings.dbt_target_dir)
            for event in invocation.stream():
                if isinstance(event, dg.Output):
                    outputs[context.asset_key_for_output(event.output_name)] = event
                elif isinstance(event, dg.AssetCheckResult) and not event.passed:
                    failed_checks.append(event)
                else:
                    yield event
    except DagsterDbtCliRuntimeError as error:
        failure = _make_build_error(settings, invocation.process.returncode, str(error))
        failure.__cause__ = error
    except Exception as error:
        failure = error
    messages = read_failed_test_messages(settings) if failed_checks else {}
    for check in failed_checks:
        yield check._replace(description=messages.get(str(check.metadata["unique_id"].value)))
    table_info = read_table_info(context, settings, outputs) if outputs else {}
    lineage = build_lineage_metadata(context, settings, outputs, table_info)
    effect = build_effect_metadata(context, settings, outputs)
    for key, output in outputs.items():
        definition_metadata = context.assets_def.metadata_by_key[key]
        metadata = {
            **build_table_metadata(table_info.get(key), definition_metadata),
            **lineage.get(key, {}),
            **effect.get(key, {}),
        }
        yield output.with_metadata({**output.metadata, **metadata})
    with as_dagster_failure():
        if failure:
            raise failure


def _make_build_error(settings: Settings, exit_status: int | None, message: str) -> RecomartError:
    """Return the error for a failed `dbt build`, given dagster-dbt's message."""
    if exit_status is not None and exit_status < 0:
        return TemporaryError(
            f"dbt build failed: {signal.Signals(-exit_status).name} ended dbt. If it happens again, the machine may "
            "have too little memory: lower RECOMART_MEMORY_LIMIT"
        )
    # dagster-dbt puts the command and its folder before dbt's own message.
    dbt_message = message.rpartition("Errors parsed from dbt logs:")[2].strip()
    return build_dbt_error(settings, BUILD_COMMAND[0], [dbt_message], settings.dbt_target_dir)


@dbt_assets(
    manifest=MANIFEST,
    exclude=TRAINING_INPUT_SELECTION[1],
    name="marts",
    dagster_dbt_translator=TRANSLATOR,
    pool=WAREHOUSE_POOL,
)
def marts(context: dg.AssetExecutionContext, dbt: DbtCliResource, warehouse: WarehouseResource) -> Iterator[Any]:
    """Build and test the dbt models that the model is trained on.

    When nothing has changed since the last complete run, a run that a sensor or a schedule started builds nothing, and
    Dagster skips the steps after this one.
    """
    settings = warehouse.settings
    with as_dagster_failure():
        config = read_train_config(settings)
        if AUTOMATIC_RUN_TAGS & context.run.tags.keys() and not find_reasons_to_run(settings, config):
            context.log.info(NOTHING_NEW_MESSAGE)
            return
        begin_run(settings, config, context.run.run_id)
    yield from _run_build(context, dbt, warehouse)


@dbt_assets(
    manifest=MANIFEST,
    select=TRAINING_OUTPUT_SELECTION[1],
    name="recommendations",
    dagster_dbt_translator=TRANSLATOR,
    pool=WAREHOUSE_POOL,
)
def recommendations(
    context: dg.AssetExecutionContext, dbt: DbtCliResource, warehouse: WarehouseResource
) -> Iterator[Any]:
    """Build and test the dbt models that read the model's output."""
    yield from _run_build(context, dbt, warehouse)
