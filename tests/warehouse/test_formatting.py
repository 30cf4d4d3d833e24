"""Counting in messages."""

import pytest

from warehouse.formatting import format_count


@pytest.mark.parametrize(("number", "words"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (1024, "1,024 files")])
def test_one_is_singular_and_thousands_are_parted(number: int, words: str) -> None:
    assert format_count(number, "file") == words
