"""Fixtures: an empty shop with its own warehouse for each test."""

from pathlib import Path

import pytest

from tests.warehouse.conftest import Shop


@pytest.fixture
def three_feed_shop(tmp_path: Path) -> Shop:
    """An empty shop with three feeds."""
    return Shop(tmp_path)
