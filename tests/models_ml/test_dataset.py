"""Versions of the training rows."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models_ml.dataset import DatasetVersion, content_hash, read_dataset, training_rows, write_dataset
from models_ml.errors import ModelError
from tests.models_ml.made_up import START, interaction_rows

PAIRS = [("u1", "p1", 1.0, True), ("u1", "p 2", 0.5, False), ("😀", "p1", 2.0, False)]


def rows(pairs: list[tuple[str, str, float, bool]] = PAIRS) -> pa.Table:
    """Return training rows."""
    return training_rows(interaction_rows("now", 100, pairs))


def test_the_hash_knows_content_and_nothing_else() -> None:
    table = interaction_rows("now", 100, PAIRS)
    again = pa.concat_tables([table.slice(2), table.slice(0, 1), table.slice(1, 1)]).cast(
        table.schema.set(2, pa.field("user_id", pa.large_string()))
    )
    assert content_hash(training_rows(again)) == content_hash(rows())


@pytest.mark.parametrize(
    "changed",
    [
        [*PAIRS[:2], ("😀", "p1", 2.0000000001, False)],
        [*PAIRS[:2], ("😀", "p1", 2.0, True)],
        [("u1p", "1", 1.0, True), *PAIRS[1:]],
        PAIRS[:2],
    ],
)
def test_any_change_gives_another_hash(changed: list[tuple[str, str, float, bool]]) -> None:
    assert content_hash(rows(changed)) != content_hash(rows())


def test_a_version_says_what_it_holds() -> None:
    version = DatasetVersion.of(rows(), {"half_life_days": 30})
    assert (version.interactions, version.users, version.products) == (3, 2, 2)
    assert version.first_interaction_at == START
    assert version.settings == '{"half_life_days": 30}'
    assert version.row(Path("rows.parquet")).column_names == [
        "dataset_hash", "created_at", "as_of", "interactions", "users", "products",
        "first_interaction_at", "last_interaction_at", "settings", "path",
    ]  # fmt: skip


def test_rows_come_back_as_written_and_are_written_once(tmp_path: Path) -> None:
    path = write_dataset(rows(), tmp_path / "datasets")
    written_at = path.stat().st_mtime_ns
    assert write_dataset(rows(), tmp_path / "datasets") == path
    assert path.stat().st_mtime_ns == written_at
    assert list(path.parent.iterdir()) == [path]
    assert read_dataset(path.parent, path.stem).equals(rows())


def test_altered_damaged_and_missing_rows_are_refused(tmp_path: Path) -> None:
    path = write_dataset(rows(), tmp_path)
    pq.write_table(rows(PAIRS[:2]), path)
    with pytest.raises(ModelError, match="does not match its hash"):
        read_dataset(tmp_path, path.stem)
    with pytest.raises(ModelError, match="does not match its hash"):
        write_dataset(rows(), tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"\.parquet cannot be read"):
        read_dataset(tmp_path, path.stem)
    with pytest.raises(ModelError, match="no dataset abc"):
        read_dataset(tmp_path, "abc")


def test_rows_that_are_no_training_rows_are_refused() -> None:
    table = interaction_rows("now", 100, PAIRS)
    with pytest.raises(ModelError, match="lack the columns has_purchased"):
        training_rows(table.drop_columns("has_purchased"))
    with pytest.raises(ModelError, match="empty"):
        training_rows(table.slice(0, 0))
    with pytest.raises(ModelError, match="nulls in strength"):
        training_rows(table.set_column(4, "strength", pa.array([1.0, None, 1.0])))
    with pytest.raises(ModelError, match="do not have the types"):
        training_rows(table.set_column(4, "strength", pa.array(["much", "1", "1"])))
