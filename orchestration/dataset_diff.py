"""What differs between two versions of the training data."""

from collections.abc import Mapping
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
from pydantic import BaseModel, ConfigDict

from models_ml.dataset import LAYOUTS
from models_ml.dataset_store import DatasetManifest, Provenance, read_dataset, read_manifest, table_file
from orchestration.datasets import find_version
from warehouse.database import limits
from warehouse.settings import Settings

ROWS = " union all ".join(
    f"""
    select '{table}' as "table", cutoff, sum(is_before) as before, sum(is_after) as after
    from (
        select cutoff, 1 as is_before, 0 as is_after from before_{table}
        union all
        select cutoff, 0 as is_before, 1 as is_after from after_{table}
    )
    group by cutoff
    """
    for table in LAYOUTS
)

PAIRS = """
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
        != (after.interaction_count, after.last_interaction_at) as has_other_actions
    from (from before_interactions where cutoff = 'now') as before
    full outer join (from after_interactions where cutoff = 'now') as after using (user_id, product_id)
"""

PAIR_COUNTS = """
    select
        count(*) filter (is_added) as added,
        count(*) filter (is_removed) as removed,
        count(*) filter (is_kept) as kept,
        count(*) filter (is_changed) as strength_changed,
        count(*) filter (has_other_actions) as other_actions
    from pairs
"""

LARGEST_CHANGES = """
    select user_id, product_id, strength_before, strength_after
    from pairs
    where is_added or is_removed or is_changed
    order by abs(coalesce(strength_after, 0) - coalesce(strength_before, 0)) desc, user_id, product_id
    limit 10
"""

MEMBERS = " union all ".join(
    f"""
    select
        '{name}' as "of",
        count(*) filter (not was_there) as new,
        count(*) filter (not is_there) as gone,
        count(*) filter (was_there and is_there) as stayed
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

FACTS = ("product_name", "category", "brand", "price", "popularity", "active_users_28d", "recent_popularity")

FACT_CHANGES = f"""
    unpivot (
        select {", ".join(f"count(*) filter (before.{fact} is distinct from after.{fact}) as {fact}" for fact in FACTS)}
        from (from before_product_features where cutoff = 'now') as before
        inner join (from after_product_features where cutoff = 'now') as after using (product_id)
    ) on columns(*) into name fact value changed
"""


class DatasetDiff(BaseModel):
    """How the second version differs from the first."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    before: dict[str, Any]
    """The first version's manifest, without its files and settings."""
    after: dict[str, Any]
    rows: list[dict[str, Any]]
    """Rows of each table and cutoff: before and after."""
    pairs: dict[str, int]
    """Pairs of customer and product as of now: added, removed, kept; of those kept, with another strength (each fades
    as time passes), and with other actions behind it."""
    members: list[dict[str, Any]]
    """Customers and products that are new, gone, or stayed."""
    product_facts: list[dict[str, Any]]
    """For each fact about products (category, price, ...), the products known to both of which it changed."""
    settings: list[dict[str, Any]]
    """Settings and versions that differ: before and after, None where there is none."""
    files: dict[str, list[str]]
    """Files that the rows came from: new, gone, and changed; as feed and path."""
    largest_changes: list[dict[str, Any]]
    """The pairs whose strength differs most."""


def diff_versions(settings: Settings, before: str, after: str) -> DatasetDiff:
    """Compare two versions, each named by the beginning of its hash, after verifying both.

    Raises:
        RecomartError: A version is not there, or several begin so.
        ModelError: A file of one is missing or damaged; the message names it.
    """
    versions = {"before": find_version(settings, before), "after": find_version(settings, after)}
    manifests = {}
    with (
        # DuckDB would spill what memory cannot hold into the folder that the command was given in.
        TemporaryDirectory(prefix=".diff-", suffix=".writing", dir=settings.warehouse) as spilled,
        duckdb.connect(config={**limits(settings), "temp_directory": spilled}) as connection,
    ):
        for side, dataset_hash in versions.items():
            read_dataset(settings.datasets_dir, dataset_hash)
            manifests[side] = read_manifest(settings.datasets_dir, dataset_hash)
            for table in LAYOUTS:
                file = table_file(settings.datasets_dir, dataset_hash, table)
                connection.read_parquet(str(file)).create_view(f"{side}_{table}")
        connection.execute(PAIRS)

        def rows(query: str) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = connection.sql(query).to_arrow_table().to_pylist()
            return found

        one, other = manifests["before"], manifests["after"]
        return DatasetDiff(
            before=_facts(one),
            after=_facts(other),
            rows=rows(f"from ({ROWS}) order by all"),
            pairs=rows(PAIR_COUNTS)[0],
            members=rows(MEMBERS),
            product_facts=rows(FACT_CHANGES),
            settings=_differing(_settings(one.provenance), _settings(other.provenance)),
            files=_file_changes(one.provenance, other.provenance),
            largest_changes=rows(LARGEST_CHANGES),
        )


def _facts(manifest: DatasetManifest) -> dict[str, Any]:
    return {name: value for name, value in vars(manifest).items() if not isinstance(value, dict | Provenance)}


def _settings(provenance: Provenance) -> dict[str, Any]:
    return _flat({"settings": provenance.settings, "versions": provenance.versions})


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one mapping, with names like event_weights.view.weight."""
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"setting": name, "before": before.get(name), "after": after.get(name)}
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _file_changes(before: Provenance, after: Provenance) -> dict[str, list[str]]:
    old, new = ({f"{file.feed} {file.path}": file.checksum for file in side.files} for side in (before, after))
    return {
        "new": sorted(new.keys() - old.keys()),
        "gone": sorted(old.keys() - new.keys()),
        "changed": sorted(name for name in old.keys() & new.keys() if old[name] != new[name]),
    }
