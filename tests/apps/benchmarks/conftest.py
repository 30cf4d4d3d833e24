"""Fixtures of the ranking benchmark."""

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def split_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files train, valid and test of customers with either even or odd items; popular items are more frequent."""
    folder = tmp_path_factory.mktemp("split")
    rng = np.random.default_rng(0)
    rows: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for user in range(120):
        liked = np.arange(user % 2, 60, 2)
        user_items = rng.choice(liked, 14, replace=False, p=(odds := 1 / (1 + np.arange(30))) / odds.sum())
        for name, items in (("train", user_items[:8]), ("valid", user_items[8:11]), ("test", user_items[11:])):
            rows[name] += [f"u {user},item {item} 🍵" for item in items]
    paths = {name: folder / f"{name}.csv" for name in rows}
    for name, lines in rows.items():
        paths[name].write_text("\n".join(["user_id,item_id", *lines]) + "\n", encoding="utf-8")
    return paths
