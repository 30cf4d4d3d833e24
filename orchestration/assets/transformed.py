"""The dbt models, before and after the model is trained; their tests are asset checks."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets

from orchestration.assets.common import WAREHOUSE_POOL, row_count_metadata, row_counts
from orchestration.assets.warehouse_resource import WarehouseResource
from orchestration.dbt import AFTER_MODEL, BEFORE_MODEL, BUILD, load_manifest
from warehouse.settings import Settings

MANIFEST = load_manifest(Settings())


class LayerTranslator(DagsterDbtTranslator):
    """Groups dbt's models by the folder they stand in."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The innermost layer folder: staging, intermediate, core, features, ml, ..."""
        if dbt_resource_props["resource_type"] == "source":
            return {"raw": "raw", "ml": "model"}[dbt_resource_props["schema"]]
        if dbt_resource_props["resource_type"] == "seed":
            return "seeds"
        folders = PurePosixPath(dbt_resource_props["original_file_path"]).parts[1:-1]
        return folders[1] if folders[0] == "marts" else folders[0]


TRANSLATOR = LayerTranslator(DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True))


def _build(context: dg.AssetExecutionContext, dbt: DbtCliResource, warehouse: WarehouseResource) -> Iterator[Any]:
    """Pass dbt's events on, tables last: their rows are counted when dbt has ended and given the warehouse back.

    What was built before a failure is reported all the same.
    """
    settings = warehouse.settings
    built: list[dg.Output[Any]] = []
    failure: Exception | None = None
    try:
        for event in dbt.cli(BUILD, context=context, target_path=settings.dbt_target_dir).stream():
            if isinstance(event, dg.Output):
                built.append(event)
            else:
                yield event
    except Exception as error:
        failure = error
    counts = row_counts(settings, (context.asset_key_for_output(output.output_name) for output in built))
    for output in built:
        count = counts.get(context.asset_key_for_output(output.output_name))
        yield output.with_metadata({**output.metadata, **row_count_metadata(count)})
    if failure:
        raise failure


@dbt_assets(
    manifest=MANIFEST,
    exclude=BEFORE_MODEL[1],
    name="marts",
    dagster_dbt_translator=TRANSLATOR,
    pool=WAREHOUSE_POOL,
)
def marts(context: dg.AssetExecutionContext, dbt: DbtCliResource, warehouse: WarehouseResource) -> Iterator[Any]:
    """Build and test everything that the model is trained from."""
    yield from _build(context, dbt, warehouse)


@dbt_assets(
    manifest=MANIFEST,
    select=AFTER_MODEL[1],
    name="recommendations",
    dagster_dbt_translator=TRANSLATOR,
    pool=WAREHOUSE_POOL,
)
def recommendations(
    context: dg.AssetExecutionContext, dbt: DbtCliResource, warehouse: WarehouseResource
) -> Iterator[Any]:
    """Build and test everything that is made from the model's output."""
    yield from _build(context, dbt, warehouse)
