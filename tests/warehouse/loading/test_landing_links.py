"""Symbolic links, pipes and devices in the landing folder: nothing outside of it is read unless it is declared."""

import os
from pathlib import Path

import pytest

from tests.three_feed_shop import Shop
from warehouse.drafting.shop_drafts import draft_sources
from warehouse.loading import loader, plan
from warehouse.loading.landing_files import find_files
from warehouse.loading.loader import load
from warehouse.sources.yaml_file import read_sources

EVENT = '{"user":"u1","item":"p1","type":"view","time":"2026-01-01T00:00:00Z"}\n'


@pytest.fixture
def outside(shop: Shop) -> Path:
    """A folder beside the landing folder, with one file of events."""
    folder = shop.landing.parent / "outside"
    folder.mkdir()
    (folder / "secret.jsonl").write_text(EVENT)
    return folder


def test_links_out_of_landing_are_rejected(shop: Shop, outside: Path) -> None:
    shop.put("events/a.jsonl", EVENT)
    (shop.landing / "events" / "file.jsonl").symlink_to(outside / "secret.jsonl")
    (shop.landing / "folder").symlink_to(outside)
    events = {"files": ["events/*", "folder/*"], "format": "jsonl"}
    columns = {"user_id": "user", "product_id": "item", "event_type": "type", "event_at": "time"}
    shop.declare(events={**events, "columns": columns})
    report = load(shop.settings)
    assert report.rows_loaded == 1
    assert set(report.rejected_files) == {"events/file.jsonl", "folder/secret.jsonl"}
    for reason in report.rejected_files.values():
        assert reason.startswith(f"a symbolic link leads out of the landing folder, to {outside}/secret.jsonl.")
    declared = shop.settings.model_copy(update={"linked_folders": (outside,)})
    assert load(declared).rows_loaded == 2
    assert shop.query("select count(*) from raw.rejected_files") == [(0,)]


def test_links_within_landing_are_followed(shop: Shop) -> None:
    target = shop.put("archive/a.jsonl", EVENT)
    (shop.landing / "events").mkdir()
    (shop.landing / "events" / "a.jsonl").symlink_to(target)
    assert load(shop.settings).rows_loaded == 1


def test_landing_itself_can_be_a_link(shop: Shop) -> None:
    shop.put("events/a.jsonl", EVENT)
    link = shop.landing.parent / "linked_landing"
    link.symlink_to(shop.landing)
    assert load(shop.settings.model_copy(update={"landing": link})).rows_loaded == 1


def test_links_to_nothing_and_pipes_are_rejected(shop: Shop) -> None:
    shop.put("events/a.jsonl", EVENT)
    folder = shop.landing / "events"
    (folder / "gone.jsonl").symlink_to(folder / "missing")
    (folder / "loop.jsonl").symlink_to(folder / "loop.jsonl")
    (folder / "circle").symlink_to(shop.landing)
    os.mkfifo(folder / "pipe.jsonl")
    report = load(shop.settings)
    assert report.rows_loaded == 1
    no_file = "the symbolic link leads to no file"
    assert report.rejected_files == {
        "events/gone.jsonl": f"{no_file}: No such file or directory. Correct or remove it",
        "events/loop.jsonl": f"{no_file}: Too many levels of symbolic links. Correct or remove it",
        "events/pipe.jsonl": "it is a pipe, a socket or a device, and no file. Remove it",
    }


@pytest.mark.parametrize("replacement", ["link", "folder", "pipe"])
def test_file_replaced_after_listing_is_not_read(
    shop: Shop, outside: Path, replacement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the listed path would not protect: the path leads elsewhere when it is opened."""
    file = shop.put("events/secret.jsonl", EVENT)
    make_plan = plan.make_plan

    def plan_and_replace(*args: object) -> plan.LoadPlan:
        load_plan = make_plan(*args)  # type: ignore[arg-type]
        file.rename(shop.landing.parent / "moved.jsonl")
        if replacement == "link":
            file.symlink_to(outside / "secret.jsonl")
        elif replacement == "pipe":
            os.mkfifo(file)
        else:
            file.parent.rmdir()
            file.parent.symlink_to(outside)
        return load_plan

    monkeypatch.setattr(loader, "make_plan", plan_and_replace)
    report = load(shop.settings)
    assert (report.rows_loaded, report.changing_files) == (0, ["events/secret.jsonl"])


def test_find_files_marks_links_out_of_landing(shop: Shop, outside: Path) -> None:
    shop.put("events/a.jsonl", EVENT)
    (shop.landing / "events" / "b.jsonl").symlink_to(outside / "secret.jsonl")
    feed = read_sources(shop.settings.sources).feeds["events"]
    problems = {file.path: bool(file.problem) for file in find_files(feed, shop.landing)}
    assert problems == {"events/a.jsonl": False, "events/b.jsonl": True}


def test_draft_reads_no_file_outside(shop: Shop, outside: Path) -> None:
    shop.put("events/a.jsonl", EVENT * 20)
    (shop.landing / "other.csv").symlink_to(outside / "secret.jsonl")
    os.mkfifo(shop.landing / "pipe.csv")
    unused = draft_sources(shop.landing).unused_files
    assert unused["other.csv"].startswith("a symbolic link leads out of the landing folder")
    assert unused["pipe.csv"] == "it is a pipe, a socket or a device, and no file"
    assert "other.csv" not in draft_sources(shop.landing, [outside]).unused_files
