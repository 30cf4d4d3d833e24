"""Tests of holdouts: the default, the order of pairs, ties and folds."""

from itertools import islice
from pathlib import Path

import pyarrow as pa
import pytest

from models_ml.data.interaction_files import read_interactions
from models_ml.errors import ModelError
from models_ml.evaluation.holdout import Holdout, choose_holdout, iter_folds, require_possible

LASTFM = Path(__file__).parents[4] / "shared" / "data" / "lastfm"


def write_file(folder: Path, name: str, lines: list[str]) -> Path:
    file = folder / name
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def list_folds(
    file: Path, holdout: Holdout, share: float, count: int, seed: int = 0
) -> list[tuple[set[str], set[str]]]:
    """Return the training pairs and the held-out pairs of the folds, each pair as `user item`."""
    folds = islice(iter_folds(read_interactions(file), holdout, share, seed), count)
    return [(list_pairs(train), list_pairs(held_out)) for train, held_out in folds]


def list_pairs(rows: pa.Table) -> set[str]:
    return {f"{row['user_id']} {row['item_id']}" for row in rows.to_pylist()}


@pytest.mark.parametrize(
    ("name", "lines", "holdout"),
    [
        ("a.csv", ["user_id,item_id,timestamp", "u,a,1", "u,b,2"], Holdout.TIME),
        ("a.csv", ["user_id,item_id", "u,b", "u,a"], Holdout.RANDOM),
        ("a.txt", ["u b 1", "u a 1"], Holdout.RANDOM),
        ("a.txt", ["u b d a c e", "v d a"], Holdout.LAST),
        ("a.txt", ["u b d a c", "v d a"], Holdout.RANDOM),
        ("a.txt", ["u a b c", "v a d"], Holdout.RANDOM),
        ("a.txt", ["1 9 10 100", "2 1 20"], Holdout.RANDOM),
        ("a.txt", ["1 10 100 9 2 3", "2 1 20"], Holdout.LAST),
    ],
)
def test_default_holdout(tmp_path: Path, name: str, lines: list[str], holdout: Holdout) -> None:
    file = write_file(tmp_path, name, lines)
    assert choose_holdout(file, read_interactions(file))[0] == holdout


@pytest.mark.real_data
@pytest.mark.skipif(not LASTFM.is_dir(), reason=f"the Last.fm split is not in {LASTFM}")
def test_last_on_lastfm() -> None:
    """Each line of the public file ends with the held-out items."""
    file = LASTFM / "train.txt"
    assert choose_holdout(file, read_interactions(file))[0] == Holdout.LAST
    ((_, held_out),) = list_folds(file, Holdout.LAST, 0.1, 1)
    expected = set()
    for user, *items in (line.split() for line in file.read_text().splitlines()):
        count = int(0.1 * len(items) + 0.5)
        expected |= {f"{user} {item}" for item in items[len(items) - count :]}
    assert held_out == expected


def test_last_follows_file_order(tmp_path: Path) -> None:
    file = write_file(tmp_path, "a.txt", ["u c a e b d", "v z y x", "u q p r s o"])
    ((earlier, held_out),) = list_folds(file, Holdout.LAST, 0.2, 1)
    assert held_out == {"u s", "u o", "v x"}
    assert len(earlier) == 10


def test_last_counts_last_occurrence(tmp_path: Path) -> None:
    file = write_file(tmp_path, "a.txt", ["u a b c d e a"])
    ((_, held_out),) = list_folds(file, Holdout.LAST, 0.2, 1)
    assert held_out == {"u a"}


def test_last_follows_timestamps(tmp_path: Path) -> None:
    """Timestamps come before the order of the file, which decides among equal timestamps."""
    rows = ["u,a,9", "u,b,1", "u,c,1", "u,d,1", "v,a,5", "v,d,5", "v,c,5", "v,b,5"]
    file = write_file(tmp_path, "a.csv", ["user_id,item_id,timestamp", *rows])
    ((_, held_out),) = list_folds(file, Holdout.LAST, 0.25, 1)
    assert held_out == {"u a", "v b"}


def test_last_keeps_one_pair(tmp_path: Path) -> None:
    """A customer with one pair gives none, and no customer loses all pairs."""
    file = write_file(tmp_path, "a.txt", ["u a", "v b a", "w c a d e"])
    ((earlier, held_out),) = list_folds(file, Holdout.LAST, 0.5, 1)
    assert held_out == {"v a", "w d", "w e"}
    assert earlier == {"u a", "v b", "w c", "w a"}


def test_time_ties_follow_file_order(tmp_path: Path) -> None:
    rows = [f"u{number},i,{3 if number == 1 else 7}" for number in range(5)]
    file = write_file(tmp_path, "a.csv", ["user_id,item_id,timestamp", *rows])
    ((_, held_out),) = list_folds(file, Holdout.TIME, 0.4, 1)
    assert held_out == {"u3 i", "u4 i"}


@pytest.mark.parametrize("holdout", [Holdout.LAST, Holdout.TIME])
def test_ordered_folds_go_back(tmp_path: Path, holdout: Holdout) -> None:
    """Each fold holds out the pairs before the previous fold's and trains on the pairs before them."""
    file = write_file(
        tmp_path, "a.csv", ["user_id,item_id,timestamp", *(f"u,{number},{number}" for number in range(10))]
    )
    assert list_folds(file, holdout, 0.2, 2) == [
        ({f"u {number}" for number in range(8)}, {"u 8", "u 9"}),
        ({f"u {number}" for number in range(6)}, {"u 6", "u 7"}),
    ]


def test_random_folds_are_disjoint(tmp_path: Path) -> None:
    file = write_file(tmp_path, "a.txt", [f"u{number} a b c d e" for number in range(10)])
    folds = list_folds(file, Holdout.RANDOM, 0.1, 5)
    pairs = folds[0][0] | folds[0][1]
    assert len(set.union(*(held_out for _, held_out in folds))) == 25
    assert all(len(held_out) == 5 and earlier == pairs - held_out for earlier, held_out in folds)
    assert folds == list_folds(file, Holdout.RANDOM, 0.1, 5) != list_folds(file, Holdout.RANDOM, 0.1, 5, seed=1)


@pytest.mark.parametrize(
    ("holdout", "share", "count"), [(Holdout.LAST, 0.1, 6), (Holdout.TIME, 0.2, 3), (Holdout.RANDOM, 0.4, 3)]
)
def test_folds_limited_by_pairs(tmp_path: Path, holdout: Holdout, share: float, count: int) -> None:
    file = write_file(
        tmp_path, "a.csv", ["user_id,item_id,timestamp", *(f"u,{number},{number}" for number in range(90))]
    )
    list_folds(file, holdout, share, count - 1)
    with pytest.raises(ModelError, match=r"too few interactions to split off another fold .*Use fewer folds"):
        list_folds(file, holdout, share, count)


def test_last_rejects_short_lines(tmp_path: Path) -> None:
    file = write_file(tmp_path, "a.txt", ["u a b c d", "v a b"])
    with pytest.raises(
        ModelError, match=r"too few interactions .*Give a validation file, or choose the holdout 'random'"
    ):
        list_folds(file, Holdout.LAST, 0.1, 1)


def test_time_requires_timestamps(tmp_path: Path) -> None:
    file = write_file(tmp_path, "a.txt", ["u a b"])
    with pytest.raises(ModelError, match=r"holdout 'time' failed: .*a\.txt has no timestamps\. Add the column"):
        require_possible(Holdout.TIME, file, read_interactions(file))
