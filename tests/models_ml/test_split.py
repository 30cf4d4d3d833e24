"""What a split of interaction files knows and asks."""

from pathlib import Path

import pytest

from models_ml.config import TrainConfig
from models_ml.dataset import Dataset
from models_ml.errors import ModelError
from models_ml.evaluation import EvaluationWindow
from models_ml.split import Split
from tests.models_ml.made_up import dense, only_now


def csv(folder: Path, name: str, rows: list[str], header: str = "user_id,item_id") -> Path:
    file = folder / f"{name}.csv"
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return file


def asked(window: EvaluationWindow) -> set[tuple[str, str]]:
    return {(row["user_id"], row["product_id"]) for row in window.pairs.to_pylist()}


def known(window: EvaluationWindow) -> set[tuple[str, str]]:
    matrix = window.interactions
    rows, columns = dense(matrix.strength).nonzero()
    return {(matrix.users.at(row), matrix.products.at(column)) for row, column in zip(rows, columns, strict=True)}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    return (
        csv(tmp_path, "train", ["u,a", "u,b", "v,a", "v,c"]),
        csv(tmp_path, "valid", ["u,c", "v,a"]),
        csv(tmp_path, "test", ["u,c", "v,b", "stranger,a", "v,unheard of"]),
    )


def test_the_test_window_knows_train_and_validation(files: tuple[Path, Path, Path]) -> None:
    split = Split.of_files(*files, TrainConfig())
    assert known(split.validation) == {("u", "a"), ("u", "b"), ("v", "a"), ("v", "c")}
    assert known(split.test) == {*known(split.validation), ("u", "c")}


def test_known_pairs_are_not_asked_and_unknown_products_are(files: tuple[Path, Path, Path]) -> None:
    split = Split.of_files(*files, TrainConfig())
    assert asked(split.validation) == {("u", "c")}
    assert asked(split.test) == {("v", "b"), ("v", "unheard of"), ("stranger", "a")}
    assert len(split.test.users) == 1


def test_without_a_validation_file_the_newest_tenth_of_train_is_split_off(tmp_path: Path) -> None:
    rows = [f"u{number % 5},i{number},{number}" for number in range(30)]
    train = csv(tmp_path, "train", rows, "user_id,item_id,timestamp")
    split = Split.of_files(train, None, csv(tmp_path, "test", ["u0,i1"]), TrainConfig())
    assert asked(split.validation) == {("u2", "i27"), ("u3", "i28"), ("u4", "i29")}
    assert len(known(split.validation)) == 27
    assert len(known(split.test)) == 30


def test_without_timestamps_the_split_is_drawn_by_the_seed(tmp_path: Path) -> None:
    train = csv(tmp_path, "train", [f"u{number % 5},i{number}" for number in range(30)])
    test = csv(tmp_path, "test", ["u0,i1"])
    drawn = [asked(Split.of_files(train, None, test, TrainConfig(seed=seed)).validation) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_late_customers_are_those_of_the_last_tenth_of_the_time(tmp_path: Path) -> None:
    train = csv(tmp_path, "train", ["u,a,0", "u,b,50", "v,a,95", "v,b,100"], "user_id,item_id,timestamp")
    test = csv(tmp_path, "test", ["u,c"])
    valid = csv(tmp_path, "valid", ["u,d"])
    features = Split.of_files(train, valid, test, TrainConfig()).validation.product_features
    assert features.select(["product_id", "popularity", "active_users_28d"]).to_pylist() == [
        {"product_id": "a", "popularity": 2, "active_users_28d": 1},
        {"product_id": "b", "popularity": 2, "active_users_28d": 1},
    ]


def test_a_file_that_asks_nothing_new_of_anybody_is_named(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    strangers = csv(tmp_path, "strangers", ["x,a"])
    with pytest.raises(ModelError, match=r"strangers\.csv: no customer with interactions before it takes anything new"):
        Split.of_files(files[0], files[1], strangers, TrainConfig())


def test_one_interaction_cannot_be_split(tmp_path: Path) -> None:
    one = csv(tmp_path, "one", ["u,a"])
    with pytest.raises(ModelError, match=r"too few interactions to split a validation part off"):
        Split.of_files(one, None, one, TrainConfig())


def test_a_dataset_has_both_windows(shop: Dataset) -> None:
    split = Split.of_dataset(shop, TrainConfig())
    assert (split.validation.as_of_name, split.test.as_of_name) == ("validation", "test")
    assert known(split.validation) < known(split.test)


def test_a_dataset_without_windows_is_no_split() -> None:
    with pytest.raises(ModelError, match="the validation window has no customer"):
        Split.of_dataset(only_now([("u", "p", 1.0, False)]), TrainConfig())
