"""The dbt models, before and after the model is trained; their tests are asset checks."""

import os
from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource, dbt_assets
from dagster_dbt.errors import DagsterDbtCliRuntimeError

from orchestration.assets.common import WAREHOUSE_POOL, as_dagster_failure, build_table_metadata, read_table_info
from orchestration.assets.dbt_graph import MANIFEST, TRANSLATOR
from orchestration.assets.lineage import build_lineage_metadata
from orchestration.assets.warehouse_resource import WarehouseResource
from orchestration.dbt_runner import (
    BUILD_COMMAND,
    MODEL_INPUT_SELECTION,
    MODEL_OUTPUT_SELECTION,
    build_dbt_error,
    build_lock,
    delete_run_results,
)


def _run_build(context: dg.AssetExecutionContext, dbt: DbtCliResource, warehouse: WarehouseResource) -> Iterator[Any]:
    """Pass dbt's events on, tables last: they are looked at when dbt has ended and given the warehouse back.

    What was built before a failure is reported all the same.
    """
    settings = warehouse.settings
    # dbt is handed this environment, and runs in another folder, where a relative path would mean another place.
    os.environ.update(settings.build_environment())
    built: dict[dg.AssetKey, dg.Output[Any]] = {}
    failure: Exception | None = None
    try:
        with build_lock(settings):
            delete_run_results(settings)
            for event in dbt.cli(BUILD_COMMAND, context=context, target_path=settings.dbt_target_dir).stream():
                if isinstance(event, dg.Output):
                    built[context.asset_key_for_output(event.output_name)] = event
                else:
                    yield event
    except DagsterDbtCliRuntimeError as error:
        # Before what dbt said stand the command and where dagster-dbt ran it.
        said = str(error).rpartition("Errors parsed from dbt logs:")[2]
        failure = build_dbt_error(settings, BUILD_COMMAND[0], [said.strip()], settings.dbt_target_dir)
        failure.__cause__ = error
    except Exception as error:
        failure = error
    facts = read_table_info(context, settings, built) if built else {}
    lineage = build_lineage_metadata(context, settings, built, facts)
    for key, output in built.items():
        declared = context.assets_def.metadata_by_key[key]
        table = {**build_table_metadata(facts.get(key), declared), **lineage.get(key, {})}
        yield output.with_metadata({**output.metadata, **table})
    with as_dagster_failure():
        if failure:
            raise failure


@dbt_assets(
    manifest=MANIFEST,
    exclude=MODEL_INPUT_SELECTION[1],
    name="marts",
    dagster_dbt_translator=TRANSLATOR,
    pool=WAREHOUSE_POOL,
)
def marts(context: dg.AssetExecutionContext, dbt: DbtCliResource, warehouse: WarehouseResource) -> Iterator[Any]:
    """Build and test everything that the model is trained from."""
    yield from _run_build(context, dbt, warehouse)


@dbt_assets(
    manifest=MANIFEST,
    select=MODEL_OUTPUT_SELECTION[1],
    name="recommendations",
    dagster_dbt_translator=TRANSLATOR,
    pool=WAREHOUSE_POOL,
)
def recommendations(
    context: dg.AssetExecutionContext, dbt: DbtCliResource, warehouse: WarehouseResource
) -> Iterator[Any]:
    """Build and test everything that is made from the model's output."""
    yield from _run_build(context, dbt, warehouse)
