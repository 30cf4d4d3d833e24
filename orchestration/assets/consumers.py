"""External assets of the apps that read the published copy, made from dbt's exposures."""

import dagster as dg

from orchestration.assets.common import build_docs_metadata
from orchestration.assets.dbt_graph import MANIFEST
from orchestration.assets.publishing import published_copy
from orchestration.dbt_manifest import READER_EXPOSURES

CONSUMER_SPECS = [
    dg.AssetSpec(
        dg.AssetKey(["apps", exposure["name"]]),
        deps=[published_copy],
        group_name="apps",
        kinds=set(exposure["tags"]),
        owners=[f"team:{exposure['owner']['name'].lower().replace(' ', '_')}"],
        description=exposure["description"],
        metadata={"url": dg.MetadataValue.url(exposure["url"]), **build_docs_metadata(exposure["meta"]["docs"])},
    )
    for exposure in (MANIFEST["exposures"][reader] for reader in READER_EXPOSURES)
]
