"""Text of SQL: quoted literals, identifiers and names of tables."""

from typing import NamedTuple


def quote_literal(text: str) -> str:
    """Return the SQL literal of a text."""
    return "'" + text.replace("'", "''") + "'"


def quote_identifier(name: str) -> str:
    """Return the SQL identifier of a name of a schema, table, column or field."""
    return '"' + name.replace('"', '""') + '"'


class TableName(NamedTuple):
    """Schema and name of a table."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> str:
        """The name in SQL."""
        return f"{quote_identifier(self.schema)}.{quote_identifier(self.name)}"
