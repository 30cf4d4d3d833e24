"""Tests of declared features: rows from built tables, and errors of wrong declarations."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from orchestration.model_features import build_features_query, describe_weak_features, find_declarations
from warehouse.errors import RecomartError

TABLES = """
    create schema intermediate;
    create table intermediate.int_feature_cutoffs as from (values ('test'), ('now')) as cutoffs (cutoff);
    create schema s;
    create table s.shelf as from (values
        ('p1', ['red', 'red', null, ' blue '], 1.5::decimal(9, 2), 3, true, 'Big Mug'),
        ('p2', null, null, null, null, null),
        ('p3', [], null, 4, false, '  ')
    ) as shelf (product_id, colours, price, floor, is_new, title);
"""


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with a table of products without cutoffs, and one of customers with cutoffs."""
    with duckdb.connect() as database:
        database.execute(TABLES)
        database.execute(
            "create table s.plan as from (values ('test', 'u1', 'basic', 2.0), ('now', 'u1', 'gold', 'nan'::double)) "
            "as plan (cutoff, user_id, plan, spend)"
        )
        yield database


def build_manifest(model: str, columns: dict[str, str], parents: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a manifest with one model, whose columns have these kinds."""
    node = {
        "unique_id": f"model.x.{model}",
        "name": model,
        "alias": model,
        "schema": "s",
        "columns": {
            name: {"name": name, "meta": {}, "config": {"meta": {"model_feature": kind}}}
            for name, kind in columns.items()
        },
    }
    return {
        "nodes": {node["unique_id"]: node},
        "parent_map": {node["unique_id"]: ["model.x.dim"], "model.x.dim": parents},
    }


def read_rows(connection: duckdb.DuckDBPyConnection, manifest: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of the declared features without the subject and the feature."""
    query = build_features_query(connection, find_declarations(manifest))
    return connection.execute(
        f"select cutoff, kind, subject_id, text_value, number_value from ({query}) order by all"
    ).fetchall()


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        ({"colours": "category"}, [("p1", "blue", None), ("p1", "red", None)]),
        ({"is_new": "category"}, [("p1", "true", None), ("p3", "false", None)]),
        ({"floor": "category"}, [("p1", "3", None), ("p3", "4", None)]),
        ({"floor": "number"}, [("p1", "", 3.0), ("p3", "", 4.0)]),
        ({"price": "number"}, [("p1", "", 1.5)]),
        ({"title": "words"}, [("p1", "Big Mug", None)]),
    ],
)
def test_values_without_cutoff_count_always(
    connection: duckdb.DuckDBPyConnection, columns: dict[str, str], values: list[tuple[Any, ...]]
) -> None:
    (kind,) = columns.values()
    assert read_rows(connection, build_manifest("shelf", columns)) == [
        (cutoff, kind, *value) for cutoff in ("now", "test") for value in values
    ]


def test_names_can_have_quotes(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("""create table s."owner's shelf" as select 'p1' as product_id, 3 as "the ""floor"" of it" """)
    manifest = build_manifest("owner's shelf", {'the "floor" of it': "number"})
    assert read_rows(connection, manifest) == [(cutoff, "number", "p1", "", 3.0) for cutoff in ("now", "test")]


def test_values_with_cutoff_count_there(connection: duckdb.DuckDBPyConnection) -> None:
    manifest = build_manifest("plan", {"plan": "category", "spend": "number"}, ("source.recomart.raw.events",))
    assert read_rows(connection, manifest) == [
        ("now", "category", "u1", "gold", None),
        ("test", "category", "u1", "basic", None),
        ("test", "number", "u1", "", 2.0),
    ]


@pytest.mark.parametrize(
    ("model", "columns", "parents", "change", "message"),
    [
        ("shelf", {"size": "category"}, (), "",
         "column size: the table has no such column, it has product_id, colours"),
        ("shelf", {"floor": "band"}, (), "", "column floor: model_feature is 'band'. Write one of category, number"),
        ("shelf", {"title": "number"}, (), "", "column title: it is declared as number, and its type is VARCHAR"),
        ("shelf", {"price": "category"}, (), "", "it is declared as category, and its type is DECIMAL"),
        ("shelf", {"colours": "words"}, (), "", r"it is declared as words, and its type is VARCHAR\[\]"),
        ("rack", {"floor": "number"}, (), "", "column floor: there is no table s.rack. Build it with"),
        ("shelf", {"floor": "number"}, (), "insert into s.shelf (product_id) values ('p1')",
         r"its 4 rows have 3 different keys \(product_id\)"),
        ("plan", {"plan": "category"}, (), "insert into s.plan values ('now', null, 'x', 1)",
         r"1 of its 3 rows have a null in the key \(cutoff, user_id\). Leave out rows without cutoff or user_id"),
        ("shelf", {"floor": "number"}, (), "insert into s.shelf (floor) from range(300)",
         r"300 of its 303 rows have a null in the key \(product_id\). Leave out rows without product_id"),
        ("plan", {"plan": "category"}, (), "update s.plan set cutoff = 'tset' where cutoff = 'test'",
         "column plan: its column cutoff has 'tset', and the cutoffs are now, test. Take the cutoffs of"),
        ("shelf", {"floor": "number"}, (), "alter table s.shelf rename product_id to item",
         "the table has neither product_id nor user_id"),
        ("shelf", {"floor": "number"}, (), "alter table s.shelf rename colours to user_id",
         "the table has both product_id and user_id"),
        ("shelf", {"title": "category"}, (),
         "insert into s.shelf (product_id, title) select 'q' || i, 'title ' || i from range(1001) as r (i)",
         "column title: it has 1,003 categories, more than 1,000. Merge rare ones"),
        ("shelf", {"floor": "number"}, ("source.recomart.raw.purchases",), "",
         r"reads the shop's events or purchases \(raw.purchases -> dim -> shelf\) and has no column cutoff, .*"
         "for example from ml_product_features"),
        ("plan", {"plan": "category"}, ("source.recomart.ml.candidates",), "",
         "column plan: the table reads results of the training"),
    ],
)  # fmt: skip
def test_wrong_declaration_names_column(
    connection: duckdb.DuckDBPyConnection,
    model: str,
    columns: dict[str, str],
    parents: tuple[str, ...],
    change: str,
    message: str,
) -> None:
    connection.execute(change or "select 1")
    with pytest.raises(RecomartError, match=f"declared feature cannot be read: model {model}, .*{message}"):
        read_rows(connection, build_manifest(model, columns, parents))


def test_catalog_attributes_have_no_limit(connection: duckdb.DuckDBPyConnection) -> None:
    """The shop decides how many brands its catalog has."""
    connection.execute(
        "create table s.ml_product_features as "
        "select 'now' as cutoff, 'p' || i as product_id, 'brand ' || i as brand from range(1500) as r (i)"
    )
    assert len(read_rows(connection, build_manifest("ml_product_features", {"brand": "category"}))) == 1500


@pytest.mark.parametrize(
    ("column", "change", "warnings"),
    [
        ("plan", "select 1", []),
        ("plan", "delete from s.plan where cutoff = 'test'",
         ["plan.plan has no known value at cutoff test: ", "plan.plan has the single value 'gold': "]),
        ("spend", "select 1",
         ["plan.spend has no known value at cutoff now: ", "plan.spend has the single value '2.0': "]),
        ("plan", "delete from s.plan", ["plan.plan has no known value at cutoff test, now: "]),
    ],
)  # fmt: skip
def test_weak_features_are_warned_of(
    connection: duckdb.DuckDBPyConnection, column: str, change: str, warnings: list[str]
) -> None:
    """A missing cutoff, values that are all unknown, and a constant."""
    connection.execute(change)
    declarations = find_declarations(build_manifest("plan", {column: "category" if column == "plan" else "number"}))
    features = connection.sql(build_features_query(connection, declarations)).to_arrow_table()
    found_warnings = describe_weak_features(declarations, features, ["test", "now"])
    assert len(found_warnings) == len(warnings)
    for warning, beginning in zip(found_warnings, warnings, strict=True):
        assert warning.startswith(f"declared feature {beginning}")
