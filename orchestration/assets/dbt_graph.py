"""How Dagster shows the dbt project: groups by layer, links to files and docs, and specs of dbt's sources."""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject

from orchestration.assets.common import build_docs_metadata
from orchestration.dbt_manifest import load_manifest
from orchestration.dbt_runner import PROJECT_DIR
from warehouse.database import open_reader
from warehouse.errors import RecomartError
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

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetCheckSpec | None:
        """Return dagster-dbt's spec of a test, with the test's description."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        return spec and spec._replace(description=describe_test(manifest["nodes"][unique_id]))

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return dagster-dbt's metadata, the page of docs that `meta` names, and the file of the definition."""
        return {
            **super().get_metadata(dbt_resource_props),
            **build_docs_metadata(dbt_resource_props["meta"].get("docs")),
            "file": dg.MetadataValue.path(str(PROJECT_DIR / dbt_resource_props["original_file_path"])),
        }


def describe_test(test: Mapping[str, Any]) -> str | None:
    """Return the description of a manifest node of a test, or the first comment of its SQL."""
    comment = re.search(r"(?:^-- (?!noqa).*\n)+", test["raw_code"], re.MULTILINE)
    text = comment[0].replace("\n-- ", " ").removeprefix("-- ") if comment else ""
    # The rest is for dbt, and for authors of tests.
    description = re.split(r"\s*(?:Dagster shows|(?:-- )?depends_on:|$)", text)[0]
    return test["description"] or test["config"].get("description") or description or None


TRANSLATOR = LayerTranslator(DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True))

BUILT_NODES = {
    TRANSLATOR.get_asset_key(node): node
    for node in MANIFEST["nodes"].values()
    if node["resource_type"] in ("model", "seed", "snapshot") and node["config"]["materialized"] != "ephemeral"
}
"""The manifest's nodes of the tables that dbt builds, by their asset keys."""


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


def require_inputs(context: dg.AssetExecutionContext, settings: Settings) -> None:
    """Check that the tables exist that the selected assets read and the run does not build.

    Raises:
        RecomartError: A table is missing, or the warehouse is.
    """
    selected_keys = context.selected_asset_keys
    inputs = {key for selected in selected_keys for key in context.assets_def.asset_deps[selected]} - selected_keys
    with open_reader(settings) as connection:
        tables = connection.execute("select table_schema, table_name from information_schema.tables").fetchall()
    missing_tables = sorted(
        f"{node['schema']}.{node['alias']}"
        for node in map(BUILT_NODES.get, inputs)
        if node and (node["schema"], node["alias"]) not in tables
    )
    if missing_tables:
        more_text = f" and {len(missing_tables) - 1} more" if len(missing_tables) > 1 else ""
        raise RecomartError(
            f"{', '.join(sorted(key.to_user_string() for key in selected_keys)[:3])}: cannot be built: "
            f"{missing_tables[0]}{more_text} must be built before. Select the upstream assets as well, or launch the "
            "job full_pipeline"
        )
