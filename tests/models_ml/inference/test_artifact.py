"""Tests of model artifacts on disk."""

import json
import os
import stat
from pathlib import Path

import pytest

from models_ml.config import TrainConfig
from models_ml.errors import ModelError
from models_ml.inference.artifact import CARD_FILE, ID_COLUMNS, TENSORS_FILE, compute_card_checksum
from models_ml.inference.recommender import Recommender
from models_ml.training import TrainingResult, train
from tests.models_ml.inference.test_recommender import get_product_ids
from tests.models_ml.synthetic_tables import build_current_dataset


@pytest.fixture
def artifact(trained: TrainingResult, tmp_path: Path) -> Path:
    """Folder of a saved model; tests may modify its files."""
    path = tmp_path / "models" / "run-1"
    trained.recommender.save(path)
    return path


def test_load_restores_saved_model(trained: TrainingResult, artifact: Path) -> None:
    loaded = Recommender.load(artifact)
    assert loaded.recommend(user_id="u7") == trained.recommender.recommend(user_id="u7")
    assert loaded.recommend(basket=["p1", "p2"]) == trained.recommender.recommend(basket=["p1", "p2"])
    assert loaded.recommend(user_id="unknown_user") == trained.recommender.recommend(user_id="unknown_user")
    assert loaded.card.metrics == trained.recommender.card.metrics
    assert loaded.card.versions["torch"]
    assert sorted(file.name for file in artifact.parent.iterdir()) == ["run-1"]


def test_artifact_modes_follow_umask(trained: TrainingResult, tmp_path: Path) -> None:
    for umask, file_mode, folder_mode in ((0o022, 0o644, 0o755), (0o027, 0o640, 0o750)):
        path = tmp_path / f"umask-{umask:o}"
        previous = os.umask(umask)
        try:
            trained.recommender.save(path)
        finally:
            os.umask(previous)
        assert stat.S_IMODE(path.stat().st_mode) == folder_mode
        assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.iterdir()} == dict.fromkeys(
            (CARD_FILE, TENSORS_FILE, *ID_COLUMNS), file_mode
        )


def test_save_rejects_existing_artifact(trained: TrainingResult, artifact: Path) -> None:
    with pytest.raises(ModelError, match="run-1 exists already"):
        trained.recommender.save(artifact)


@pytest.mark.parametrize("name", ["tensors.safetensors", "users.parquet", "products.parquet"])
def test_load_rejects_damaged_or_missing_file(artifact: Path, name: str) -> None:
    file = artifact / name
    file_content = file.read_bytes()
    for content in (file_content[:-1], b"", file_content[:-1] + bytes([file_content[-1] ^ 1])):
        file.write_bytes(content)
        with pytest.raises(ModelError, match=f"{name} does not match the checksum"):
            Recommender.load(artifact)
    file.unlink()
    with pytest.raises(ModelError, match=f"{name} is missing"):
        Recommender.load(artifact)
    for make_unreadable in (file.mkdir, lambda: (file.rmdir(), file.symlink_to(file))):
        make_unreadable()
        with pytest.raises(ModelError, match=f"{name} cannot be read: "):
            Recommender.load(artifact)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "something-else"},
        {"format_version": 3},
        {"unknown_field": 1},
        {"config": {"factors": -1}},
    ],
)
def test_load_rejects_unreadable_card(artifact: Path, change: dict[str, object]) -> None:
    card = json.loads((artifact / "card.json").read_text())
    (artifact / "card.json").write_text(json.dumps(card | change))
    with pytest.raises(ModelError, match=r"card\.json is not the card of a model"):
        Recommender.load(artifact)


@pytest.mark.parametrize(
    "change",
    [
        {"regularization": 0.5},
        {"dataset_hash": "of other data"},
        {"metrics": []},
        {"checksum": "0" * 64},
        {"checksum": ""},
    ],
)
def test_load_rejects_changed_card(artifact: Path, change: dict[str, object]) -> None:
    card = json.loads((artifact / "card.json").read_text())
    (artifact / "card.json").write_text(json.dumps(card, indent=4))
    assert Recommender.load(artifact).card.run_id == "run-1"
    (artifact / "card.json").write_text(json.dumps(card | change))
    with pytest.raises(ModelError, match=r"card\.json does not match its own checksum"):
        Recommender.load(artifact)


def test_load_rejects_card_of_other_files(artifact: Path) -> None:
    card = json.loads((artifact / "card.json").read_text()) | {"users": 5}
    card["checksum"] = compute_card_checksum(json.dumps(card))
    (artifact / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match=r"card\.json does not describe the other files"):
        Recommender.load(artifact)


def test_load_rejects_other_folder(artifact: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"card\.json is missing"):
        Recommender.load(tmp_path)
    with pytest.raises(ModelError, match=r"card\.json is missing"):
        Recommender.load(tmp_path / "nowhere")
    (artifact / "card.json").write_text("{ not json")
    with pytest.raises(ModelError, match="is not the card of a model"):
        Recommender.load(artifact)


def test_failed_save_leaves_no_files(trained: TrainingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_disk_full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("models_ml.inference.artifact.save_file", raise_disk_full)
    with pytest.raises(OSError, match="no space left"):
        trained.recommender.save(tmp_path / "models" / "run-1")
    assert not list((tmp_path / "models").iterdir())


def test_artifact_keeps_ids_of_any_text(tmp_path: Path) -> None:
    users = ["Zoë 🙂", " leading", "a/b?c#d", "O'Brien", "", "日本"]
    products = ["🛒 cart", "50% off", "line\nbreak", "a", "b"]
    pairs = [
        (user, product, 1.0, False)
        for row, user in enumerate(users)
        for column, product in enumerate(products)
        if (row + column) % 2 or row == column
    ]
    result = train(build_current_dataset(pairs), TrainConfig(factors=4, device="cpu"), "run")
    result.recommender.save(tmp_path / "run")
    loaded = Recommender.load(tmp_path / "run")
    for user in users:
        history = {product for pair_user, product, *_ in pairs if pair_user == user}
        recommendations = loaded.recommend(user_id=user)
        assert recommendations.source == "model"
        assert set(get_product_ids(recommendations)) == set(products) - history
        assert {item.product_id for item in loaded.explain("a", user_id=user).contributions} == history
    assert set(get_product_ids(loaded.find_similar_products("🛒 cart"))) == {"50% off", "line\nbreak", "a", "b"}
    assert loaded.recommend(basket=["🛒 cart", "🛒"]).unknown_products == ["🛒"]
