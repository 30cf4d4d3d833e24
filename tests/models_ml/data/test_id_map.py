"""Tests of text ids and their positions."""

import numpy as np
import pyarrow as pa
import pytest

from models_ml.data.id_map import IdMap
from models_ml.errors import ModelError


def test_positions_do_not_depend_on_input_order() -> None:
    ids = ["b", "a a", "😀", "é", "", "Z"]
    id_map, reordered = IdMap(ids, "customer"), IdMap(pa.chunked_array([ids[3:], ids[:3], ids[:1]]), "customer")
    assert id_map.ids.to_pylist() == reordered.ids.to_pylist() == sorted(ids)
    assert [id_map.get_id(id_map.get_position(text_id)) for text_id in ids] == ids
    assert id_map.find_positions(pa.array(["😀", "unknown_user"])).tolist() == [id_map.get_position("😀"), -1]
    assert id_map.take_ids(np.array([0, -1])).to_pylist() == [sorted(ids)[0], None]


def test_unknown_id_is_rejected() -> None:
    ids = IdMap(["a"], "product")
    with pytest.raises(ModelError, match="unknown product 'x y'"):
        ids.get_position("x y")
    with pytest.raises(ModelError, match="2 unknown product ids, the first is 'q'"):
        ids.get_positions(pa.chunked_array([["a", "q"], ["r"]]))
