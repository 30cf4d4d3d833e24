"""Two public data sets that need only a sources file."""

from pathlib import Path

import pytest

from tests.e2e.conftest import get_public_data_dir
from tests.recomart_cli import RecomartCli
from warehouse.database import open_reader
from warehouse.settings import PROJECT_ROOT, Settings

EXAMPLES_DIR = PROJECT_ROOT / "warehouse" / "examples"

pytestmark = pytest.mark.real_data


@pytest.mark.slow
def test_rees46_shop(recomart: RecomartCli, tmp_path: Path) -> None:
    """One file holds all events, products and prices."""
    options = [
        "--sources",
        EXAMPLES_DIR / "rees46.yml",
        "--landing",
        get_public_data_dir("rees46"),
        "--warehouse",
        tmp_path,
    ]
    first = recomart.run_json("run", *options)
    (feed,) = first["status"]
    assert (feed["files"], feed["lines"], feed["loaded"], feed["rejected"]) == (1, 17_435, 17_434, 1)
    assert feed["clean"] + feed["duplicates"] + feed["quarantined"] == feed["loaded"]
    with open_reader(Settings(warehouse=tmp_path)) as connection:
        assert connection.execute("select line, error from raw.rejected_rows").fetchall() == [
            (17_436, "8 fields where the header has 9")
        ]
        assert connection.execute("select count(*) > 200 from marts.fct_transactions").fetchall() == [(True,)]
    ndcg = {row["method"]: row["ndcg"] for row in first["metrics"] if row["cutoff"] == "test" and row["k"] == 20}
    assert ndcg["als"] > ndcg["popularity"]
    second = recomart.run_json("load", *options)
    assert second["feeds"]["events"]["rows_loaded"] == 0


@pytest.mark.slow
def test_online_retail_shop(recomart: RecomartCli, tmp_path: Path) -> None:
    """The shop has purchases only."""
    landing = get_public_data_dir("online_retail")
    options = ["--sources", EXAMPLES_DIR / "online_retail.yml", "--landing", landing, "--warehouse", tmp_path]
    first = recomart.run_json("run", *options)
    (feed,) = first["status"]
    assert (feed["files"], feed["lines"], feed["loaded"], feed["rejected"]) == (305, 541_909, 541_909, 0)
    assert (feed["duplicates"], feed["reasons"]) == (5_268, {"bad_price": 2})
    assert feed["clean"] + feed["duplicates"] + feed["quarantined"] == feed["loaded"]
    ndcg = {row["method"]: row["ndcg"] for row in first["metrics"] if row["cutoff"] == "test" and row["k"] == 20}
    assert ndcg["als"] > 1.5 * ndcg["popularity"]
    with open_reader(Settings(warehouse=tmp_path)) as connection:
        returns, anonymous, lines = connection.execute(
            """
            select count(*) filter (is_return), count(*) filter (user_id is null), count(*)
            from marts.fct_transactions
            """
        ).fetchall()[0]
        assert lines == feed["clean"]
        assert returns > 10_000
        assert anonymous > 130_000
        # Lines without a customer id make no customer.
        assert connection.execute("select count(*) from marts.dim_users where user_id is null").fetchall() == [(0,)]
        assert (
            connection.execute("select count(*) from marts.dim_products where product_name is null").fetchall()[0][0]
            < 200
        )
    days = recomart.run_json("audit", "--days", 400, "--warehouse", tmp_path)["days"]
    assert [sum(day[name] for day in days) for name in ("lines", "files")] == [541_909, 305]
    closed = {day["delivery_day"] for day in days if day["warning"] and not day["files"]}
    # The shop closes over Christmas and New Year, at Easter and on bank holidays. A closed Saturday is not unusual: the
    # shop is closed on every Saturday.
    assert {"2010-12-24", "2011-01-03", "2011-04-22", "2011-04-25", "2011-08-29"} <= closed
    assert "2010-12-25" not in closed
    second = recomart.run_json("load", *options)
    assert second["feeds"]["purchases"] == {
        **dict.fromkeys(second["feeds"]["purchases"], 0),
        "files_unchanged": 305,
    }
    user = recomart.run_json("customers", "-n", "1", "--warehouse", tmp_path)["customers"][0]["user_id"]
    assert len(recomart.run_json("recommend", "--user", user, "--warehouse", tmp_path)["recommendations"]) == 10
