"""Declared features: columns of dbt models with `meta: {model_feature: ...}`, read for the training.

A declaration is beside the column in dbt's yml file. The table has one row per product (`product_id`) or per customer
(`user_id`), and per cutoff if it has a column `cutoff`; the values of a table without cutoffs count at every cutoff.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.sqltypes import DuckDBPyType

from models_ml.data.dataset import CATALOG_MODEL
from orchestration.dbt_manifest import find_ancestors, find_lineage, has_model_output
from warehouse.errors import RecomartError
from warehouse.sql_text import TableName, quote_identifier, quote_literal

KINDS = ("category", "number", "words")

SUBJECTS = {"product_id": "product", "user_id": "customer"}
"""Subject of a feature by the id column of its table."""

MAX_CATEGORIES = 1_000
"""Maximum number of different categories of a declared feature: the regression on features needs memory for the square
of their number. The catalog's own attributes have no limit, because the shop and not a declaration decides on them."""

CUTOFFS_TABLE = "intermediate.int_feature_cutoffs"

INTEGER_TYPES = frozenset(
    {"tinyint", "smallint", "integer", "bigint", "hugeint", "utinyint", "usmallint", "uinteger", "ubigint", "uhugeint"}
)
FRACTION_TYPES = frozenset({"decimal", "float", "double"})

ACTION_SOURCES = ("source.recomart.raw.events", "source.recomart.raw.purchases")

TIMED_MODELS = {
    "product_id": "ml_product_features, which has the attributes of products as of each cutoff",
    "user_id": "feat_user_activity, which has the activity of customers as of each cutoff",
}
"""RecoMart's models with one row per id and cutoff, by their id column."""

TRAINING_CUTOFFS = ("validation", "test", "now")
"""The cutoffs that the training reads; feature_cutoffs.csv can have more."""

GUIDE = "docs/model_features.md describes declared features"


@dataclass(frozen=True)
class FeatureDeclaration:
    """One declared column."""

    node: str
    """dbt's unique id of the table."""
    model: str
    column: str
    kind: str
    table: TableName
    action_lineage: tuple[str, ...]
    """The tables through which it has values of the shop's events or purchases, from the source to the table itself;
    empty when it has none."""
    reads_training: bool
    """Whether the table has values from the training itself."""

    @property
    def feature(self) -> str:
        """The name of the feature in datasets, metrics and explanations."""
        return f"{self.model}.{self.column}"

    def make_error(self, reason: str) -> RecomartError:
        """Return the error of a wrong declaration."""
        return RecomartError(
            f"declared feature cannot be read: model {self.model}, column {self.column}: {reason}. {GUIDE}"
        )


def find_declarations(manifest: Mapping[str, Any]) -> list[FeatureDeclaration]:
    """Return the declared features of dbt's manifest in order of their names.

    Raises:
        RecomartError: A kind is unknown.
    """
    declarations = [
        declaration for node in manifest["nodes"].values() for declaration in _iter_node_declarations(manifest, node)
    ]
    for declaration in declarations:
        if declaration.kind not in KINDS:
            raise declaration.make_error(f"model_feature is {declaration.kind!r}. Write one of {', '.join(KINDS)}")
    return sorted(declarations, key=lambda declaration: declaration.feature)


def describe_declarations(declarations: Sequence[FeatureDeclaration]) -> dict[str, str]:
    """Return the kind of each declared feature by its name."""
    return {declaration.feature: declaration.kind for declaration in declarations}


def build_features_query(connection: duckdb.DuckDBPyConnection, declarations: Sequence[FeatureDeclaration]) -> str:
    """Return the query of a dataset's `features` after a check of every declaration against its built table.

    Raises:
        RecomartError: A table or column is missing, a type does not fit the kind, a product or customer has several
            rows, a cutoff is unknown, a feature has too many categories, or its values come from later actions.
    """
    return " union all ".join(_build_query(connection, declaration) for declaration in declarations)


def describe_weak_features(
    declarations: Sequence[FeatureDeclaration], features: pa.Table, cutoffs: Collection[str]
) -> list[str]:
    """Return a warning for each declared feature without a value at one of the cutoffs, or with one single value.

    The shop and not a declaration decides on the values of the catalog's own attributes.
    """
    with duckdb.connect() as connection:
        connection.register("features", features)
        query = """
            select
                feature, list(distinct cutoff), count(distinct coalesce(cast(number_value as varchar), text_value)),
                any_value(coalesce(cast(number_value as varchar), text_value))
            from features
            group by feature
        """
        values_by_feature = {name: values for name, *values in connection.execute(query).fetchall()}
    warnings = []
    for declaration in declarations:
        if declaration.model == CATALOG_MODEL:
            continue
        known_cutoffs, value_count, value = values_by_feature.get(declaration.feature, ([], 0, None))
        missing = [name for name in cutoffs if name not in known_cutoffs]
        if missing:
            warnings.append(
                f"declared feature {declaration.feature} has no known value at cutoff {', '.join(missing)}: the model "
                "of that cutoff does not have it. Give the table rows of each cutoff"
            )
        if value_count == 1:
            warnings.append(
                f"declared feature {declaration.feature} has the single value {value!r}: it only separates ids with a "
                "value from those without. Declare a column with several values"
            )
    return warnings


def _iter_node_declarations(manifest: Mapping[str, Any], node: Mapping[str, Any]) -> Iterator[FeatureDeclaration]:
    for column in node.get("columns", {}).values():
        meta = {**column.get("meta", {}), **column.get("config", {}).get("meta", {})}
        if "model_feature" in meta:
            ancestors = find_ancestors(manifest, [node["unique_id"]])
            yield FeatureDeclaration(
                node=node["unique_id"],
                model=node["name"],
                column=column["name"],
                kind=str(meta["model_feature"]),
                table=TableName(node["schema"], node["alias"]),
                action_lineage=tuple(
                    ".".join(name.split(".")[2:]) for name in find_lineage(manifest, node["unique_id"], ACTION_SOURCES)
                ),
                reads_training=has_model_output(ancestors),
            )


def _build_query(connection: duckdb.DuckDBPyConnection, declaration: FeatureDeclaration) -> str:
    """Return the query of one feature's rows after the checks."""
    types = _read_column_types(connection, declaration)
    id_column = _check_columns(declaration, types)
    value = _build_value(declaration, types[declaration.column])
    values = f"(select *, {value} as feature_value from {declaration.table.quoted})"
    _check_keys(connection, declaration, [name for name in ("cutoff", id_column) if name in types])
    if "cutoff" in types:
        _check_cutoffs(connection, declaration)
    if declaration.kind == "category" and declaration.model != CATALOG_MODEL:
        _check_category_count(connection, declaration, values)
    number, text, is_known = (
        ("feature_value", "''", "isfinite(feature_value)")
        if declaration.kind == "number"
        else ("cast(null as double)", "feature_value", "feature_value != ''")
    )
    cutoffs = "" if "cutoff" in types else f" cross join (select cutoff from {CUTOFFS_TABLE})"
    return f"""
        select
            cutoff, '{SUBJECTS[id_column]}' as subject, {quote_literal(declaration.feature)} as feature,
            {quote_literal(declaration.kind)} as kind, cast({id_column} as varchar) as subject_id,
            {text} as text_value, {number} as number_value
        from {values}{cutoffs}
        where {is_known}
    """


def _check_columns(declaration: FeatureDeclaration, types: Mapping[str, DuckDBPyType]) -> str:
    """Check the columns of the table, and the tables that it reads; return the id column."""
    if declaration.column not in types:
        raise declaration.make_error(f"the table has no such column, it has {', '.join(types)}. Correct the name")
    id_columns = [name for name in SUBJECTS if name in types]
    if len(id_columns) != 1:
        columns = "both product_id and user_id" if id_columns else "neither product_id nor user_id"
        raise declaration.make_error(f"the table has {columns}. Give it the id column of its products or customers")
    if declaration.reads_training:
        raise declaration.make_error("the table reads results of the training (schema ml). Use tables built before it")
    if declaration.action_lineage and "cutoff" not in types:
        raise declaration.make_error(
            f"the table reads the shop's events or purchases ({' -> '.join(declaration.action_lineage)}) and has no "
            "column cutoff, so its values include actions after a cutoff. Give it one row per cutoff, for example from "
            f"{TIMED_MODELS[id_columns[0]]}"
        )
    return id_columns[0]


def _read_column_types(
    connection: duckdb.DuckDBPyConnection, declaration: FeatureDeclaration
) -> dict[str, DuckDBPyType]:
    try:
        relation = connection.sql(f"select * from {declaration.table.quoted} limit 0")
    except duckdb.CatalogException:
        raise declaration.make_error(
            f"there is no table {declaration.table}. Build it with `recomart run`, or `dbt build` in dbt_project/"
        ) from None
    return dict(zip(relation.columns, relation.types, strict=True))


def _build_value(declaration: FeatureDeclaration, type_: DuckDBPyType) -> str:
    """Return the expression of the column's value: a number, or a text of which a list has several."""
    column = quote_identifier(declaration.column)
    if declaration.kind == "number":
        if type_.id not in INTEGER_TYPES | FRACTION_TYPES:
            raise declaration.make_error(
                f"it is declared as number, and its type is {type_}. Cast it, or declare category"
            )
        return f"cast({column} as double)"
    if declaration.kind == "words":
        if type_.id != "varchar":
            raise declaration.make_error(f"it is declared as words, and its type is {type_}. Cast it to varchar")
        return f"trim({column})"
    element = column
    if type_.id == "list":
        element, type_ = f"unnest(list_distinct({column}))", type_.child
    if type_.id not in INTEGER_TYPES | {"varchar", "boolean", "enum"}:
        raise declaration.make_error(f"it is declared as category, and its type is {type_}. Cast it to varchar")
    return f"trim(cast({element} as varchar))"


def _check_keys(connection: duckdb.DuckDBPyConnection, declaration: FeatureDeclaration, keys: list[str]) -> None:
    """Check that each id has one row (per cutoff) and is not null."""
    key, is_complete = ", ".join(keys), " and ".join(f"{name} is not null" for name in keys)
    query = (
        f"select count(*), count(*) filter ({is_complete}), count(distinct ({key})) filter ({is_complete}) "
        f"from {declaration.table.quoted}"
    )
    ((row_count, complete_count, key_count),) = connection.execute(query).fetchall()
    if row_count > complete_count:
        raise declaration.make_error(
            f"{row_count - complete_count:,} of its {row_count:,} rows have a null in the key ({key}). Leave out rows "
            f"without {' or '.join(keys)}"
        )
    if row_count > key_count:
        raise declaration.make_error(
            f"its {row_count:,} rows have {key_count:,} different keys ({key}). Give one row per key, and several "
            "categories of one key as a list"
        )


def _check_cutoffs(connection: duckdb.DuckDBPyConnection, declaration: FeatureDeclaration) -> None:
    """Check that each cutoff exists."""
    known_cutoffs = f"(select cutoff from {CUTOFFS_TABLE})"
    unknown = connection.execute(
        f"select distinct cutoff from {declaration.table.quoted} where cutoff not in {known_cutoffs} order by 1 limit 3"
    ).fetchall()
    if unknown:
        known = connection.execute(f"from {known_cutoffs} order by 1").fetchall()
        raise declaration.make_error(
            f"its column cutoff has {', '.join(repr(cutoff) for (cutoff,) in unknown)}, and the cutoffs are "
            f"{', '.join(cutoff for (cutoff,) in known)}. Take the cutoffs of int_feature_cutoffs"
        )


def _check_category_count(connection: duckdb.DuckDBPyConnection, declaration: FeatureDeclaration, values: str) -> None:
    ((count,),) = connection.execute(f"select count(distinct feature_value) from {values}").fetchall()
    if count > MAX_CATEGORIES:
        raise declaration.make_error(
            f"it has {count:,} categories, more than {MAX_CATEGORIES:,}. Merge rare ones, or declare words or number"
        )
