"""Formatting of counts."""

import pytest

from warehouse.formatting import format_count


@pytest.mark.parametrize(("count", "text"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (1024, "1,024 files")])
def test_format_count(count: int, text: str) -> None:
    assert format_count(count, "file") == text
