"""Blocks that act before the next lists, also when the file of the rules is damaged or missing."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from apps.recommendations.live_blocks import LiveBlocks
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule import Rule
from warehouse.rules.rule_store import RuleStore
from warehouse.settings import Settings


@pytest.fixture
def copy(demo_warehouse: Settings) -> Iterator[ServingCopy]:
    with ServingCopy(demo_warehouse) as copy:
        yield copy


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The settings of a folder with a rules store, in which p00001 and p00003 are blocked."""
    settings = Settings(warehouse=tmp_path)
    store = RuleStore(settings)
    for product in ("p00001", "p00002", "p00003"):
        store.add([Rule(kind="block", scope="product", value=product)], "ann")
    store.undo("r2", "ann")
    return settings


def damage_line(settings: Settings, number: int) -> None:
    lines = settings.rules_file.read_text().splitlines()
    lines[number - 1] = lines[number - 1].replace("block", "blok").replace('"number":', '"no":')
    settings.rules_file.write_text("\n".join(lines) + "\n")


def test_blocks_follow_the_store(settings: Settings, copy: ServingCopy) -> None:
    blocks = LiveBlocks(settings, copy)
    assert blocks.get_products() == {"p00001", "p00003"}
    RuleStore(settings).stop("r1", "ann")
    assert blocks.get_products() == {"p00003"}
    assert blocks.describe_problem() is None


@pytest.mark.parametrize(("damaged_line", "products"), [(3, {"p00001"}), (4, {"p00001", "p00002", "p00003"})])
def test_undamaged_lines_act_at_start(
    settings: Settings, copy: ServingCopy, damaged_line: int, products: set[str]
) -> None:
    """A damaged line stops no other block, and a block whose undo is damaged stays."""
    damage_line(settings, damaged_line)
    blocks = LiveBlocks(settings, copy)
    assert blocks.get_products() == products
    assert "merchandising_rules.jsonl is damaged or missing" in (blocks.describe_problem() or "")


def test_earlier_blocks_stay_after_damage(settings: Settings, copy: ServingCopy) -> None:
    blocks = LiveBlocks(settings, copy)
    assert "p00003" in blocks.get_products()
    damage_line(settings, 3)
    assert blocks.get_products() == {"p00001", "p00003"}
    assert blocks.get_rules()["p00003"].rule_id == "r3"
    assert blocks.describe_problem() is not None


def test_reasons_name_no_blocked_product(tmp_path: Path, copy: ServingCopy) -> None:
    """All other rows and columns of the list stay."""
    rows = copy.query_frame(
        "select user_id, reason_product_id from rec_top_n where reason_product_id is not null and category is not null "
        "and reason_product_id not in (select product_id from rec_top_n as lists where lists.user_id = "
        "rec_top_n.user_id) order by all limit 1"
    )
    user_id, blocked = rows.iloc[0]
    settings = Settings(warehouse=tmp_path)
    RuleStore(settings).add([Rule(kind="block", scope="product", value=blocked)], "ann")
    published = copy.get_recommendations(user_id, 50)
    live = LiveBlocks(settings, copy).get_recommendations(user_id, 50)
    is_changed = published["reason_product_id"] == blocked
    assert is_changed.any()
    assert blocked not in set(live["reason_product_id"])
    assert list(live.loc[is_changed, "reason"]) == [f"More from {name}" for name in live.loc[is_changed, "category"]]
    assert set(live.loc[is_changed, "reason_key"]) == {"more_from_category"}
    pd.testing.assert_frame_equal(live[~is_changed], published[~is_changed], check_dtype=False)


def test_reason_without_category(tmp_path: Path, copy: ServingCopy) -> None:
    settings = Settings(warehouse=tmp_path)
    RuleStore(settings).add([Rule(kind="block", scope="product", value="p00001")], "ann")
    rows = pd.DataFrame({"category": [None, "toys"], "reason_product_id": ["p00001", "p00002"], "reason": ["a", "b"]})
    live = LiveBlocks(settings, copy).replace_reasons(rows)
    assert list(live["reason"]) == ["More from the shop", "b"]
    assert "reason_key" not in live
