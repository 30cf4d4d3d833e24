"""External assets of the shop's landing files, with an observation of the landing folder at every load."""

from typing import Any

import dagster as dg

from orchestration.assets.common import build_docs_metadata
from warehouse.loading.landing_files import find_files
from warehouse.settings import Settings
from warehouse.sources.columns import RAW_COLUMNS, FeedKind
from warehouse.sources.yaml_file import read_sources


def build_landing_key(kind: FeedKind) -> dg.AssetKey:
    """Return the asset key of the landing files that a raw table is loaded from."""
    return dg.AssetKey(["landing", kind])


LANDING_SPECS = [
    dg.AssetSpec(
        build_landing_key(kind),
        group_name="landing",
        kinds={"file"},
        owners=["team:data_engineering"],
        metadata=build_docs_metadata("docs/loading.md"),
        description=f"Files of {kind} as the shop delivered them. The sources file declares the feeds and their files.",
    )
    for kind in RAW_COLUMNS
]


def observe_landing(settings: Settings) -> list[dg.AssetObservation]:
    """Return one observation of the landing folder for each kind of feed."""
    feeds = read_sources(settings.sources).feeds.values()
    observations = []
    for kind in RAW_COLUMNS:
        files = [
            file
            for feed in feeds
            if feed.kind == kind
            for file in find_files(feed, settings.landing_dir, settings.linked_folders)
        ]
        metadata: dict[str, dg.MetadataValue[Any] | str | int] = {
            "file_count": len(files),
            "size_bytes": sum(file.size_bytes for file in files),
            "folder": dg.MetadataValue.path(str(settings.landing_dir)),
        }
        if files:
            newest = max(files, key=lambda file: (file.changed_ns, file.path))
            metadata["newest_file"] = newest.path
            metadata["newest_file_changed_at"] = dg.MetadataValue.timestamp(newest.changed_ns / 1e9)
        observations.append(dg.AssetObservation(build_landing_key(kind), metadata=metadata))
    return observations
