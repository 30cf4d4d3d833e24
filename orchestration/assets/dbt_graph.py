"""The dbt project as Dagster shows it: groups by layer, links, and dbt's word on the tables that are made elsewhere."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings

from orchestration.assets.common import build_docs_metadata
from orchestration.dbt_manifest import load_manifest
from orchestration.dbt_runner import PROJECT_DIR
from warehouse.settings import Settings

MANIFEST = load_manifest(Settings())


class LayerTranslator(DagsterDbtTranslator):
    """Groups dbt's models by the folder they stand in, and links to files and docs; owners stand in their meta."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The innermost layer folder: staging, intermediate, core, features, ml, ..."""
        if dbt_resource_props["resource_type"] == "source":
            return {"raw": "raw", "ml": "model"}[dbt_resource_props["schema"]]
        if dbt_resource_props["resource_type"] == "seed":
            return "seeds"
        folders = PurePosixPath(dbt_resource_props["original_file_path"]).parts[1:-1]
        return folders[1] if folders[0] == "marts" else folders[0]

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """What dagster-dbt tells, the page of docs that `meta` names, and the file that declares it."""
        return {
            **super().get_metadata(dbt_resource_props),
            **build_docs_metadata(dbt_resource_props["meta"]["docs"]),
            "file": dg.MetadataValue.path(str(PROJECT_DIR / dbt_resource_props["original_file_path"])),
        }


TRANSLATOR = LayerTranslator(DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True))


def build_source_specs(
    source: str, kinds: set[str], deps: Mapping[str, Iterable[dg.AssetKey]], *, default_deps: Iterable[dg.AssetKey] = ()
) -> list[dg.AssetSpec]:
    """Specs of the tables of a dbt source, which Python writes: dbt's docs say what they are.

    What a table is made from stands in `deps` by its name, or is `others`.
    """
    tables = {
        properties["name"]: TRANSLATOR.get_asset_spec(MANIFEST, unique_id, None)
        for unique_id, properties in MANIFEST["sources"].items()
        if properties["source_name"] == source
    }
    return [
        spec.replace_attributes(
            deps=deps.get(name, default_deps),
            kinds=kinds,
            skippable=False,
            # The rest ties a spec to dbt, which makes none of these.
            metadata={key: value for key, value in spec.metadata.items() if not key.startswith("dagster_dbt/")},
        )
        for name, spec in tables.items()
    ]
