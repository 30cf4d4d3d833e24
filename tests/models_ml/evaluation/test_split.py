"""Tests of benchmark splits from interaction files and datasets."""

from pathlib import Path

import pytest

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.errors import ModelError
from models_ml.evaluation.holdout import Holdout
from models_ml.evaluation.split import Split
from models_ml.evaluation.window import EvaluationWindow
from tests.models_ml.synthetic_tables import build_current_dataset, to_dense


def write_csv(folder: Path, name: str, rows: list[str], header: str = "user_id,item_id") -> Path:
    file = folder / f"{name}.csv"
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return file


def get_relevant_pairs(window: EvaluationWindow) -> set[tuple[str, str]]:
    return {(row["user_id"], row["product_id"]) for row in window.pairs.to_pylist()}


def get_known_pairs(window: EvaluationWindow) -> set[tuple[str, str]]:
    matrix = window.interactions
    rows, columns = to_dense(matrix.strength).nonzero()
    return {
        (matrix.users.get_id(row), matrix.products.get_id(column)) for row, column in zip(rows, columns, strict=True)
    }


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    return (
        write_csv(tmp_path, "train", ["u,a", "u,b", "v,a", "v,c"]),
        write_csv(tmp_path, "valid", ["u,c", "v,a"]),
        write_csv(tmp_path, "test", ["u,c", "v,b", "unknown_user,a", "v,unknown product"]),
    )


def test_split_test_window_follows_validation(files: tuple[Path, Path, Path]) -> None:
    split = Split.from_files(*files, TrainConfig())
    assert get_known_pairs(split.validation[0]) == {("u", "a"), ("u", "b"), ("v", "a"), ("v", "c")}
    assert get_known_pairs(split.test) == {*get_known_pairs(split.validation[0]), ("u", "c")}


def test_split_relevant_pairs(files: tuple[Path, Path, Path]) -> None:
    split = Split.from_files(*files, TrainConfig())
    assert get_relevant_pairs(split.validation[0]) == {("u", "c")}
    assert get_relevant_pairs(split.test) == {("v", "b"), ("v", "unknown product"), ("unknown_user", "a")}
    assert len(split.test.known_positions) == 1


def test_split_newest_tenth_without_validation(tmp_path: Path) -> None:
    rows = [f"u{number % 5},i{number},{number}" for number in range(30)]
    train = write_csv(tmp_path, "train", rows, "user_id,item_id,timestamp")
    split = Split.from_files(train, None, write_csv(tmp_path, "test", ["u0,i1"]), TrainConfig())
    assert get_relevant_pairs(split.validation[0]) == {("u2", "i27"), ("u3", "i28"), ("u4", "i29")}
    assert len(get_known_pairs(split.validation[0])) == 27
    assert len(get_known_pairs(split.test)) == 30


def test_split_random_without_timestamps(tmp_path: Path) -> None:
    train = write_csv(tmp_path, "train", [f"u{number % 5},i{number}" for number in range(30)])
    test = write_csv(tmp_path, "test", ["u0,i1"])
    first, repeated, other = (
        get_relevant_pairs(Split.from_files(train, None, test, TrainConfig(seed=seed)).validation[0])
        for seed in (0, 0, 1)
    )
    assert first == repeated != other


def test_split_last_of_item_lists(tmp_path: Path) -> None:
    train, test = tmp_path / "train.txt", write_csv(tmp_path, "test", ["u,z"])
    train.write_text("u g a f b e\nv e d\n", encoding="utf-8")
    split = Split.from_files(train, None, test, TrainConfig(), folds=1)
    assert split.holdout == Holdout.LAST
    assert get_relevant_pairs(split.validation[0]) == {("u", "e")}
    assert split.origin == (
        f"10% of {train}, holdout last (the file has lines `user item item ...`, whose order usually is the order of "
        "time)"
    )
    chosen = Split.from_files(train, None, test, TrainConfig(), holdout=Holdout.RANDOM, folds=1)
    assert (chosen.holdout, chosen.origin) == (Holdout.RANDOM, f"10% of {train}, holdout random (as requested)")


def test_split_time_needs_timestamps(files: tuple[Path, Path, Path]) -> None:
    with pytest.raises(ModelError, match=r"train\.csv has no timestamps"):
        Split.from_files(files[0], None, files[2], TrainConfig(), holdout=Holdout.TIME)


def test_split_folds_of_validation_file(tmp_path: Path) -> None:
    """The first fold is the file; the others hold out random pairs of train and keep the file's pairs."""
    train = write_csv(tmp_path, "train", [f"u{number % 5},i{number}" for number in range(30)])
    valid = write_csv(tmp_path, "valid", ["u0,v0", "u1,v1", "u2,v2"])
    split = Split.from_files(train, valid, write_csv(tmp_path, "test", ["u0,x"]), TrainConfig(), folds=3)
    first, *others = split.validation
    assert get_relevant_pairs(first) == {("u0", "v0"), ("u1", "v1"), ("u2", "v2")}
    for window in others:
        assert get_known_pairs(window) == get_known_pairs(split.test) - get_relevant_pairs(window)
        assert get_relevant_pairs(window) < get_known_pairs(first)
        assert len(get_relevant_pairs(window)) == 3
    assert not get_relevant_pairs(others[0]) & get_relevant_pairs(others[1])
    assert split.origin == (
        f"3 folds: the file {valid}, and parts of {train} of the same size, holdout random (the file has no timestamps)"
    )


def test_split_ordered_folds_of_file(tmp_path: Path) -> None:
    """Without the pairs of the validation file, which are later than the held-out pairs."""
    train = write_csv(
        tmp_path, "train", [f"u{number % 2},i{number},{number}" for number in range(10)], "user_id,item_id,timestamp"
    )
    valid = write_csv(tmp_path, "valid", ["u0,v0,20", "u1,v1,21"], "user_id,item_id,timestamp")
    split = Split.from_files(train, valid, write_csv(tmp_path, "test", ["u0,x"]), TrainConfig(), folds=2)
    assert get_relevant_pairs(split.validation[1]) == {("u0", "i8"), ("u1", "i9")}
    assert get_known_pairs(split.validation[1]) == {(f"u{number % 2}", f"i{number}") for number in range(8)}


def test_split_default_fold_count(tmp_path: Path) -> None:
    """As many folds as have 1,000 customers together, and at most five; one if the customers are a sample."""
    test = write_csv(tmp_path, "test", ["u0,x"])
    counts = {}
    for customers in (20, 400, 1_000):
        train = write_csv(
            tmp_path,
            "train",
            [f"u{user},i{item},{item}" for item in range(10) for user in range(customers)],
            "user_id,item_id,timestamp",
        )
        split = Split.from_files(train, None, test, TrainConfig())
        counts[customers] = len(split.validation)
        assert f"because the first has only {customers} customers" in split.origin or counts[customers] == 1
        assert len(Split.from_files(train, None, test, TrainConfig(max_selection_users=20)).validation) == 1
    assert counts == {20: 5, 400: 3, 1_000: 1}


def test_split_default_folds_fit_pairs(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """The default takes fewer folds when there are too few pairs; requested folds are an error."""
    valid = write_csv(tmp_path, "long", ["u,c", "u,d", "v,b", "v,d"])
    split = Split.from_files(files[0], valid, files[2], TrainConfig())
    assert (len(split.validation), split.origin, split.holdout) == (1, f"the file {valid}", None)
    with pytest.raises(ModelError, match=r"too few interactions to split off another fold"):
        Split.from_files(files[0], valid, files[2], TrainConfig(), folds=2)


def test_split_recent_users_of_last_tenth(tmp_path: Path) -> None:
    train = write_csv(tmp_path, "train", ["u,a,0", "u,b,50", "v,a,95", "v,b,100"], "user_id,item_id,timestamp")
    test = write_csv(tmp_path, "test", ["u,c"])
    valid = write_csv(tmp_path, "valid", ["u,d,101"], "user_id,item_id,timestamp")
    features = Split.from_files(train, valid, test, TrainConfig()).validation[0].product_features
    assert features.select(["product_id", "popularity", "active_users_28d"]).to_pylist() == [
        {"product_id": "a", "popularity": 2, "active_users_28d": 1},
        {"product_id": "b", "popularity": 2, "active_users_28d": 1},
    ]


@pytest.mark.parametrize(
    ("train_times", "valid_times", "message"),
    [
        ([1_700_000_000, 1_700_000_100], None, r"train\.csv has timestamps, .*valid\.csv has none\. Add the column"),
        (None, [1_700_000_000], r"valid\.csv has timestamps, .*train\.csv has none\. Add the column"),
        (
            [1_700_000_000, 1_700_000_100],
            ["2023-11-15 00:00:00"],
            r"the last is 1700000100 in .*train\.csv, 1\.7000064e\+15 in .*valid\.csv; .*the same kind and unit",
        ),
        ([20231101, 20231114], [1_700_000_200], r"timestamps cannot be compared"),
        ([1_700_000_000, 1_700_000_100], [1_700_000_200_000], r"timestamps cannot be compared"),
        ([0, 3], [20], None),
        (["2023-11-14", "2023-11-15"], ["2023-11-16 10:00:00"], None),
    ],
)
def test_split_compares_timestamps(
    tmp_path: Path, train_times: list[object] | None, valid_times: list[object] | None, message: str | None
) -> None:
    """Otherwise the trends differ between validation and test."""

    def write(name: str, times: list[object] | None, item: str) -> Path:
        if times is None:
            return write_csv(tmp_path, name, [f"u,{item}"])
        rows = [f"u,{item}{number},{time}" for number, time in enumerate(times)]
        return write_csv(tmp_path, name, rows, "user_id,item_id,timestamp")

    train, valid = write("train", train_times, "a"), write("valid", valid_times, "b")
    test = write_csv(tmp_path, "test", ["u,c"])
    if message is None:
        assert Split.from_files(train, valid, test, TrainConfig()).validation
        return
    with pytest.raises(ModelError, match=message):
        Split.from_files(train, valid, test, TrainConfig())


def test_split_rejects_file_without_new_pairs(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    unknown_users = write_csv(tmp_path, "unknown_users", ["x,a"])
    with pytest.raises(
        ModelError, match=r"unknown_users\.csv: no customer with earlier interactions has a new product"
    ):
        Split.from_files(files[0], files[1], unknown_users, TrainConfig())


def test_split_rejects_single_interaction(tmp_path: Path) -> None:
    file = write_csv(tmp_path, "one", ["u,a"])
    with pytest.raises(ModelError, match=r"too few interactions to split off a validation part"):
        Split.from_files(file, None, file, TrainConfig())


def test_split_from_dataset(dataset: Dataset) -> None:
    split = Split.from_dataset(dataset, TrainConfig())
    assert len(split.validation) == 1
    assert (split.validation[0].cutoff, split.test.cutoff) == ("validation", "test")
    assert get_known_pairs(split.validation[0]) < get_known_pairs(split.test)


def test_split_rejects_dataset_without_windows() -> None:
    with pytest.raises(ModelError, match="the validation window has no customers"):
        Split.from_dataset(build_current_dataset([("u", "p", 1.0, False)]), TrainConfig())
