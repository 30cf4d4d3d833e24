"""Ids, the interaction matrix, and what is refused."""

import math

import numpy as np
import pyarrow as pa
import pytest

from models_ml.data.id_map import IdMap
from models_ml.data.interactions import Interactions
from models_ml.errors import ModelError
from tests.models_ml.synthetic_tables import to_csr, to_dense


def build_table(*rows: tuple[object, object, object]) -> pa.Table:
    """Return rows of (user_id, product_id, strength)."""
    return pa.Table.from_pylist(
        [dict(zip(("user_id", "product_id", "strength"), row, strict=True)) for row in rows],
        pa.schema([("user_id", pa.string()), ("product_id", pa.string()), ("strength", pa.float64())]),
    )


def test_ids_of_any_text_have_the_same_positions_in_any_order() -> None:
    ids = ["b", "a a", "😀", "é", "", "Z"]
    one, other = IdMap(ids, "customer"), IdMap(pa.chunked_array([ids[3:], ids[:3], ids[:1]]), "customer")
    assert one.ids.to_pylist() == other.ids.to_pylist() == sorted(ids)
    assert [one.get_id(one.get_position(an_id)) for an_id in ids] == ids
    assert one.find_positions(pa.array(["😀", "unknown_user"])).tolist() == [one.get_position("😀"), -1]
    assert one.take_ids(np.array([0, -1])).to_pylist() == [sorted(ids)[0], None]


def test_an_unknown_id_is_named() -> None:
    ids = IdMap(["a"], "product")
    with pytest.raises(ModelError, match="unknown product 'x y'"):
        ids.get_position("x y")
    with pytest.raises(ModelError, match="2 unknown product ids, the first is 'q'"):
        ids.get_positions(pa.chunked_array([["a", "q"], ["r"]]))


def test_rows_in_any_order_give_the_same_matrix() -> None:
    rows = [("u2", "p 1", 2.0), ("u1", "p2", 3.0), ("u1", "p 1", 1.0)]
    forth, back = Interactions.from_table(build_table(*rows)), Interactions.from_table(build_table(*rows[::-1]))
    assert forth.users.ids.to_pylist() == ["u1", "u2"]
    assert forth.products.ids.to_pylist() == ["p 1", "p2"]
    assert to_dense(forth.strength).tolist() == to_dense(back.strength).tolist() == [[1, 3], [2, 0]]


def test_transposition_swaps_rows_and_columns() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.random((9, 5)) * (rng.random((9, 5)) < 0.4)
    assert to_dense(to_csr(matrix).transpose()).tolist() == to_dense(to_csr(matrix)).T.tolist()
    assert to_csr(matrix).sum_rows().tolist() == pytest.approx(matrix.sum(1).tolist())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "interactions are empty"),
        ([("u", "p", 1.0), ("v", "p", math.nan)], "1 strengths .*'user_id': 'v'"),
        ([("u", "p", math.inf)], "not finite numbers above zero"),
        ([("u", "p", 0.0), ("v", "p", 0.0)], "2 strengths are not finite numbers above zero"),
        ([("u", "p", -1.0)], "not finite numbers above zero"),
        ([("u", "p", 1e-60)], "not finite numbers above zero"),
        ([("u", "p", None)], "1 are null"),
        ([("u", "p", 1.0), ("u", "q", 1.0), ("u", "p", 2.0)], "1 rows repeat a pair, such as .*'u'.*'p'"),
        ([(None, "p", 1.0)], "1 of the customer ids are null"),
    ],
)
def test_bad_rows_are_refused_by_name(rows: list[tuple[object, object, object]], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Interactions.from_table(build_table(*rows))


def test_missing_columns_and_text_strengths_are_refused() -> None:
    with pytest.raises(ModelError, match="lack the columns strength"):
        Interactions.from_table(build_table(("u", "p", 1.0)).drop_columns("strength"))
    with pytest.raises(ModelError, match="strength must be a number"):
        Interactions.from_table(pa.table({"user_id": ["u"], "product_id": ["p"], "strength": ["1"]}))
