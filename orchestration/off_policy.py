"""Off-policy check of a model: the actions that its lists would have got, from logged lists with explored places."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from models_ml.data.dataset_store import read_dataset
from models_ml.inference.candidates import Candidates
from models_ml.inference.recommender import Recommender
from orchestration.dbt_manifest import compile_analyses
from orchestration.model_registry import ModelRun, find_run, list_model_runs
from warehouse.database import open_reader
from warehouse.errors import RecomartError
from warehouse.settings import Settings

ANALYSIS = "off_policy"

# The impressions that count begin after the model's training data, so that the model knows none of the actions.
WINDOW_QUERY = """
    select
        greatest(?::timestamp, max(as_of) - to_days(?)) as seen_from,
        exists(from marts.fct_recommendation_lists where propensities is not null) as has_propensities
    from intermediate.int_feature_cutoffs
    where cutoff = 'now'
"""

SHOWN_CUSTOMERS_QUERY = """
    select distinct user_id
    from marts.fct_impressions
    where seen_at >= ? and user_id is not null
    order by user_id
"""

MISSING_PROPENSITIES = (
    "the marts have no logged list with propensities, so what customers would have done with other products is "
    "unknown. Set the variable explore_share in dbt_project/dbt_project.yml, for example to 0.05, and publish lists "
    "with `recomart run`; the next run builds their log (docs/off_policy.md)"
)


@dataclass(frozen=True)
class OffPolicyCheck:
    """Result of an off-policy check."""

    run_id: str
    seen_from: datetime
    """The impressions since then count."""
    missing_reason: str | None
    """Why there are no estimates; None when there are some."""
    estimates: list[dict[str, Any]]
    """Rows of the analysis off_policy, one per metric and basis."""


def check_off_policy(
    settings: Settings, run_id_prefix: str, days: int, on_stage: Callable[[str], None] = lambda _: None
) -> OffPolicyCheck:
    """Estimate the actions that the lists of a model would have got on the impressions of the newest days.

    Raises:
        RecomartError: No model, or more than one, has such a run id, the marts are not built, or the warehouse is in
            use.
        ModelError: The model's artifact or its dataset is missing or damaged.
    """
    run = find_run(list_model_runs(settings), run_id_prefix)
    try:
        with open_reader(settings) as connection:
            ((seen_from, has_propensities),) = connection.execute(WINDOW_QUERY, [run.as_of, days]).fetchall()
            if not has_propensities:
                return OffPolicyCheck(run.run_id, seen_from, MISSING_PROPENSITIES, [])
            users = connection.sql(SHOWN_CUSTOMERS_QUERY, params=[seen_from]).to_arrow_table()["user_id"]
    except duckdb.CatalogException as error:
        raise RecomartError(
            f"no off-policy check: {settings.database}: {str(error).splitlines()[0]}. Build the marts with "
            "`recomart run`"
        ) from error
    if not len(users):
        reason = (
            f"there are no impressions after the model's training data, which end at {run.as_of:%Y-%m-%d %H:%M} UTC, "
            "and earlier ones would favour the model. Wait for some days, or train a model on an earlier dataset "
            "(`recomart train --dataset`)"
        )
        return OffPolicyCheck(run.run_id, seen_from, reason, [])
    on_stage("compile")
    query = compile_analyses(settings, "effect")[ANALYSIS]
    on_stage(f"scoring with model {run.run_id}")
    with open_reader(settings) as connection:
        connection.execute("create temp table off_policy_window as select ?::timestamp as seen_from", [seen_from])
        _write_candidates(settings, connection, run, users)
        on_stage("estimates")
        estimates = connection.sql(query).to_arrow_table().to_pylist()
    missing_reason = (
        None
        if estimates
        else f"no list with propensities was seen since {seen_from:%Y-%m-%d %H:%M} UTC. Wait for some days"
    )
    return OffPolicyCheck(run.run_id, seen_from, missing_reason, estimates)


def _write_candidates(
    settings: Settings, connection: duckdb.DuckDBPyConnection, run: ModelRun, users: pa.ChunkedArray
) -> None:
    """Write the model's candidates for customers, from the histories of its training data, into a temporary table."""
    connection.execute("create temp table off_policy_candidates (user_id varchar, product_id varchar, rank integer)")
    interactions = read_dataset(settings.datasets_dir, run.dataset_hash).interactions
    is_selected = pc.and_(
        pc.equal(interactions["cutoff"], "now"), pc.is_in(interactions["user_id"], users.cast(pa.large_string()))
    )
    histories = interactions.filter(is_selected)
    if not histories.num_rows:
        return
    connection.register(
        "excluded_products", histories.filter(pc.and_not(histories["has_purchased"], histories["is_due"]))
    )
    candidates = Candidates.create(Recommender.load(settings.warehouse / run.artifact_path), histories)
    for block in candidates.iter_blocks():
        connection.register("block", block)
        connection.execute(
            "insert into off_policy_candidates select user_id, product_id, rank from block "
            "anti join excluded_products using (user_id, product_id)"
        )
