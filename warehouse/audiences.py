"""Saved audiences: named conditions on customers, with the history of their changes in the warehouse folder."""

from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from warehouse.change_log import Change, ChangeLog, EntryChange, read_entries
from warehouse.errors import RecomartError
from warehouse.settings import Settings

MAX_NAME_LENGTH = 100


class Audience(BaseModel):
    """Conditions on customers; all of them must hold, and a missing one holds for all customers."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    favourite_category: str | None = None
    """Favourite category of the customer."""
    min_days_since_seen: int | None = Field(default=None, ge=0)
    """The customer was last seen at least this many days before the end of the data."""
    max_days_since_seen: int | None = Field(default=None, ge=0)
    """The customer was last seen at most this many days before the end of the data."""
    min_spend: float | None = None
    """Minimum amount of all orders less returns."""
    max_spend: float | None = None
    """Maximum amount of all orders less returns."""
    min_orders: int | None = Field(default=None, ge=0)
    """Minimum number of orders."""
    max_orders: int | None = Field(default=None, ge=0)
    """Maximum number of orders."""
    experiment_arm: str | None = None
    """Arm of the active experiment."""

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        for label, minimum, maximum in (
            ("days since the last visit", self.min_days_since_seen, self.max_days_since_seen),
            ("spend", self.min_spend, self.max_spend),
            ("number of orders", self.min_orders, self.max_orders),
        ):
            if minimum is not None and maximum is not None and minimum > maximum:
                raise ValueError(f"the minimum {label} ({minimum:g}) is above the maximum ({maximum:g})")
        return self


class SavedAudience(NamedTuple):
    """An audience with its name and its newest change."""

    name: str
    audience: Audience
    change: Change


class AudienceStore:
    """The saved audiences of a warehouse."""

    def __init__(self, settings: Settings) -> None:
        self._file = settings.audiences_file
        self._log = ChangeLog(settings.audiences_file, settings.wait_seconds)

    def list_audiences(self) -> list[SavedAudience]:
        """Return the saved audiences in the order of their names.

        Raises:
            RecomartError: The file cannot be read, or a line is damaged.
        """
        audiences = []
        for name, change in read_entries(self._log.read()).items():
            try:
                audiences.append(SavedAudience(name, Audience.model_validate(change.after), change))
            except ValidationError as error:
                raise RecomartError(
                    f"{self._file}: line {change.number} has no valid audience: the file was edited or is of a newer "
                    "version of RecoMart. Restore it from a backup"
                ) from error
        return sorted(audiences, key=lambda saved: saved.name.casefold())

    def save(self, user: str, name: str, audience: Audience, *, replaced_user: str | None = None) -> None:
        """Save an audience under a name; an earlier audience that the same person saved under it is replaced.

        `replaced_user` is the other person, if any, whose audience may be replaced as well.

        Raises:
            RecomartError: The name or the user is empty or too long, another person saved an audience under the name,
                or the file is damaged.
        """
        name = _check_name(name, "the name of the audience")
        user = _check_name(user, "the name of the person")

        def make_changes(changes: list[Change]) -> list[EntryChange]:
            newest = read_entries(changes).get(name)
            if newest is not None and newest.user not in (user, replaced_user):
                raise RecomartError(
                    f"audience '{name}' not saved: {newest.user} saved one under this name on "
                    f"{newest.changed_at:%Y-%m-%d}. Choose another name, or confirm that yours replaces it"
                )
            return [EntryChange("save", name, audience.model_dump(mode="json", exclude_none=True))]

        self._log.update(user, make_changes)

    def delete(self, user: str, name: str, *, deleted_user: str | None = None) -> None:
        """Delete a saved audience; its history stays in the file.

        `deleted_user` is the other person, if any, whose audience may be deleted as well.

        Raises:
            RecomartError: There is no audience of this name, another person saved it, the user is empty, or the file is
                damaged.
        """
        user = _check_name(user, "the name of the person")

        def make_changes(changes: list[Change]) -> list[EntryChange]:
            newest = read_entries(changes).get(name)
            if newest is None:
                raise RecomartError(f"there is no audience '{name}'. Another person may have deleted it")
            if newest.user not in (user, deleted_user):
                raise RecomartError(
                    f"audience '{name}' not deleted: {newest.user} saved it on {newest.changed_at:%Y-%m-%d}. Confirm "
                    "that you delete the audience of this person"
                )
            return [EntryChange("delete", name, None)]

        self._log.update(user, make_changes)


def _check_name(name: str, what: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME_LENGTH:
        raise RecomartError(f"not saved: {what} has {len(name)} characters. Write 1 to {MAX_NAME_LENGTH} characters")
    return name
