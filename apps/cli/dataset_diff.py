"""Differences between two versions of the training data."""

from collections.abc import Mapping
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
from pydantic import BaseModel, ConfigDict

from models_ml.data.dataset import TABLE_LAYOUTS
from models_ml.data.dataset_store import DatasetManifest, Provenance, get_table_path, read_dataset, read_manifest
from orchestration.dataset_versions import find_version
from warehouse.database import get_resource_limits
from warehouse.settings import Settings

ROW_COUNTS_QUERY = " union all ".join(
    f"""
    select '{table}' as "table", cutoff, sum(is_before)::bigint as before, sum(is_after)::bigint as after
    from (
        select cutoff, 1 as is_before, 0 as is_after from before_{table}
        union all
        select cutoff, 0 as is_before, 1 as is_after from after_{table}
    )
    group by cutoff
    """
    for table in TABLE_LAYOUTS
)

PAIRS_VIEW = """
    create temporary view pairs as
    select
        user_id,
        product_id,
        before.strength as strength_before,
        after.strength as strength_after,
        before.strength is null as is_added,
        after.strength is null as is_removed,
        not is_added and not is_removed as is_kept,
        is_kept and before.strength != after.strength as is_changed,
        is_kept and (before.interaction_count, before.last_interaction_at)
        != (after.interaction_count, after.last_interaction_at) as has_changed_actions
    from (from before_interactions where cutoff = 'now') as before
    full outer join (from after_interactions where cutoff = 'now') as after using (user_id, product_id)
"""

PAIR_COUNTS_QUERY = """
    select
        count(*) filter (is_added) as added,
        count(*) filter (is_removed) as removed,
        count(*) filter (is_kept) as kept,
        count(*) filter (is_changed) as strength_changed,
        count(*) filter (has_changed_actions) as actions_changed
    from pairs
"""

LARGEST_CHANGES_QUERY = """
    select user_id, product_id, strength_before, strength_after
    from pairs
    where is_added or is_removed or is_changed
    order by abs(coalesce(strength_after, 0) - coalesce(strength_before, 0)) desc, user_id, product_id
    limit 10
"""

ENTITY_CHANGES_QUERY = " union all ".join(
    f"""
    select
        '{name}' as entity,
        count(*) filter (not was_there) as added,
        count(*) filter (not is_there) as removed,
        count(*) filter (was_there and is_there) as kept
    from (
        select
            {column},
            bool_or(strength_before is not null) as was_there,
            bool_or(strength_after is not null) as is_there
        from pairs
        group by {column}
    )
    """
    for name, column in (("customers", "user_id"), ("products", "product_id"))
)

COUNTED_FEATURES = ("popularity", "active_users_28d", "recent_popularity")
"""Features of products that every version has; all other features are declared."""

COUNTED_CHANGES = ", ".join(
    f"count(*) filter (before.{name} is distinct from after.{name}) as {name}" for name in COUNTED_FEATURES
)

FEATURE_CHANGES_QUERY = f"""
    with products as (
        from before_product_features as before semi join after_product_features as after using (cutoff, product_id)
        where cutoff = 'now'
    ),

    counted as (
        unpivot (
            select {COUNTED_CHANGES}
            from before_product_features as before
            inner join after_product_features as after using (cutoff, product_id)
            where cutoff = 'now'
        ) on columns(*) into name feature value changed_count
    ),

    {
    ", ".join(
        f'''
        {side} as (
            select feature, subject, subject_id, list((text_value, number_value) order by text_value) as feature_values
            from {side}_features
            where cutoff = 'now'
            group by all
        )
        '''
        for side in ("before", "after")
    )
}

    from counted
    union all
    select feature, count(*) filter (before.feature_values is distinct from after.feature_values) as changed_count
    from before full outer join after using (feature, subject, subject_id)
    where subject = 'customer' or subject_id in (select product_id from products)
    group by feature
"""


class DatasetDiff(BaseModel):
    """Differences of the second version to the first."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    before: dict[str, Any]
    """Manifest of the first version, without its files and settings."""
    after: dict[str, Any]
    rows: list[dict[str, Any]]
    """Row counts of each table and cutoff, before and after."""
    pairs: dict[str, int]
    """Customer-product pairs at the cutoff 'now': added, removed and kept; and the kept pairs with a changed
    strength (strengths decay with time) and with changed actions."""
    entities: list[dict[str, Any]]
    """Numbers of customers and products that were added, removed or kept."""
    features: list[dict[str, Any]]
    """For each feature, the number of products in both versions, or of customers, with another value at 'now'."""
    settings: list[dict[str, Any]]
    """Changed settings and package versions, before and after; None where there is none."""
    files: dict[str, list[str]]
    """Source files, as feed and path: added, removed and changed."""
    largest_changes: list[dict[str, Any]]
    """The pairs with the largest change of strength."""


def diff_versions(settings: Settings, before: str, after: str) -> DatasetDiff:
    """Verify two versions, each given by the start of its hash, and compare them.

    Raises:
        RecomartError: No version has this hash, or several hashes start with it.
        ModelError: A file of a version is missing or damaged.
    """
    versions = {"before": find_version(settings, before), "after": find_version(settings, after)}
    manifests = {}
    with (
        # By default, DuckDB spills into the current folder when memory is full.
        TemporaryDirectory(prefix=".diff-", suffix=".writing", dir=settings.warehouse) as spill_folder,
        duckdb.connect(config={**get_resource_limits(settings), "temp_directory": spill_folder}) as connection,
    ):
        for side, dataset_hash in versions.items():
            read_dataset(settings.datasets_dir, dataset_hash)
            manifests[side] = read_manifest(settings.datasets_dir, dataset_hash)
            for table in TABLE_LAYOUTS:
                file = get_table_path(settings.datasets_dir, dataset_hash, table)
                connection.read_parquet(str(file)).create_view(f"{side}_{table}")
        connection.execute(PAIRS_VIEW)

        def fetch_rows(query: str) -> list[dict[str, Any]]:
            rows: list[dict[str, Any]] = connection.sql(query).to_arrow_table().to_pylist()
            return rows

        manifest_before, manifest_after = manifests["before"], manifests["after"]
        return DatasetDiff(
            before=_summarize_manifest(manifest_before),
            after=_summarize_manifest(manifest_after),
            rows=fetch_rows(f"from ({ROW_COUNTS_QUERY}) order by all"),
            pairs=fetch_rows(PAIR_COUNTS_QUERY)[0],
            entities=fetch_rows(ENTITY_CHANGES_QUERY),
            features=fetch_rows(FEATURE_CHANGES_QUERY),
            settings=_find_changed_settings(
                _flatten_settings(manifest_before.provenance), _flatten_settings(manifest_after.provenance)
            ),
            files=_find_file_changes(manifest_before.provenance, manifest_after.provenance),
            largest_changes=fetch_rows(LARGEST_CHANGES_QUERY),
        )


def _summarize_manifest(manifest: DatasetManifest) -> dict[str, Any]:
    return {name: value for name, value in vars(manifest).items() if not isinstance(value, dict | Provenance)}


def _flatten_settings(provenance: Provenance) -> dict[str, Any]:
    return _flatten({"settings": provenance.settings, "versions": provenance.versions})


def _flatten(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one mapping with names such as event_weights.view.weight."""
    flat: dict[str, Any] = {}
    for name, value in mapping.items():
        flat |= _flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _find_changed_settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"setting": name, "before": before.get(name), "after": after.get(name)}
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _find_file_changes(before: Provenance, after: Provenance) -> dict[str, list[str]]:
    old, new = ({f"{file.feed} {file.path}": file.checksum for file in side.files} for side in (before, after))
    return {
        "added": sorted(new.keys() - old.keys()),
        "removed": sorted(old.keys() - new.keys()),
        "changed": sorted(name for name in old.keys() & new.keys() if old[name] != new[name]),
    }
