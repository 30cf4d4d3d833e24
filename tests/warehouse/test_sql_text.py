"""Quoted SQL text, read back by DuckDB."""

import duckdb

from warehouse.database import fetch_first_row
from warehouse.sql_text import TableName, quote_identifier, quote_literal

TEXT = """it's a "text"; -- with 'quotes'"""


def test_quoted_text_is_read_back() -> None:
    table = TableName(f"schema of {TEXT}", TEXT)
    with duckdb.connect() as connection:
        connection.execute(f"create schema {quote_identifier(table.schema)}")
        connection.execute(f"create table {table.quoted} as select {quote_literal(TEXT)} as {quote_identifier(TEXT)}")
        relation = connection.sql(f"from {table.quoted}")
        assert (relation.columns, relation.fetchall()) == ([TEXT], [(TEXT,)])
        names = fetch_first_row(connection, "select schema_name, table_name from duckdb_tables()")
    assert names == table
