"""Changes to the tables of a warehouse, as input of tests."""

from warehouse.database import open_writer
from warehouse.settings import Settings


def execute_statements(settings: Settings, *statements: str) -> None:
    """Execute SQL statements on the warehouse."""
    with open_writer(settings) as connection:
        for statement in statements:
            connection.execute(statement)
