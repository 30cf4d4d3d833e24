"""Customers who were forgotten: salted hashes of their ids, by which each load rejects their rows.

The file with the hashes stands beside the database, so a database that is rebuilt from the landing folder applies them
too.
"""

import secrets
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import duckdb
from pydantic import BaseModel, ConfigDict, ValidationError

from warehouse.atomic_files import write_text_atomically
from warehouse.database import fetch_first_row
from warehouse.errors import RecomartError
from warehouse.settings import Settings
from warehouse.sources.declaration import Feed

REJECTION_REASON = "the customer was forgotten"
"""Error of a rejected row of a forgotten customer; its text is empty."""

TOKEN_SEPARATORS = r"[\s,;|\"''{}\[\]:]+"
"""Pattern of the characters between the values of a line that cannot be parsed."""

BLANKS = r"[\p{Z}\p{Cc}\p{Cf}\"''=]+"
"""Pattern of blanks and of the marks that spreadsheets write around ids."""


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

    @property
    def hashes(self) -> list[str]:
        """The hashes of all ids."""
        return [customer.id_hash for customer in self.customers]


def build_cleaned_id(column: str) -> str:
    """Build the expression of a cleaned id; it cleans at least as much as dbt's macro `clean_id`."""
    trimmed = f"regexp_replace(nfc_normalize({column}), '^{BLANKS}|{BLANKS}$', '', 'g')"
    return f"regexp_replace({trimmed}, '^(-?[0-9]+)[.]0$', '\\1')"


def read_forgotten_customers(settings: Settings) -> ForgottenCustomers:
    """Read the forgotten customers; none without a file.

    Raises:
        RecomartError: The file is damaged.
    """
    file = settings.forgotten_customers_file
    try:
        return ForgottenCustomers.model_validate_json(file.read_bytes())
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
    customer = ForgottenCustomer(id_hash=id_hash, forgotten_at=datetime.now(UTC).replace(tzinfo=None))
    changed = ForgottenCustomers(salt=salt, customers=(*forgotten.customers, customer))
    write_text_atomically(settings.forgotten_customers_file, changed.model_dump_json(indent=2) + "\n")
    return True


def _hash_id(salt: str, user_id: str) -> str:
    with duckdb.connect() as connection:
        row = fetch_first_row(connection, f"select sha256(? || {build_cleaned_id('?')})", [salt, user_id])
    assert row is not None
    return str(row[0])


def reject_forgotten_rows(
    connection: duckdb.DuckDBPyConnection, feed: Feed, load_ids: Sequence[int], forgotten: ForgottenCustomers
) -> dict[str, int]:
    """Move the rows of forgotten customers in these loads to `raw.rejected_rows`, without their text.

    Returns the number of moved rows by path.
    """
    if not forgotten.customers or "user_id" not in feed.columns:
        return {}
    is_forgotten = (
        f"_load_id between ? and ? and _feed = ? and sha256(? || {build_cleaned_id('user_id')}) in (select unnest(?))"
    )
    parameters = [min(load_ids), max(load_ids), feed.name, forgotten.salt, forgotten.hashes]
    rows = connection.execute(
        f"delete from raw.{feed.kind} where {is_forgotten} returning _file, _line", parameters
    ).fetchall()
    if rows:
        connection.execute(
            "insert into raw.rejected_rows (feed, path, line, text, error) "
            "select ?, unnest(?::varchar[]), unnest(?::bigint[]), '', ?",
            [feed.name, [path for path, _ in rows], [line for _, line in rows], REJECTION_REASON],
        )
    counts: dict[str, int] = {}
    for path, _ in rows:
        counts[path] = counts.get(path, 0) + 1
    return counts


def blank_rejected_texts(
    connection: duckdb.DuckDBPyConnection, feed: Feed, paths: Collection[str], forgotten: ForgottenCustomers
) -> None:
    """Empty the texts of rejected rows in which a value is the id of a forgotten customer."""
    if forgotten.customers:
        connection.execute(
            f"""
            update raw.rejected_rows
            set text = '', error = ?
            where
                feed = ?
                and path in (select unnest(?::varchar[]))
                and list_has_any(
                    list_transform(
                        regexp_split_to_array(text, '{TOKEN_SEPARATORS}'),
                        lambda token: sha256(? || {build_cleaned_id("token")})
                    ),
                    ?::varchar[]
                )
            """,
            [REJECTION_REASON, feed.name, list(paths), forgotten.salt, forgotten.hashes],
        )
