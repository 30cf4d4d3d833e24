"""Customers who were forgotten: salted hashes of their ids, by which each load rejects their rows.

The file with the hashes stands beside the database, so a database that is rebuilt from the landing folder applies them
too.
"""

import secrets
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

import duckdb
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from warehouse.atomic_files import write_text_atomically
from warehouse.database import fetch_first_row
from warehouse.errors import RecomartError
from warehouse.loading.cleaned_ids import build_cleaned_id, build_tokens, is_text_searched
from warehouse.loading.continued_rows import build_assigned_users
from warehouse.loading.product_ids import find_product_ids
from warehouse.loading.rejected_customers import RejectedText, filter_by_customer
from warehouse.regular_files import read_regular_file
from warehouse.settings import Settings
from warehouse.sources.declaration import Feed
from warehouse.sql_text import quote_literal
from warehouse.utc_time import get_utc_now

REJECTION_REASON = "the customer was forgotten"
"""Error of a rejected row of a forgotten customer; its text is empty."""


class ForgottenCustomer(BaseModel):
    """One customer, whom only the hash of the id identifies."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    id_hash: str
    """SHA-256 of the salt and the cleaned id."""

    forgotten_at: datetime
    """Time of the first call that forgot the customer, UTC."""


class HashList(BaseModel):
    """Customers whose hashes have the same salt."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    salt: str = ""
    """Random text before each id; the same for all customers, so that a load computes one hash per row."""

    customers: tuple[ForgottenCustomer, ...] = ()

    @model_validator(mode="after")
    def _check_salt(self) -> Self:
        if self.customers and not self.salt:
            raise ValueError("the salt of the hashes is missing")
        return self

    @property
    def hashes(self) -> list[str]:
        """The hashes of all ids."""
        return [customer.id_hash for customer in self.customers]


class ForgottenCustomers(HashList):
    """All customers who were forgotten."""

    restored_lists: tuple[HashList, ...] = ()
    """Lists with other salts, of the backups that were restored here."""

    @property
    def lists(self) -> list[HashList]:
        """The lists that have customers."""
        return [hash_list for hash_list in (self, *self.restored_lists) if hash_list.customers]


def read_forgotten_customers(settings: Settings) -> ForgottenCustomers:
    """Read the forgotten customers; none without a file.

    Raises:
        RecomartError: The file is damaged.
    """
    return _read_file(settings.forgotten_customers_file)


def _read_file(file: Path) -> ForgottenCustomers:
    try:
        return ForgottenCustomers.model_validate_json(read_regular_file(file))
    except FileNotFoundError:
        return ForgottenCustomers()
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise RecomartError(
            f"{file}: the list of forgotten customers cannot be read: {reason}. Restore the file from a backup. "
            "Without it, loads bring forgotten customers back"
        ) from error


def add_forgotten_customer(settings: Settings, user_id: str) -> bool:
    """Add a customer to the forgotten ones; return whether the customer is new among them."""
    forgotten = read_forgotten_customers(settings)
    if any(_hash_id(hash_list.salt, user_id) in hash_list.hashes for hash_list in forgotten.lists):
        return False
    salt = forgotten.salt or secrets.token_hex(16)
    customer = ForgottenCustomer(id_hash=_hash_id(salt, user_id), forgotten_at=get_utc_now())
    _write(settings, forgotten.model_copy(update={"salt": salt, "customers": (*forgotten.customers, customer)}))
    return True


def add_restored_list(settings: Settings, file: Path) -> None:
    """Add the customers of a backup's list to the list in place, so that loads reject the customers of both.

    Raises:
        RecomartError: One of the files is damaged.
    """
    current, restored = read_forgotten_customers(settings), _read_file(file)
    customers: dict[str, dict[str, ForgottenCustomer]] = {}
    for hash_list in (*current.lists, *restored.lists):
        for customer in hash_list.customers:
            customers.setdefault(hash_list.salt, {}).setdefault(customer.id_hash, customer)
    lists = [HashList(salt=salt, customers=tuple(by_hash.values())) for salt, by_hash in customers.items()]
    if lists:
        merged = ForgottenCustomers(**dict(lists[0]), restored_lists=tuple(lists[1:]))
        if merged != current:
            _write(settings, merged)


def _write(settings: Settings, forgotten: ForgottenCustomers) -> None:
    write_text_atomically(settings.forgotten_customers_file, forgotten.model_dump_json(indent=2) + "\n")


def _hash_id(salt: str, user_id: str) -> str:
    with duckdb.connect() as connection:
        row = fetch_first_row(connection, f"select sha256(? || {build_cleaned_id('?')})", [salt, user_id])
    assert row is not None
    return str(row[0])


def build_is_forgotten(forgotten: ForgottenCustomers, column: str) -> str:
    """Build the condition that a column has the id of a forgotten customer."""
    conditions = [
        f"sha256({quote_literal(hash_list.salt)} || {build_cleaned_id(column)}) "
        f"in ({', '.join(map(quote_literal, hash_list.hashes))})"
        for hash_list in forgotten.lists
    ]
    return f"({' or '.join(conditions)})" if conditions else "false"


def reject_forgotten_rows(
    connection: duckdb.DuckDBPyConnection, feed: Feed, load_ids: Sequence[int], forgotten: ForgottenCustomers
) -> dict[str, int]:
    """Move the rows of forgotten customers in these loads to `raw.rejected_rows`, without their text.

    Returns the number of moved rows by path.
    """
    if not forgotten.lists or "user_id" not in feed.columns:
        return {}
    is_loaded = "_load_id between $min_id and $max_id and _feed = $feed"
    users = f"from raw.{feed.kind} where {is_loaded}"
    if feed.fill_down:
        # Without the first row of a group, the rows after it would continue the group before.
        users = build_assigned_users(feed, users)
    rows = connection.execute(
        f"""
        delete from raw.{feed.kind}
        where {is_loaded} and (_file, _line) in (
            select (_file, _line) from ({users}) where {build_is_forgotten(forgotten, "user_id")}
        )
        returning _file, _line
        """,
        {"min_id": min(load_ids), "max_id": max(load_ids), "feed": feed.name},
    ).fetchall()
    if rows:
        connection.execute(
            "insert into raw.rejected_rows (feed, path, line, text, error) "
            "select ?, unnest(?::varchar[]), unnest(?::bigint[]), '', ?",
            [feed.name, [path for path, _ in rows], [line for _, line in rows], REJECTION_REASON],
        )
    return Counter(path for path, _ in rows)


def blank_rejected_texts(
    connection: duckdb.DuckDBPyConnection, feed: Feed, paths: Collection[str], forgotten: ForgottenCustomers
) -> None:
    """Empty the texts of the rejected rows of forgotten customers."""
    rows = [
        row
        for hash_list in forgotten.lists
        for row in connection.execute(
            f"""
            select
                path, line, text,
                list_filter(
                    {build_tokens("text", feed.delimiter)},
                    lambda token: list_contains(?::varchar[], sha256(? || token))
                ) as ids
            from raw.rejected_rows
            where feed = ? and path in (select unnest(?::varchar[])) and len(ids) > 0
            """,
            [hash_list.hashes, hash_list.salt, feed.name, list(paths)],
        ).fetchall()
    ]
    product_ids = find_product_ids(connection, list({user_id for *_, ids in rows for user_id in ids}))
    texts = [
        RejectedText(feed.name, path, line, text, ids, any(is_text_searched(i) and i not in product_ids for i in ids))
        for path, line, text, ids in rows
    ]
    for text in filter_by_customer(connection, {feed.name: feed}, texts):
        connection.execute(
            "update raw.rejected_rows set text = '', error = ? where feed = ? and path = ? and line = ?",
            [REJECTION_REASON, text.feed, text.path, text.line],
        )
