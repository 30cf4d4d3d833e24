"""The arm of a customer: the same in Python, DuckDB and Spark, and stable while the shares grow."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from jinja2 import Environment

from orchestration.dbt_runner import PROJECT_DIR
from warehouse.experiments import ExperimentArm, assign_arm, compute_bucket

EXPERIMENT = "Größe der Liste"
USER_IDS = [
    *(f"u{number:05}" for number in range(2_000)),
    *(
        "1",
        "0",
        " ",
        "a b",
        "a|b",
        "O'Brien",
        "Jürgen",
        "Ju\u0308rgen",
        "ß",
        "客户",
        "пользователь",
        "🛒",
        "\u00a0",
        "x" * 1000,
    ),
]


def render_bucket(implementation: str) -> str:
    """Return the SQL expression of macro experiment_bucket, with the purpose arm, for a database."""
    source = (PROJECT_DIR / "macros" / "experiments.sql").read_text(encoding="utf-8")
    template = Environment().from_string(source)

    def dispatch(macro: str) -> Any:
        return getattr(template.module, f"{implementation}__{macro}")

    macros = template.make_module({"adapter": SimpleNamespace(dispatch=dispatch), "return": str})
    sql: str = macros.experiment_bucket(f"'{EXPERIMENT}'", "arm", "user_id")  # type: ignore[attr-defined]
    return sql


def make_arms(*shares: float) -> list[ExperimentArm]:
    return [ExperimentArm(EXPERIMENT, f"arm {number}", "model", share) for number, share in enumerate(shares)]


def test_bucket_known_values() -> None:
    """The first eight digits of the MD5 of `a|participation|u1` are c8e997fb, which is 3370751995."""
    assert compute_bucket("a", "participation", "u1") == 0xC8E997FB % 10_000 == 1995


@pytest.mark.parametrize("implementation", ["duckdb", "default"])
def test_bucket_equals_sql(implementation: str) -> None:
    """Spark's expression (`default`) runs in DuckDB with a `conv` as Spark defines it."""
    with duckdb.connect() as connection:
        connection.create_function("conv", convert_base, ["VARCHAR", "INTEGER", "INTEGER"], "VARCHAR")
        connection.execute("create table users as select unnest(?::varchar[]) as user_id", [USER_IDS])
        buckets = dict(connection.execute(f"select user_id, {render_bucket(implementation)} from users").fetchall())
    assert buckets == {user: compute_bucket(EXPERIMENT, "arm", user) for user in USER_IDS}


def convert_base(number: str, from_base: int, to_base: int) -> str:
    """Return a number in another base, as Spark's `conv`; the expression needs base 10 only."""
    assert to_base == 10
    return str(int(number, from_base))


def test_arms_have_their_shares() -> None:
    arms = [assign_arm(make_arms(0.1, 0.3, 0.2), f"u{number}") for number in range(20_000)]
    counts = Counter(arm.arm if arm else None for arm in arms)
    # Five standard deviations of a count of 20,000 draws are 354 at most.
    for name, share in {"arm 0": 0.1, "arm 1": 0.3, "arm 2": 0.2, None: 0.4}.items():
        assert counts[name] == pytest.approx(20_000 * share, abs=354)


def test_arm_is_stable_while_shares_grow() -> None:
    small = {user: assign_arm(make_arms(0.05, 0.15), user) for user in USER_IDS}
    large = {user: assign_arm(make_arms(0.2, 0.6), user) for user in USER_IDS}
    for user, arm in small.items():
        grown = large[user]
        assert arm is None or (grown is not None and grown.arm == arm.arm)
    assert sum(arm is not None for arm in small.values()) < sum(arm is not None for arm in large.values())


def test_whole_share_assigns_all_customers() -> None:
    assert all(assign_arm(make_arms(0.3333, 0.3333, 0.3334), user) for user in USER_IDS)


def test_no_arm_without_experiment_or_id() -> None:
    assert assign_arm([], "u1") is None
    assert assign_arm(make_arms(0.5, 0.5), "") is None
