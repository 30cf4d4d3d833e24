"""Challengers: models that rank for the customers of an arm of the active experiment instead of the serving model."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import duckdb

from orchestration.model_registry import ModelRun, find_run
from warehouse.errors import RecomartError

CHALLENGERS_QUERY = """
    select arms.experiment, arms.arm, arms.run_id_prefix, list(assignments.user_id order by assignments.user_id)
    from intermediate.int_active_experiments as arms
    inner join intermediate.int_experiment_assignments as assignments
        on arms.experiment = assignments.experiment and arms.arm = assignments.arm
    where arms.run_id_prefix is not null
    group by all
    order by arms.arm
"""


@dataclass(frozen=True)
class Challenger:
    """An arm with policy model:RUN and its customers."""

    experiment: str
    arm: str
    run_id_prefix: str
    user_ids: tuple[str, ...]

    def find_run(self, runs: Sequence[ModelRun]) -> ModelRun:
        """Return the model of the arm.

        Raises:
            RecomartError: No model, or more than one, has such a run id.
        """
        try:
            return find_run(list(runs), self.run_id_prefix)
        except RecomartError as error:
            raise RecomartError(
                f"experiments.csv: experiment '{self.experiment}', arm '{self.arm}', policy "
                f"model:{self.run_id_prefix}: {error}"
            ) from error


def read_challengers(connection: duckdb.DuckDBPyConnection) -> list[Challenger]:
    """Return the challengers of the active experiment; none in a warehouse that an earlier version built."""
    with suppress(duckdb.CatalogException):
        rows = connection.execute(CHALLENGERS_QUERY).fetchall()
        return [Challenger(experiment, arm, prefix, tuple(users)) for experiment, arm, prefix, users in rows]
    return []
