"""How Dagster shows the dbt project: groups by layer, links to files and docs, and specs of dbt's sources."""

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
    """Groups dbt's models by their folder and links to their files and docs; owners come from dbt's `meta`."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Return the innermost layer folder: staging, intermediate, core, features, ml, ...

        A resource of an analyst's own can be anywhere: without a folder, its group is the folder of its type.
        """
        if dbt_resource_props["resource_type"] == "source":
            schema = str(dbt_resource_props["schema"])
            return "model" if schema == "ml" else schema
        if dbt_resource_props["resource_type"] == "seed":
            return "seeds"
        top_folder, *folders = PurePosixPath(dbt_resource_props["original_file_path"]).parts[:-1]
        layer = folders[1:] if folders[:1] == ["marts"] else folders
        return (layer or folders or [top_folder])[0]

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return dagster-dbt's metadata, the page of docs that `meta` names, and the file of the definition."""
        return {
            **super().get_metadata(dbt_resource_props),
            **build_docs_metadata(dbt_resource_props["meta"].get("docs")),
            "file": dg.MetadataValue.path(str(PROJECT_DIR / dbt_resource_props["original_file_path"])),
        }


TRANSLATOR = LayerTranslator(DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True))


def build_source_specs(
    source: str, kinds: set[str], deps: Mapping[str, Iterable[dg.AssetKey]], *, default_deps: Iterable[dg.AssetKey] = ()
) -> list[dg.AssetSpec]:
    """Return the specs of a dbt source's tables, which Python writes; descriptions come from the dbt project.

    `deps` holds each table's dependencies by its name; tables that are missing there get `default_deps`.
    """
    specs = {
        properties["name"]: TRANSLATOR.get_asset_spec(MANIFEST, unique_id, None)
        for unique_id, properties in MANIFEST["sources"].items()
        if properties["source_name"] == source
    }
    return [
        spec.replace_attributes(
            deps=deps.get(name, default_deps),
            kinds=kinds,
            skippable=False,
            # The other entries mark an asset that dbt builds.
            metadata={key: value for key, value in spec.metadata.items() if not key.startswith("dagster_dbt/")},
        )
        for name, spec in specs.items()
    ]
