"""Generated files: determinism, completeness, and protection of other files."""

import hashlib
import os
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.warehouse.demo.conftest import GeneratedShop
from warehouse.demo import DemoConfig, generate_shop, generator
from warehouse.errors import RecomartError

TINY_CONFIG = DemoConfig(customers=40, products=30, days=9, events=1_500, dirt=0.05)


def _compute_digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_files_do_not_depend_on_workers(shop: GeneratedShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker_counts: list[int] = []

    class CountedPool(ProcessPoolExecutor):
        def __init__(self, worker_count: int, **options: Any) -> None:
            worker_counts.append(worker_count)
            super().__init__(worker_count, **options)

    monkeypatch.setattr(generator, "EVENTS_PER_WORKER", shop.config.events)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(generator, "ProcessPoolExecutor", CountedPool)
    generate_shop(shop.config, tmp_path / "landing", tmp_path / "truth")
    assert worker_counts == [2]
    assert _compute_digests(tmp_path / "landing") == _compute_digests(shop.landing)
    assert _compute_digests(tmp_path / "truth") == _compute_digests(shop.truth)


def test_other_seed_gives_other_files(tmp_path: Path) -> None:
    for seed in (1, 2):
        generate_shop(TINY_CONFIG.model_copy(update={"seed": seed}), tmp_path / str(seed), tmp_path / f"truth{seed}")
    first, second = _compute_digests(tmp_path / "1"), _compute_digests(tmp_path / "2")
    assert not set(first.values()) & set(second.values())


def test_on_day_is_called_for_each_day(tmp_path: Path) -> None:
    calls: list[tuple[date, int]] = []
    generate_shop(
        TINY_CONFIG, tmp_path / "landing", tmp_path / "truth", on_day=lambda day, events: calls.append((day, events))
    )
    assert [day for day, _ in calls] == [date(2026, 1, number) for number in range(1, 10)]
    assert sum(events for _, events in calls) > 1_000


def test_same_shop_is_not_written_again(tmp_path: Path) -> None:
    first = generate_shop(TINY_CONFIG, tmp_path / "landing", tmp_path / "truth")
    previous_times = [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))]
    second = generate_shop(TINY_CONFIG, tmp_path / "landing", tmp_path / "truth")
    assert (first.is_new, second.is_new) == (True, False)
    assert second.model_dump(exclude={"seconds", "is_new"}) == first.model_dump(exclude={"seconds", "is_new"})
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))] == previous_times


def test_other_shop_needs_overwrite(tmp_path: Path) -> None:
    landing, truth, other_config = tmp_path / "landing", tmp_path / "truth", TINY_CONFIG.model_copy(update={"days": 3})
    generate_shop(TINY_CONFIG, landing, truth)
    with pytest.raises(RecomartError, match=r"another demo shop.*`recomart demo-data --overwrite`"):
        generate_shop(other_config, landing, truth)
    generate_shop(other_config, landing, truth, overwrite=True)
    assert len(list((landing / "purchases").iterdir())) == other_config.days
    assert sorted(path.name for path in tmp_path.iterdir()) == ["landing", "truth"]


def test_other_shop_replaces_log(tmp_path: Path) -> None:
    """The log has recommendations of the other shop's customers."""
    landing, truth = tmp_path / "landing", tmp_path / "truth"
    generate_shop(TINY_CONFIG, landing, truth)
    log = landing / "recommendation_log" / "served" / "1.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text("{}\n")
    generate_shop(TINY_CONFIG, landing, truth)
    assert log.exists()
    generate_shop(TINY_CONFIG.model_copy(update={"days": 3}), landing, truth, overwrite=True)
    assert not log.exists()


def test_foreign_files_are_never_replaced(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    (landing / "clickstream").mkdir(parents=True)
    (landing / "clickstream" / "real.jsonl").write_text("{}\n")
    for overwrite in (False, True):
        with pytest.raises(RecomartError, match="did not write"):
            generate_shop(TINY_CONFIG, landing, tmp_path / "truth", overwrite=overwrite)
    assert _compute_digests(landing).keys() == {"clickstream/real.jsonl"}


def test_failed_run_leaves_no_files(tmp_path: Path) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_shop(TINY_CONFIG, tmp_path / "landing", tmp_path / "truth", on_day=stop)
    assert list(tmp_path.iterdir()) == []
