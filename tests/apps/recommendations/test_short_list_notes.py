"""Notes on lists of placements that are empty or shorter than requested."""

import pytest

from apps.recommendations.recommendation_lists import NO_REPEATS_NOTE, note_short_placement_list


@pytest.mark.parametrize(
    ("list_kind", "count", "is_repeat_shop", "note"),
    [
        ("new", 3, False, "the list has 3 products; there are no more new products that may be recommended"),
        ("new", 0, False, "there are no new products that may be recommended"),
        ("bought", 0, False, NO_REPEATS_NOTE),
        ("bought", 0, True, "no purchases of the customer are due"),
        ("bought", 1, True, "the list has 1 product; no more purchases of the customer are due"),
    ],
)
def test_short_list_note_names_reason(list_kind: str, count: int, is_repeat_shop: bool, note: str) -> None:
    assert note_short_placement_list(count, 12, list_kind, {"is_repeat_shop": is_repeat_shop}) == [note]


def test_short_list_note_of_full_list() -> None:
    assert note_short_placement_list(12, 12, "new", None) == []
    assert note_short_placement_list(0, 12, "bought", None) == ["no purchases of the customer are due"]
