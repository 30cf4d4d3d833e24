"""Customers who were forgotten: salted hashes of their ids, by which each load rejects their rows.

The file with the hashes stands beside the database, so a database that is rebuilt from the landing folder applies them
too.
"""

import secrets
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import duckdb
from pydantic import BaseModel, ConfigDict, ValidationError

from warehouse.atomic_files import write_text_atomically
from warehouse.database import fetch_first_row
from warehouse.errors import RecomartError
from warehouse.loading.continued_rows import build_block_number, build_group_value, build_is_group_start, build_value
from warehouse.settings import Settings
from warehouse.sources.declaration import Feed

REJECTION_REASON = "the customer was forgotten"
"""Error of a rejected row of a forgotten customer; its text is empty."""

MIN_TEXT_LENGTH = 5
"""Minimum length of an id that is searched in texts, besides columns of customer ids. A shorter one is also part of
prices and counts."""

TOKEN_SEPARATORS = (r"[\s,;|^\"''{}\[\]:]+", r"[,;|^\t]", r"\"")
"""Patterns of what is between the values of a line that cannot be parsed: ids can have blanks and colons."""

BLANKS = r"[\p{Z}\p{Cc}\p{Cf}]+"
"""Pattern of blanks, as in dbt's macro `trim_blanks`."""


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
    """Build the expression of an id as dbt's macro `clean_id` cleans it; the `.0` of numbers is always removed."""
    unquoted = f"regexp_replace({_build_trimmed(f'nfc_normalize({column})')}, '^=?\"([^\"]*)\"$', '\\1')"
    without_apostrophe = f"regexp_replace({unquoted}, '^''([0-9](?:.*[^''])?)$', '\\1')"
    return f"regexp_replace({_build_trimmed(without_apostrophe)}, '^(-?[0-9]+)[.]0$', '\\1')"


def _build_trimmed(text: str) -> str:
    return f"regexp_replace({text}, '^{BLANKS}|{BLANKS}$', '', 'g')"


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


def build_tokens(text: str) -> str:
    """Build the expression of the list of cleaned values in a text that are long enough to be an id."""
    splits = ", ".join(f"regexp_split_to_array({text}, '{separators}')" for separators in TOKEN_SEPARATORS)
    tokens = f"list_transform(list_concat({splits}), lambda token: {build_cleaned_id('token')})"
    return f"list_filter({tokens}, lambda token: length(token) >= {MIN_TEXT_LENGTH})"


IS_FORGOTTEN = f"sha256($salt || {build_cleaned_id('user_id')}) in (select unnest($hashes))"


def _build_forgotten_query(feed: Feed) -> str:
    """Build the query of the file and line of the rows of forgotten customers in a range of loads of a feed."""
    rows = f"select *, from raw.{feed.kind} where _load_id between $min_id and $max_id and _feed = $feed"
    if not feed.fill_down:
        return f"select _file, _line, from ({rows}) where {IS_FORGOTTEN}"
    # Without the first row of a group, the rows after it would continue the group before.
    user_id = build_value("user_id", feed.get_null_words("user_id"))
    return f"""
        with blocks as (
            select
                _file, _line, {user_id} as user_id, {build_group_value(feed)} as own_group_value,
                {build_block_number(build_is_group_start(feed))} as block_number,
            from ({rows})
        ),

        group_values as (
            select _file, block_number, max(own_group_value) as group_value,
            from blocks
            group by all
        ),

        groups as (
            select *,
            from blocks
            inner join group_values using (_file, block_number)
        ),

        forgotten as (
            select _file, _line, group_value,
            from groups
            where {IS_FORGOTTEN}
        ),

        filled as (
            select
                _file, _line,
                last_value(user_id ignore nulls) over (
                    partition by _file, group_value
                    order by _line rows between unbounded preceding and current row
                ) as user_id,
            from groups
            where (_file, group_value) in (select (_file, group_value) from forgotten)
        )

        select _file, _line, from forgotten
        union
        select _file, _line, from filled where {IS_FORGOTTEN}
    """


def reject_forgotten_rows(
    connection: duckdb.DuckDBPyConnection, feed: Feed, load_ids: Sequence[int], forgotten: ForgottenCustomers
) -> dict[str, int]:
    """Move the rows of forgotten customers in these loads to `raw.rejected_rows`, without their text.

    Returns the number of moved rows by path.
    """
    if not forgotten.customers or "user_id" not in feed.columns:
        return {}
    rows = connection.execute(
        f"""
        delete from raw.{feed.kind}
        where
            _load_id between $min_id and $max_id
            and _feed = $feed
            and (_file, _line) in (select (_file, _line) from ({_build_forgotten_query(feed)}))
        returning _file, _line
        """,
        {
            "min_id": min(load_ids),
            "max_id": max(load_ids),
            "feed": feed.name,
            "salt": forgotten.salt,
            "hashes": forgotten.hashes,
        },
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
                    list_transform({build_tokens("text")}, lambda token: sha256(? || token)), ?::varchar[]
                )
            """,
            [REJECTION_REASON, feed.name, list(paths), forgotten.salt, forgotten.hashes],
        )
