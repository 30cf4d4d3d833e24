"""Names of dbt's Jinja context that sqlfluff lacks when it renders the models; see .sqlfluff."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from jinja2 import pass_context
from jinja2.runtime import Context

VARIABLES: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "dbt_project.yml").read_text(encoding="utf-8"))[
    "vars"
]

execute = False
run_started_at = datetime(2026, 1, 1, tzinfo=UTC)


def is_incremental() -> bool:
    """Return false: models are rendered as in a full build."""
    return False


def var(name: str) -> Any:
    """Return the value of a variable of dbt_project.yml."""
    return VARIABLES[name]


class adapter:  # noqa: N801
    """The adapter object of dbt."""

    @staticmethod
    @pass_context
    def dispatch(context: Context, name: str) -> Callable[..., str]:
        """Return DuckDB's implementation of a macro, or the default one."""
        implementation: Callable[..., str] = context.get(f"duckdb__{name}") or context[f"default__{name}"]
        return implementation


class target:  # noqa: N801
    """The target of dbt's profile."""

    database = "recomart"


class dbt:  # noqa: N801
    """The macros of dbt that the project uses, with short SQL that has the same form."""

    @staticmethod
    def type_bigint() -> str:
        """Return a type."""
        return "bigint"

    @staticmethod
    def type_int() -> str:
        """Return a type."""
        return "integer"

    @staticmethod
    def type_string() -> str:
        """Return a type."""
        return "varchar"

    @staticmethod
    def type_timestamp() -> str:
        """Return a type."""
        return "timestamp"

    @staticmethod
    def current_timestamp() -> str:
        """Return a function call."""
        return "now()"

    @staticmethod
    def dateadd(part: str, interval: object, date: str) -> str:
        """Return a function call."""
        return f"date_add({date}, to_{part}s({interval}))"

    @staticmethod
    def datediff(first: str, second: str, part: str) -> str:
        """Return a function call."""
        return f"date_diff('{part}', {first}, {second})"

    @staticmethod
    def date_trunc(part: str, date: str) -> str:
        """Return a function call."""
        return f"date_trunc('{part}', {date})"

    @staticmethod
    def hash(field: str) -> str:
        """Return a function call."""
        return f"md5({field})"

    @staticmethod
    def concat(fields: list[str]) -> str:
        """Return an expression."""
        return " || ".join(fields)

    @staticmethod
    def listagg(measure: str, delimiter: str, order_by: str) -> str:
        """Return an aggregate."""
        return f"string_agg({measure}, {delimiter} {order_by})"

    @staticmethod
    def generate_series(upper_bound: int) -> str:
        """Return a query."""
        return f"select generated_number from generated_numbers where generated_number <= {upper_bound}"
