"""Tests of the interaction matrix and of invalid interactions."""

import math

import pyarrow as pa
import pytest

from models_ml.data.interactions import Interactions
from models_ml.errors import ModelError
from tests.models_ml.synthetic_tables import to_dense


def build_table(*rows: tuple[object, object, object]) -> pa.Table:
    """Return rows of (user_id, product_id, strength)."""
    return pa.Table.from_pylist(
        [dict(zip(("user_id", "product_id", "strength"), row, strict=True)) for row in rows],
        pa.schema([("user_id", pa.string()), ("product_id", pa.string()), ("strength", pa.float64())]),
    )


def test_matrix_does_not_depend_on_row_order() -> None:
    rows = [("u2", "p 1", 2.0), ("u1", "p2", 3.0), ("u1", "p 1", 1.0)]
    interactions = Interactions.from_table(build_table(*rows))
    assert interactions.users.ids.to_pylist() == ["u1", "u2"]
    assert interactions.products.ids.to_pylist() == ["p 1", "p2"]
    assert to_dense(interactions.strength).tolist() == [[1, 3], [2, 0]]
    reordered = Interactions.from_table(build_table(*rows[::-1]))
    assert to_dense(reordered.strength).tolist() == [[1, 3], [2, 0]]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "interactions are empty"),
        ([("u", "p", 1.0), ("v", "p", math.nan)], "1 strengths .*'user_id': 'v'"),
        ([("u", "p", math.inf)], "not finite numbers above zero"),
        ([("u", "p", 0.0), ("v", "p", 0.0)], "2 strengths are not finite numbers above zero"),
        ([("u", "p", -1.0)], "not finite numbers above zero"),
        ([("u", "p", 1e-60)], "not finite numbers above zero"),
        ([("u", "p", 1e300)], "not finite numbers above zero"),
        ([("u", "p", None)], "1 are null"),
        ([("u", "p", 1.0), ("u", "q", 1.0), ("u", "p", 2.0)], "1 rows repeat a pair, such as .*'u'.*'p'"),
        ([(None, "p", 1.0)], "customer ids: 1 are null"),
    ],
)
def test_interactions_reject_invalid_rows(rows: list[tuple[object, object, object]], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Interactions.from_table(build_table(*rows))


def test_interactions_reject_invalid_columns() -> None:
    with pytest.raises(ModelError, match="lack the columns strength"):
        Interactions.from_table(build_table(("u", "p", 1.0)).drop_columns("strength"))
    with pytest.raises(ModelError, match="strength must be a number"):
        Interactions.from_table(pa.table({"user_id": ["u"], "product_id": ["p"], "strength": ["1"]}))
