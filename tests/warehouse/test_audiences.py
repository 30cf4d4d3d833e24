"""Saved audiences."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from warehouse.audiences import Audience, AudienceStore
from warehouse.errors import RecomartError
from warehouse.settings import Settings


@pytest.fixture
def store(tmp_path: Path) -> AudienceStore:
    """An empty store."""
    return AudienceStore(Settings(warehouse=tmp_path))


def test_saved_audience_is_listed(store: AudienceStore, tmp_path: Path) -> None:
    assert store.list_audiences() == []
    store.save("ann", " Audio  lovers ", Audience(favourite_category="audio", min_spend=500))
    store.save("ann", "Audio lovers", Audience(favourite_category="audio", min_spend=400))
    (saved,) = store.list_audiences()
    assert (saved.name, saved.audience.min_spend, saved.change.user) == ("Audio lovers", 400, "ann")
    assert saved.change.before == {"favourite_category": "audio", "min_spend": 500.0}
    assert len((tmp_path / "audiences.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_audience_of_other_person_is_kept(store: AudienceStore) -> None:
    """Only a confirmation that names the person replaces it."""
    store.save("ann", "a", Audience(min_orders=2))
    for replaced_user in (None, "eve"):
        with pytest.raises(RecomartError, match=r"'a' not saved: ann saved one under this name on \d{4}-\d\d-\d\d\. "):
            store.save("bob", " a ", Audience(min_orders=3), replaced_user=replaced_user)
    store.save("bob", "a", Audience(min_orders=3), replaced_user="ann")
    (saved,) = store.list_audiences()
    assert (saved.audience.min_orders, saved.change.user) == (3, "bob")


def test_delete_of_other_needs_confirmation(store: AudienceStore) -> None:
    store.save("ann", "a", Audience(min_spend=1))
    with pytest.raises(RecomartError, match="audience 'a' not deleted: ann saved it on "):
        store.delete("bob", "a")
    store.delete("bob", "a", deleted_user="ann")
    assert store.list_audiences() == []


def test_deleted_audience_keeps_history(store: AudienceStore, tmp_path: Path) -> None:
    store.save("ann", "a", Audience(min_orders=2))
    store.delete("ann", "a")
    assert store.list_audiences() == []
    assert len((tmp_path / "audiences.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    with pytest.raises(RecomartError, match="there is no audience 'a'"):
        store.delete("ann", "a")


def test_killed_half_line_is_repaired(store: AudienceStore, tmp_path: Path) -> None:
    store.save("ann", "a", Audience(min_orders=2))
    file = tmp_path / "audiences.jsonl"
    file.write_bytes(file.read_bytes() + b'{"number": 2, "changed_at"')
    assert [saved.name for saved in store.list_audiences()] == ["a"]
    store.save("ann", "b", Audience(max_spend=10))
    assert [saved.name for saved in store.list_audiences()] == ["a", "b"]


def test_damaged_line_is_named(store: AudienceStore, tmp_path: Path) -> None:
    (tmp_path / "audiences.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(RecomartError, match="line 1 is not a change"):
        store.list_audiences()


@pytest.mark.parametrize(("user", "name"), [("", "a"), ("ann", " "), ("ann", "x" * 101)])
def test_empty_or_long_names_are_refused(store: AudienceStore, tmp_path: Path, user: str, name: str) -> None:
    with pytest.raises(RecomartError, match="not saved: the name of the"):
        store.save(user, name, Audience())
    assert not (tmp_path / "audiences.jsonl").exists()


def test_contradicting_bounds_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"the minimum spend \(5\) is above the maximum \(4\)"):
        Audience(min_spend=5, max_spend=4)
