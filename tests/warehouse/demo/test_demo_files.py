"""The files themselves: the same for the same seed, complete or absent, and never in the place of others."""

import hashlib
from datetime import date
from pathlib import Path

import pytest

from tests.warehouse.demo.conftest import GeneratedShop
from warehouse.demo import DemoConfig, generate_shop
from warehouse.errors import RecomartError

TINY_CONFIG = DemoConfig(customers=40, products=30, days=9, events=1_500, dirt=0.05)


def _compute_digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_same_configuration_gives_same_bytes_with_any_number_of_workers(shop: GeneratedShop, tmp_path: Path) -> None:
    generate_shop(shop.config, tmp_path / "landing", tmp_path / "truth", workers=2)
    assert _compute_digests(tmp_path / "landing") == _compute_digests(shop.landing)
    assert _compute_digests(tmp_path / "truth") == _compute_digests(shop.truth)


def test_another_seed_gives_another_shop(tmp_path: Path) -> None:
    for seed in (1, 2):
        generate_shop(TINY_CONFIG.model_copy(update={"seed": seed}), tmp_path / str(seed), tmp_path / f"truth{seed}")
    first, second = _compute_digests(tmp_path / "1"), _compute_digests(tmp_path / "2")
    assert not set(first.values()) & set(second.values())


def test_progress_is_told_day_by_day(tmp_path: Path) -> None:
    told: list[tuple[date, int]] = []
    generate_shop(
        TINY_CONFIG, tmp_path / "landing", tmp_path / "truth", on_day=lambda day, events: told.append((day, events))
    )
    assert [day for day, _ in told] == [date(2026, 1, number) for number in range(1, 10)]
    assert sum(events for _, events in told) > 1_000


def test_same_shop_again_writes_nothing(tmp_path: Path) -> None:
    first = generate_shop(TINY_CONFIG, tmp_path / "landing", tmp_path / "truth")
    before = [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))]
    again = generate_shop(TINY_CONFIG, tmp_path / "landing", tmp_path / "truth")
    assert (first.is_new, again.is_new) == (True, False)
    assert again.model_dump(exclude={"seconds", "is_new"}) == first.model_dump(exclude={"seconds", "is_new"})
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))] == before


def test_another_shop_is_replaced_only_on_demand(tmp_path: Path) -> None:
    landing, truth, other = tmp_path / "landing", tmp_path / "truth", TINY_CONFIG.model_copy(update={"days": 3})
    generate_shop(TINY_CONFIG, landing, truth)
    with pytest.raises(RecomartError, match="another demo shop"):
        generate_shop(other, landing, truth)
    generate_shop(other, landing, truth, overwrite=True)
    assert len(list((landing / "purchases").iterdir())) == other.days
    assert sorted(path.name for path in tmp_path.iterdir()) == ["landing", "truth"]


def test_files_of_others_are_never_replaced(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    (landing / "clickstream").mkdir(parents=True)
    (landing / "clickstream" / "real.jsonl").write_text("{}\n")
    for overwrite in (False, True):
        with pytest.raises(RecomartError, match="did not write"):
            generate_shop(TINY_CONFIG, landing, tmp_path / "truth", overwrite=overwrite)
    assert _compute_digests(landing).keys() == {"clickstream/real.jsonl"}


def test_run_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_shop(TINY_CONFIG, tmp_path / "landing", tmp_path / "truth", on_day=stop)
    assert list(tmp_path.iterdir()) == []
