"""Customers who were forgotten: salted hashes of their ids, by which each load rejects their rows.

The file with the hashes stands beside the database, so a database that is rebuilt from the landing folder applies them
too.
"""

import secrets
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
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


class ForgottenCustomers(BaseModel):
    """All customers who were forgotten."""

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


def read_forgotten_customers(settings: Settings) -> ForgottenCustomers:
    """Read the forgotten customers; none without a file.

    Raises:
        RecomartError: The file is damaged.
    """
    file = settings.forgotten_customers_file
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
    salt = forgotten.salt or secrets.token_hex(16)
    id_hash = _hash_id(salt, user_id)
    if id_hash in forgotten.hashes:
        return False
    customer = ForgottenCustomer(id_hash=id_hash, forgotten_at=get_utc_now())
    changed = ForgottenCustomers(salt=salt, customers=(*forgotten.customers, customer))
    write_text_atomically(settings.forgotten_customers_file, changed.model_dump_json(indent=2) + "\n")
    return True


def _hash_id(salt: str, user_id: str) -> str:
    with duckdb.connect() as connection:
        row = fetch_first_row(connection, f"select sha256(? || {build_cleaned_id('?')})", [salt, user_id])
    assert row is not None
    return str(row[0])


def build_is_forgotten(forgotten: ForgottenCustomers, column: str) -> str:
    """Build the condition that a column has the id of a forgotten customer."""
    salt, *hashes = map(quote_literal, (forgotten.salt, *forgotten.hashes))
    return f"(sha256({salt} || {build_cleaned_id(column)}) in ({', '.join(hashes)}))" if hashes else "false"


def reject_forgotten_rows(
    connection: duckdb.DuckDBPyConnection, feed: Feed, load_ids: Sequence[int], forgotten: ForgottenCustomers
) -> dict[str, int]:
    """Move the rows of forgotten customers in these loads to `raw.rejected_rows`, without their text.

    Returns the number of moved rows by path.
    """
    if not forgotten.customers or "user_id" not in feed.columns:
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
    if not forgotten.customers:
        return
    rows = connection.execute(
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
        [forgotten.hashes, forgotten.salt, feed.name, list(paths)],
    ).fetchall()
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
