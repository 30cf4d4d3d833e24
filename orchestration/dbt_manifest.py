"""dbt's manifest: parse the project when it changed, and read models, exposures and compiled SQL from it."""

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from orchestration.dbt_runner import PROJECT_DIR, run_dbt
from warehouse.locks import exclusive_lock
from warehouse.settings import Settings

READER_EXPOSURES = ("exposure.recomart.streamlit_app", "exposure.recomart.http_service")
"""The exposures that read the published copy."""

TRAINER_EXPOSURE = "exposure.recomart.model_trainer"
"""The exposure that trains and scores."""

MODEL_OUTPUT_PREFIX = "source.recomart.ml."
"""Beginning of the unique ids of the tables that training and scoring write."""

DBT_OUTPUT_FOLDERS = {"target", "logs", "dbt_packages"}
"""Folders of the project that dbt writes to when a user runs it there."""

PARSED_SUFFIXES = {".sql", ".yml", ".yaml", ".csv", ".md", ".py"}
"""Suffixes of the files that dbt parses."""

PARSE_TIMEOUT_SECONDS = 120.0
"""Maximum wait for another process that parses the project."""


def load_manifest(settings: Settings) -> dict[str, Any]:
    """Return dbt's manifest of the project; parse the project when a file was changed, added or deleted since.

    Raises:
        RecomartError: The project does not parse, or another process takes too long to parse it.
    """
    path = settings.dbt_target_dir / "manifest.json"
    changed_at = _find_last_change()
    # Dagster's processes load the definitions at the same time when they start; dbt writes the file in place.
    with exclusive_lock(settings.dbt_target_dir / "parsing.lock", "parsing of the dbt project", PARSE_TIMEOUT_SECONDS):
        if not path.exists() or path.stat().st_mtime < changed_at:
            run_dbt(settings, "parse")
        try:
            return _read_manifest(path)
        except ValueError:
            # The file is incomplete: dbt was killed, or the disk was full.
            run_dbt(settings, "parse")
            return _read_manifest(path)


def _find_last_change() -> float:
    """Return when a file of the project was last changed, added or deleted; a deletion changes its folder's time."""
    return max(
        path.stat().st_mtime
        for path in iter_project_paths()
        if path.is_dir() or (path.suffix in PARSED_SUFFIXES and path.is_file())
    )


def iter_project_paths() -> Iterator[Path]:
    """Yield the folders and files of the dbt project without the folders that dbt writes to; dbt follows links."""
    for folder, subfolders, files in os.walk(PROJECT_DIR, followlinks=True):
        if Path(folder) == PROJECT_DIR:
            subfolders[:] = [name for name in subfolders if name not in DBT_OUTPUT_FOLDERS]
        yield from (Path(folder, name) for name in [*subfolders, *files])


@retry(retry=retry_if_exception_type(ValueError), stop=stop_after_delay(10), wait=wait_fixed(0.2), reraise=True)
def _read_manifest(path: Path) -> dict[str, Any]:
    """Read the manifest; retry for 10 seconds, because a build may be writing it."""
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return manifest


def find_ancestors(manifest: Mapping[str, Any], nodes: Iterable[str]) -> set[str]:
    """Return the unique ids of nodes and of all nodes that they depend on, directly or through others."""
    ancestors: set[str] = set()
    queue = list(nodes)
    while queue:
        node = queue.pop()
        if node not in ancestors:
            ancestors.add(node)
            queue += manifest["parent_map"].get(node, ())
    return ancestors


def find_lineage(manifest: Mapping[str, Any], node: str, sources: Collection[str]) -> tuple[str, ...]:
    """Return the shortest lineage from one of the sources to a node, both included; empty when it reads none."""
    lineages: dict[str, tuple[str, ...]] = {node: (node,)}
    queue = [node]
    for current in queue:
        if current in sources:
            return lineages[current]
        for parent in manifest["parent_map"].get(current, ()):
            if parent not in lineages:
                lineages[parent] = (parent, *lineages[current])
                queue.append(parent)
    return ()


def has_model_output(nodes: Iterable[str]) -> bool:
    """Return whether one of the nodes is a table that training or scoring writes."""
    return any(node.startswith(MODEL_OUTPUT_PREFIX) for node in nodes)


def find_published_models(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the manifest nodes of the marts that the published copy's readers depend on, in order of their names."""
    names = {name for reader in READER_EXPOSURES for name in manifest["exposures"][reader]["depends_on"]["nodes"]}
    return [manifest["nodes"][name] for name in sorted(names)]


def list_published_tables(settings: Settings) -> list[str]:
    """Return the names of the tables to publish."""
    return [model["alias"] for model in find_published_models(load_manifest(settings))]


def compile_analyses(settings: Settings, folder: str = "") -> dict[str, str]:
    """Return the compiled SQL of the analyses in dbt_project/analyses, or in a folder there, by name.

    Raises:
        RecomartError: An analysis does not compile.
    """
    # Without introspection dbt does not open the warehouse, which another process may have open for reading.
    path = Path("analyses", folder)
    run_dbt(settings, "compile", "--select", f"path:{path}", "--no-introspect", "--no-populate-cache")
    manifest = load_manifest(settings)
    return {
        node["name"]: read_compiled_sql(settings, manifest, node)
        for node in sorted(manifest["nodes"].values(), key=lambda node: str(node["name"]))
        if node["resource_type"] == "analysis" and Path(node["original_file_path"]).is_relative_to(path)
    }


def read_compiled_sql(settings: Settings, manifest: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    """Return the SQL of a manifest node as dbt last compiled it."""
    folder = settings.dbt_target_dir / "compiled" / manifest["metadata"]["project_name"]
    return Path(folder, node["original_file_path"]).read_text(encoding="utf-8")
