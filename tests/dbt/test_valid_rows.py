"""Generic test valid_rows: its message names every broken rule of a table and the number of rows that break it."""

import re
from pathlib import Path

import pytest

from orchestration.dbt_runner import run_dbt
from tests.table_changes import execute_statements
from tests.three_feed_shop import Shop
from warehouse.errors import RecomartError
from warehouse.loading.loader import load
from warehouse.settings import Settings

PURCHASES_CSV = """\
sku,when,who,qty
p1,2026-01-05T10:00:00Z,u1,1
p1,2026-01-06T10:00:00Z,u2,1
p1,2026-01-07T10:00:00Z,u3,0
"""


@pytest.fixture(scope="module")
def built_settings(module_dbt_folder: Path) -> Settings:
    """A shop with two clean purchase lines and a quarantined one."""
    shop = Shop(module_dbt_folder)
    shop.put("purchases/a.csv", PURCHASES_CSV)
    load(shop.settings)
    tables = ("--select", "+audit_feed_day_reasons", "quarantine_reasons")
    run_dbt(shop.settings, "build", "--exclude-resource-types", "unit_test", "test", *tables)
    return shop.settings


@pytest.fixture(scope="module")
def broken_rules_error(built_settings: Settings) -> str:
    """The error of the tests of two tables with rows that break rules."""
    lines, reasons = "intermediate.int_purchases_classified", "marts.audit_feed_day_reasons"
    execute_statements(
        built_settings,
        f"insert into {lines} select * from {lines} where row_status = 'quarantined'",
        f"update {lines} set reasons = null where row_status = 'quarantined'",
        f"update {lines} set row_status = 'lost' where user_id = 'u1'",
        *(
            f"insert into {reasons} "
            f"select * replace ('no such' as reason, '{outcome}' as outcome) from {reasons} limit 1"
            for outcome in ("rejected", "quarantined")
        ),
    )
    return read_error(built_settings, "int_purchases_classified", "audit_feed_day_reasons")


def read_error(settings: Settings, *tables: str) -> str:
    """Return the error of the tests of some tables."""
    with pytest.raises(RecomartError) as raised:
        run_dbt(settings, "test", "--select", *(f"{table},test_type:generic" for table in tables))
    return str(raised.value)


def test_message_names_every_broken_rule(broken_rules_error: str) -> None:
    message = (
        "valid_rows_int_purchases_classified: only_quarantined_rows_have_reasons (2 rows); "
        "unique (_load_id, _line) (2 rows); accepted_values (row_status) (1 row)"
    )
    assert re.search(rf" {re.escape(message)}(\. Correct the data |; valid_rows_)", broken_rules_error)


@pytest.mark.slow
def test_null_breaks_only_not_null(built_settings: Settings) -> None:
    table = "intermediate.int_products_classified"
    execute_statements(built_settings, f"update {table} set row_status = null")
    run_dbt(built_settings, "test", "--select", "int_products_classified,test_type:generic")
    execute_statements(built_settings, "update seeds.quarantine_reasons set meaning = null where reason = 'bad_price'")
    assert "valid_rows_quarantine_reasons: not_null (meaning) (1 row). " in read_error(
        built_settings, "quarantine_reasons"
    )


def test_relationship_checks_rows_of_condition(broken_rules_error: str) -> None:
    assert "valid_rows_audit_feed_day_reasons_relationships: relationships (reason) (1 row)" in broken_rules_error
