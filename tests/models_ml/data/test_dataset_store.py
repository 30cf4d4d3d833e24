"""Tests of dataset versions on disk."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models_ml.data.dataset import TABLE_LAYOUTS, Dataset
from models_ml.data.dataset_store import (
    MANIFEST_FILE,
    Provenance,
    SourceFile,
    get_table_path,
    iter_dataset_hashes,
    read_dataset,
    read_manifest,
    write_dataset,
)
from models_ml.errors import ModelError
from tests.models_ml.data.test_dataset import PAIRS, build_dataset
from tests.models_ml.synthetic_tables import START

PROVENANCE = Provenance(
    settings={"half_life_days": 30},
    versions={"duckdb": "1"},
    files=[SourceFile(feed="events", path="a.csv", checksum="abc", row_count=3)],
)


@pytest.fixture
def version(tmp_path: Path) -> Dataset:
    """A dataset that is stored in tmp_path."""
    dataset = build_dataset()
    write_dataset(dataset, PROVENANCE, tmp_path)
    return dataset


def test_manifest_content(version: Dataset, tmp_path: Path) -> None:
    manifest = read_manifest(tmp_path, version.dataset_hash)
    assert (manifest.interactions, manifest.users, manifest.products) == (3, 2, 2)
    assert manifest.first_interaction_at == START
    assert {name: summary.row_count for name, summary in manifest.tables.items()} == {
        "interactions": 4, "product_features": 1, "features": 1, "evaluation_pairs": 1,
    }  # fmt: skip
    assert manifest.tables["product_features"].columns["popularity"] == "double"
    assert manifest.provenance == PROVENANCE


def test_write_and_read_version(version: Dataset, tmp_path: Path) -> None:
    written = read_manifest(tmp_path, version.dataset_hash)
    assert write_dataset(version, Provenance(), tmp_path) == written
    assert list(iter_dataset_hashes(tmp_path)) == [version.dataset_hash]
    assert sorted(path.name for path in (tmp_path / version.dataset_hash).iterdir()) == sorted(
        [MANIFEST_FILE, *(f"{name}.parquet" for name in TABLE_LAYOUTS)]
    )
    dataset = read_dataset(tmp_path, version.dataset_hash)
    assert all(dataset.tables[name].equals(table) for name, table in version.tables.items())


@pytest.mark.parametrize("table", TABLE_LAYOUTS)
def test_read_rejects_damaged_or_missing_table(version: Dataset, tmp_path: Path, table: str) -> None:
    file = get_table_path(tmp_path, version.dataset_hash, table)
    file_content = file.read_bytes()
    pq.write_table(pa.concat_tables([version.tables[table], version.tables[table].slice(0, 1)]), file)
    with pytest.raises(ModelError, match=f"{table}.parquet: its content does not match its hash"):
        read_dataset(tmp_path, version.dataset_hash)
    with pytest.raises(ModelError, match="does not match its hash"):
        write_dataset(version, PROVENANCE, tmp_path)
    file.write_bytes(file_content[: len(file_content) // 2])
    with pytest.raises(ModelError, match=f"{table}.parquet cannot be read"):
        read_dataset(tmp_path, version.dataset_hash)
    pq.write_table(pa.table({"unknown_column": ["x"]}), file)
    with pytest.raises(ModelError, match=f"{table}.parquet cannot be read: .* lack the columns"):
        read_dataset(tmp_path, version.dataset_hash)
    file.unlink()
    with pytest.raises(ModelError, match=f"{table}.parquet cannot be read"):
        read_dataset(tmp_path, version.dataset_hash)


def test_read_rejects_damaged_or_wrong_manifest(version: Dataset, tmp_path: Path) -> None:
    other = write_dataset(build_dataset(PAIRS[:2]), PROVENANCE, tmp_path)
    manifest = tmp_path / version.dataset_hash / MANIFEST_FILE
    shutil.copy(tmp_path / other.dataset_hash / MANIFEST_FILE, manifest)
    with pytest.raises(ModelError, match="does not describe the dataset of this hash"):
        read_dataset(tmp_path, version.dataset_hash)
    manifest.write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match=f"{MANIFEST_FILE} is not a manifest"):
        read_dataset(tmp_path, version.dataset_hash)
    manifest.unlink()
    with pytest.raises(ModelError, match=f"{MANIFEST_FILE} is missing"):
        read_dataset(tmp_path, version.dataset_hash)


def test_read_rejects_older_format(version: Dataset, tmp_path: Path) -> None:
    file = tmp_path / version.dataset_hash / MANIFEST_FILE
    file.write_text(json.dumps(json.loads(file.read_bytes()) | {"format_version": 2}), encoding="utf-8")
    with pytest.raises(
        ModelError, match=f"{MANIFEST_FILE} is of dataset format 2, and this RecoMart reads format 6.*again"
    ):
        read_dataset(tmp_path, version.dataset_hash)


def test_unfinished_folder_is_no_version(tmp_path: Path) -> None:
    (tmp_path / ".abc-unfinished").mkdir()
    assert list(iter_dataset_hashes(tmp_path)) == []
    assert list(iter_dataset_hashes(tmp_path / "nowhere")) == []
