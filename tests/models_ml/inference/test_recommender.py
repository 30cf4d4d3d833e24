"""Inference, and artifacts on disk."""

import json
from pathlib import Path

import pytest

from models_ml.data.dataset import Dataset
from models_ml.errors import ModelError
from models_ml.inference.artifact import compute_card_checksum
from models_ml.inference.candidates import Candidates
from models_ml.inference.recommender import Basket, Recommender
from models_ml.training import TrainingResult


@pytest.fixture
def artifact(trained: TrainingResult, tmp_path: Path) -> Path:
    """A saved model that may be damaged."""
    path = tmp_path / "models" / "run-1"
    trained.recommender.save(path)
    return path


def test_a_known_customer_gets_what_the_candidates_say_less_what_was_seen(
    trained: TrainingResult, shop: Dataset
) -> None:
    recommender = trained.recommender
    seen = {row["product_id"] for row in shop.current_interactions.to_pylist() if row["user_id"] == "u7"}
    rows = [
        row
        for row in Candidates.create(trained.recommender, shop.current_interactions).to_table().to_pylist()
        if row["user_id"] == "u7"
    ]
    answer = recommender.recommend(user_id="u7", n=5)
    expected = [row for row in rows if row["product_id"] not in seen][:5]
    assert answer.source == "model"
    assert [item.product_id for item in answer.items] == [row["product_id"] for row in expected]
    assert [item.reason_product_id for item in answer.items] == [row["reason_product_id"] for row in expected]
    assert [item.score for item in answer.items] == pytest.approx([row["score"] for row in expected], rel=1e-3)
    everything = recommender.recommend(user_id="u7", n=5, exclude_seen=False)
    assert [item.product_id for item in everything.items] == [row["product_id"] for row in rows[:5]]


def test_a_basket_equal_to_a_history_gets_the_same_answer(trained: TrainingResult, shop: Dataset) -> None:
    rows = [row for row in shop.current_interactions.to_pylist() if row["user_id"] == "u3"]
    basket = {row["product_id"]: row["strength"] for row in reversed(rows)}
    assert trained.recommender.recommend(basket=basket) == trained.recommender.recommend(user_id="u3")


def test_an_unknown_customer_gets_the_most_popular_products_and_is_told_so(
    trained: TrainingResult, shop: Dataset
) -> None:
    assert not trained.recommender.is_known_user("unknown_user")
    answer = trained.recommender.recommend(user_id="unknown_user", n=3)
    counts: dict[str, int] = {}
    for product in shop.current_interactions["product_id"].to_pylist():
        counts[product] = counts.get(product, 0) + 1
    best = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3]
    assert answer.source == "popularity"
    assert [(item.product_id, item.score) for item in answer.items] == best


@pytest.mark.parametrize("basket", [["no such", "🛒 nor this"], [], {}])
def test_a_basket_of_which_nothing_is_known_gets_the_most_popular_products_and_is_told_so(
    trained: TrainingResult, basket: Basket
) -> None:
    answer = trained.recommender.recommend(basket=basket, n=3)
    assert answer.items == trained.recommender.recommend(user_id="unknown_user", n=3).items
    assert (answer.source, answer.unknown_products) == ("popularity", list(basket))


def test_a_product_that_a_basket_names_twice_counts_twice(trained: TrainingResult) -> None:
    mean = trained.recommender.card.mean_strength
    assert trained.recommender.recommend(basket=["p1", "p2", "p1"]) == trained.recommender.recommend(
        basket={"p1": 2 * mean, "p2": mean}
    )


def test_unknown_products_of_a_basket_are_ignored_and_named(trained: TrainingResult) -> None:
    answer = trained.recommender.recommend(basket=["p1", "no such", "p2"])
    assert answer.unknown_products == ["no such"]
    assert answer.items == trained.recommender.recommend(basket=["p2", "p1"]).items
    assert not {"p1", "p2"} & {item.product_id for item in answer.items}
    assert {item.reason_product_id for item in answer.items} <= {"p1", "p2", None}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"basket": "p1"}, "a list of product ids, not a text"),
        ({"basket": {"p1": float("nan")}}, "finite numbers above zero"),
        ({"basket": {"p1": 0.0}}, "finite numbers above zero"),
        ({"basket": {"p1": 1e39}}, "that of 'p1' is 1e[+]39"),
        ({"user_id": "u1", "n": 0}, "n >= 1"),
        ({}, "either a customer or a basket"),
        ({"user_id": "u1", "basket": ["p1"]}, "either a customer or a basket"),
    ],
)
def test_requests_that_make_no_sense_are_refused(
    trained: TrainingResult, request_: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        trained.recommender.recommend(**request_)  # type: ignore[arg-type]


def test_a_loaded_model_answers_as_the_saved_one(trained: TrainingResult, artifact: Path) -> None:
    loaded = Recommender.load(artifact)
    assert loaded.recommend(user_id="u7") == trained.recommender.recommend(user_id="u7")
    assert loaded.recommend(basket=["p1", "p2"]) == trained.recommender.recommend(basket=["p1", "p2"])
    assert loaded.recommend(user_id="unknown_user") == trained.recommender.recommend(user_id="unknown_user")
    assert loaded.card.metrics == trained.recommender.card.metrics
    assert loaded.card.versions["torch"]
    assert sorted(file.name for file in artifact.parent.iterdir()) == ["run-1"]


def test_an_artifact_is_never_overwritten(trained: TrainingResult, artifact: Path) -> None:
    with pytest.raises(ModelError, match="run-1 exists already"):
        trained.recommender.save(artifact)


@pytest.mark.parametrize("name", ["tensors.safetensors", "users.parquet", "products.parquet"])
def test_truncated_missing_and_exchanged_files_are_named(artifact: Path, name: str) -> None:
    file = artifact / name
    whole = file.read_bytes()
    for content in (whole[:-1], b"", whole[:-1] + bytes([whole[-1] ^ 1])):
        file.write_bytes(content)
        with pytest.raises(ModelError, match=f"{name} does not match the checksum"):
            Recommender.load(artifact)
    file.unlink()
    with pytest.raises(ModelError, match=f"{name} is missing"):
        Recommender.load(artifact)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "something-else"},
        {"format_version": 1},
        {"surprise": 1},
        {"config": {"factors": -1}},
    ],
)
def test_foreign_cards_are_refused(artifact: Path, change: dict[str, object]) -> None:
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
def test_a_card_that_was_changed_is_refused(artifact: Path, change: dict[str, object]) -> None:
    card = json.loads((artifact / "card.json").read_text())
    (artifact / "card.json").write_text(json.dumps(card, indent=4))
    assert Recommender.load(artifact).card.run_id == "run-1"
    (artifact / "card.json").write_text(json.dumps(card | change))
    with pytest.raises(ModelError, match=r"card\.json does not match its own checksum"):
        Recommender.load(artifact)


def test_a_card_that_describes_other_files_is_refused(artifact: Path) -> None:
    card = json.loads((artifact / "card.json").read_text()) | {"users": 5}
    card["checksum"] = compute_card_checksum(json.dumps(card))
    (artifact / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match=r"card\.json does not describe the files beside it"):
        Recommender.load(artifact)


def test_what_is_no_artifact_is_named(artifact: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"card\.json is missing"):
        Recommender.load(tmp_path)
    with pytest.raises(ModelError, match=r"card\.json is missing"):
        Recommender.load(tmp_path / "nowhere")
    (artifact / "card.json").write_text("{ not json")
    with pytest.raises(ModelError, match="is not the card of a model"):
        Recommender.load(artifact)


def test_a_save_that_fails_leaves_nothing(
    trained: TrainingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("models_ml.inference.artifact.save_file", full_disk)
    with pytest.raises(OSError, match="no space left"):
        trained.recommender.save(tmp_path / "models" / "run-1")
    assert not list((tmp_path / "models").iterdir())
