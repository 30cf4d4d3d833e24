"""Dataset versions: listing them, comparing them, and training on an old version after the marts changed."""

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from apps.cli.dataset_diff import diff_versions
from models_ml.config import TrainConfig
from models_ml.data.dataset import TABLE_LAYOUTS
from models_ml.errors import ModelError
from models_ml.inference.artifact import TENSORS_FILE
from orchestration.dataset_versions import find_version, list_dataset_versions
from orchestration.training_run import train_model
from tests.e2e.test_error_messages import assert_one_line_error
from tests.recomart_cli import RecomartCli
from warehouse.database import open_reader, open_writer
from warehouse.errors import RecomartError
from warehouse.settings import Settings

REMOVED_USERS_CONDITION = "hash(user_id) % 10 = 0"
"""Condition of the customers whose pairs are removed from the marts after the first training."""

CHANGED_FILE_QUERY = "select min(path) from raw.loaded_files"
"""Query of the file that is reloaded after the first training."""


@pytest.fixture(scope="module")
def retrained_shop_settings(demo_warehouse: Settings, module_dbt_folder: Path, cli: RecomartCli) -> Settings:
    """The demo shop with two trainings; between them, pairs were removed and an event weight changed."""
    copy = Settings(warehouse=module_dbt_folder / "warehouse")
    ignored = shutil.ignore_patterns("landing", "serving", "partial_parse.msgpack")
    shutil.copytree(demo_warehouse.warehouse, copy.warehouse, ignore=ignored, dirs_exist_ok=True)
    with open_writer(copy) as connection:
        connection.execute("create table marts.changed_pairs as from marts.feat_user_product_interactions")
        connection.execute("drop view marts.feat_user_product_interactions")
        connection.execute("alter table marts.changed_pairs rename to feat_user_product_interactions")
        connection.execute(f"delete from marts.feat_user_product_interactions where {REMOVED_USERS_CONDITION}")
        connection.execute(
            """
            update marts.feat_user_product_interactions set strength = strength * 2
            where cutoff = 'now' and strength > 0
            and product_id = (select min(product_id) from marts.feat_user_product_interactions)
            """
        )
        connection.execute("update seeds.event_weights set weight = 9 where event_type = 'purchase'")
        connection.execute(
            "update raw.loaded_files set loaded_at = now() where path = (select min(path) from raw.loaded_files)"
        )
    # A tenth of the customers was removed: the default gate would reject the model.
    copy.policy_file.write_text('{"gates": {"max_customers_lost": 0.5}}')
    cli.run_json("train", "--warehouse", copy.warehouse)
    return copy


@pytest.fixture(scope="module")
def listed_versions(retrained_shop_settings: Settings, cli: RecomartCli) -> list[dict[str, Any]]:
    """The listed versions, newest first."""
    report = cli.run_json("datasets", "--warehouse", retrained_shop_settings.warehouse)
    versions: list[dict[str, Any]] = report["datasets"]
    return versions


def test_datasets_lists_versions_with_runs(
    retrained_shop_settings: Settings, listed_versions: list[dict[str, Any]], cli: RecomartCli
) -> None:
    new, old = listed_versions
    assert new["interactions"] < old["interactions"]
    assert (len(new["runs"]), new["is_serving"], len(old["runs"]), old["is_serving"]) == (1, True, 1, False)
    assert new["missing_files"] == old["missing_files"] == []
    printed = cli("datasets", "--warehouse", retrained_shop_settings.warehouse).stdout
    assert all(version["dataset_hash"][:12] in printed and version["runs"][0] in printed for version in listed_versions)


def test_diff_reports_settings_files_and_pairs(
    retrained_shop_settings: Settings,
    demo_warehouse: Settings,
    listed_versions: list[dict[str, Any]],
    cli: RecomartCli,
) -> None:
    new, old = (version["dataset_hash"] for version in listed_versions)
    diff = cli.run_json("datasets", "diff", old[:8], new[:8], "--warehouse", retrained_shop_settings.warehouse)
    with open_reader(demo_warehouse) as connection:
        pairs, customers, doubled = connection.execute(
            f"""
            select
                count(*) filter ({REMOVED_USERS_CONDITION}),
                count(distinct user_id) filter ({REMOVED_USERS_CONDITION}),
                count(*) filter (
                    not {REMOVED_USERS_CONDITION}
                    and product_id = (select min(product_id) from marts.ml_interactions)
                )
            from marts.ml_interactions
            where cutoff = 'now'
            """
        ).fetchall()[0]
        (changed_file,) = connection.execute(CHANGED_FILE_QUERY).fetchall()[0]
    assert diff["pairs"] == {
        "added": 0,
        "removed": pairs,
        "kept": listed_versions[0]["interactions"],
        "strength_changed": doubled,
        "actions_changed": 0,
    }
    assert diff["entities"][0] == {
        "entity": "customers", "added": 0, "removed": customers, "kept": listed_versions[0]["users"],
    }  # fmt: skip
    changed_counts = {row["feature"]: row["changed_count"] for row in diff["features"]}
    assert changed_counts == dict.fromkeys(changed_counts, 0)
    assert {"ml_product_features.category", "ml_product_features.price", "recent_popularity"} < changed_counts.keys()
    assert diff["settings"] == [{"setting": "settings.event_weights.purchase.weight", "before": 8.0, "after": 9.0}]
    assert (diff["files"]["added"], diff["files"]["removed"]) == ([], [])
    assert [name.split(" ")[1] for name in diff["files"]["changed"]] == [changed_file]
    cutoffs = {name: {row["cutoff"] for row in diff["rows"] if row["table"] == name} for name in TABLE_LAYOUTS}
    assert cutoffs == {
        "interactions": {"validation", "test", "now"},
        "product_features": {"validation", "test", "now"},
        "features": {"validation", "test", "now"},
        "evaluation_pairs": {"validation", "test"},
    }
    printed = cli("datasets", "diff", old, new, "--warehouse", retrained_shop_settings.warehouse)
    assert "settings.event_weights.purchase.weight" in printed.stdout, printed.stderr


@pytest.mark.slow
def test_training_on_old_version_is_repeatable(
    retrained_shop_settings: Settings, listed_versions: list[dict[str, Any]], cli: RecomartCli
) -> None:
    """The artifact is equal byte for byte, and no mart is read."""
    _, old = listed_versions
    with open_reader(retrained_shop_settings) as connection:
        previous_metrics = read_metrics(connection, old["runs"][0])
    summary = cli.run_json(
        "train", "--dataset", old["dataset_hash"][:10], "--warehouse", retrained_shop_settings.warehouse
    )
    assert summary["dataset_hash"] == old["dataset_hash"]
    first, repeated = (
        retrained_shop_settings.models_dir / run / TENSORS_FILE for run in (old["runs"][0], summary["run_id"])
    )
    assert first.read_bytes() == repeated.read_bytes()
    versions = cli.run_json("datasets", "--warehouse", retrained_shop_settings.warehouse)["datasets"]
    (reused,) = (version for version in versions if version["dataset_hash"] == old["dataset_hash"])
    assert reused["runs"] == [*old["runs"], summary["run_id"]]
    assert reused["is_serving"]
    with open_reader(retrained_shop_settings) as connection:
        assert read_metrics(connection, summary["run_id"]) == previous_metrics
        assert connection.execute("select distinct run_id from ml.candidates").fetchall() == [(summary["run_id"],)]


def read_metrics(connection: Any, run_id: str) -> list[tuple[Any, ...]]:
    """Return the ranking metrics of a model run."""
    query = "select * exclude (run_id) from ml.ranking_metrics where run_id = ? order by all"
    rows: list[tuple[Any, ...]] = connection.execute(query, [run_id]).fetchall()
    assert rows
    return rows


def test_diff_spills_into_warehouse_folder(
    retrained_shop_settings: Settings, listed_versions: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    previous_paths = set(retrained_shop_settings.warehouse.iterdir())
    original_connect, temp_folders = duckdb.connect, []

    def connect(**options: Any) -> duckdb.DuckDBPyConnection:
        connection = original_connect(**options)
        temp_folders.extend(connection.execute("select current_setting('temp_directory')").fetchall()[0])
        return connection

    monkeypatch.setattr(duckdb, "connect", connect)
    diff_versions(retrained_shop_settings, listed_versions[1]["dataset_hash"], listed_versions[0]["dataset_hash"])
    assert [Path(folder).parent for folder in temp_folders] == [retrained_shop_settings.warehouse]
    assert set(retrained_shop_settings.warehouse.iterdir()) == previous_paths


@pytest.mark.slow
def test_damaged_version_is_reported(
    retrained_shop_settings: Settings, listed_versions: list[dict[str, Any]], cli: RecomartCli
) -> None:
    result = cli("train", "--dataset", "xyz", "--warehouse", retrained_shop_settings.warehouse)
    assert_one_line_error(result, "begins with 'xyz'", "recomart datasets")
    new = listed_versions[0]["dataset_hash"]
    file = retrained_shop_settings.datasets_dir / new / "interactions.parquet"
    content = file.read_bytes()
    try:
        file.write_bytes(content[:1000])
        assert_one_line_error(cli("train", "--warehouse", retrained_shop_settings.warehouse), file, "cannot be read")
        with pytest.raises(ModelError, match=r"interactions\.parquet cannot be read"):
            train_model(retrained_shop_settings, TrainConfig(), hash_prefix=new)
        with pytest.raises(ModelError, match=r"interactions\.parquet cannot be read"):
            diff_versions(retrained_shop_settings, new, listed_versions[1]["dataset_hash"])
        file.unlink()
        (new_version,) = (
            version for version in list_dataset_versions(retrained_shop_settings) if version.dataset_hash == new
        )
        assert new_version.missing_files == ["interactions.parquet"]
    finally:
        file.write_bytes(content)


def test_find_version_rejects_ambiguous_hash(tmp_path: Path) -> None:
    for name in ("aa1", "aa2"):
        (tmp_path / "datasets" / name).mkdir(parents=True)
    for prefix, message in (
        ("aa", r"2 dataset versions .* Give more characters"),
        ("", "an empty hash names no dataset"),
    ):
        with pytest.raises(RecomartError, match=message):
            find_version(Settings(warehouse=tmp_path), prefix)


def test_datasets_without_versions_gives_hint(cli: RecomartCli, tmp_path: Path) -> None:
    assert_one_line_error(cli("datasets", "--warehouse", tmp_path / "none"), "the warehouse does not exist")
    with open_writer(Settings(warehouse=tmp_path)):
        pass
    assert "Run `recomart train` to create one" in cli("datasets", "--warehouse", tmp_path).stdout
