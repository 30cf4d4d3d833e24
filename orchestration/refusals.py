"""Refusals: training, scoring and publishing do not read tables whose tests failed or whose build did not finish.

dbt writes the last result of each table and blocking test into gates.node_results (macros/node_results.sql). A failed
test refuses until it passes, or a user accepts the failure. An acceptance holds for the rows that failed: with other
rows, the test fails again.
"""

import getpass
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import duckdb
from pydantic import BaseModel, ConfigDict

from orchestration.dbt_manifest import (
    READER_EXPOSURES,
    TRAINER_EXPOSURE,
    find_ancestors,
    has_model_output,
    load_manifest,
)
from orchestration.dbt_runner import describe_remedy, shorten_message
from orchestration.model_features import find_declarations
from warehouse.database import fetch_first_row, open_reader
from warehouse.errors import RecomartError
from warehouse.regular_files import read_regular_file
from warehouse.settings import Settings
from warehouse.sources.columns import LOG_KINDS

Step = Literal["training", "scoring", "publishing"]

STEP_EXPOSURES: Mapping[Step, Sequence[str]] = {
    "training": (TRAINER_EXPOSURE,),
    "scoring": (TRAINER_EXPOSURE,),
    "publishing": (TRAINER_EXPOSURE, *READER_EXPOSURES),
}
"""The dbt exposures whose tables a step reads, besides those of declared features. Published lists also come from the
tables of the trainer."""

UNFINISHED_STATUSES = ("due", "skipped")
"""Statuses of nodes that dbt did not run. The message names the failed test that stopped the build before them.

Without a message, the build was killed or failed, or left out the node."""

PASSED_STATUSES = ("success", "pass", "warn")
"""Statuses of nodes that refuse nothing."""

MAX_LISTED_FAILURES = 3
"""Failed tests that one message quotes; `recomart accept` lists all."""

NO_BUILD_MESSAGE = (
    "no dbt build is on record: gates.node_results is missing, empty, or of another version of RecoMart. "
    "Run `recomart run`"
)

ERASURE_NOTE = " (rows of a forgotten customer were erased)"
"""End of the reason of an acceptance that an erasure renewed."""

RESULTS_QUERY = """
    select node, status, message, fingerprint, failure_count, newest_load_id, tested_tables, changed_at
    from gates.node_results
    where {condition}
    order by case status when 'fail' then 0 when 'error' then 1 else 2 end, changed_at, node
"""


class NodeResult(BaseModel):
    """The last result of a dbt table or test."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    node: str
    """dbt's unique id."""
    status: str
    """dbt's status, or `due`: the node was selected, or a table that the test reads, and dbt did not finish it.

    `missing` if no build is on record.
    """
    message: str | None
    """The messages of a test's failing rows, dbt's error, or which failed test stopped the build before the node."""
    fingerprint: str | None
    """Fingerprint of the failing rows; None when the test did not fail."""
    failure_count: int | None
    newest_load_id: int | None
    """The newest load of the data that the test read."""
    tested_tables: str | None = None
    """dbt's unique ids of the tables of a failed test, which may have left the project since; separated by spaces."""
    changed_at: datetime

    @property
    def name(self) -> str:
        """Name of the table or test."""
        return self.node.split(".")[2]


class Refusal(NodeResult):
    """A result that refuses steps."""

    steps: list[Step]


class Acceptance(BaseModel):
    """An accepted failure of a test."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    test: str
    fingerprint: str
    """Fingerprint of the accepted failing rows."""
    failure_count: int | None
    message: str | None
    newest_load_id: int | None
    why: str
    accepted_by: str
    """Name of the user in the operating system."""
    accepted_at: str
    """UTC time."""


def check_tables_accepted(settings: Settings, step: Step, action: str | None = None) -> None:
    """Check that the tables that a step reads are built, and their blocking tests passed or are accepted.

    `action` is what the user called, for the message; by default the step.

    Raises:
        RecomartError: A test failed, or the last build did not finish. The message says which, and what to do.
    """
    refusals = [refusal for refusal in find_refusals(settings) if step in refusal.steps]
    if refusals:
        raise RecomartError(f"{action or step} refused: {settings.database}: {describe_refusals(refusals)}")


def describe_refusals(refusals: Sequence[Refusal]) -> str:
    """Return what failed and what to do; unfinished tables and tests only when no test failed."""
    if refusals[0].status == "missing":
        return NO_BUILD_MESSAGE
    failures = [refusal for refusal in refusals if refusal.status == "fail"]
    if failures:
        messages = [
            f"test {failure.name} failed: {'; '.join((failure.message or 'no message').splitlines())}"
            for failure in failures[:MAX_LISTED_FAILURES]
        ]
        more = [f"and {len(failures) - len(messages)} more"] if len(failures) > len(messages) else []
        return f"{'; '.join([*messages, *more])}. {describe_remedy(failures[0].name)}"
    first = refusals[0]
    if first.message and all(refusal.status in UNFINISHED_STATUSES and refusal.message for refusal in refusals):
        nodes = "1 table or test" if len(refusals) == 1 else f"{len(refusals)} tables and tests"
        return f"{first.message} before {nodes}, such as {first.name}. Run `recomart run`"
    reason = f": {shorten_message(first.message)}" if first.message else ""
    return (
        "the last dbt build was killed or failed, was partial (--empty, --sample, --defer or --vars), or left out "
        f"tests: {len(refusals)} of its tables and tests have no current result, such as {first.name} "
        f"({first.status}{reason}). Run `recomart run`, or `dbt build` in dbt_project/"
    )


def find_refusals(settings: Settings) -> list[Refusal]:
    """Return the results that refuse a step, failed tests first.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse yet.
    """
    accepted = {(acceptance.test, acceptance.fingerprint) for acceptance in read_acceptances(settings)}
    recorded = _read_results(settings, "true")
    if recorded[0].status == "missing":
        return [Refusal(**vars(recorded[0]), steps=list(STEP_EXPOSURES))]
    manifest = load_manifest(settings)
    results = [
        result
        for result in [*recorded, *_make_due_results(manifest, {result.node for result in recorded})]
        if result.status not in PASSED_STATUSES and (result.name, result.fingerprint) not in accepted
    ]
    if not results:
        return []
    features = {declaration.node for declaration in find_declarations(manifest)}
    tables_by_step = {
        step: find_ancestors(manifest, [*exposures, *features]) for step, exposures in STEP_EXPOSURES.items()
    }
    refusals = [
        Refusal(
            **vars(result),
            steps=[step for step, tables in tables_by_step.items() if _is_result_of(manifest, result, tables)],
        )
        for result in results
    ]
    return [refusal for refusal in refusals if refusal.steps]


def _make_due_results(manifest: Mapping[str, Any], recorded_nodes: set[str]) -> list[NodeResult]:
    """Return a result for each table and blocking test without a recorded one, such as a renamed test."""
    return [
        NodeResult(
            node=unique_id,
            status="due",
            message=None,
            fingerprint=None,
            failure_count=None,
            newest_load_id=None,
            changed_at=datetime.now(UTC),
        )
        for unique_id, node in manifest["nodes"].items()
        if unique_id not in recorded_nodes and (_is_table(node) or _is_blocking_test(node))
    ]


def _is_table(node: Mapping[str, Any]) -> bool:
    return node["resource_type"] in ("model", "seed", "snapshot") and str(node["config"]["materialized"]) != "ephemeral"


def _is_blocking_test(node: Mapping[str, Any]) -> bool:
    return node["resource_type"] == "test" and str(node["config"]["severity"]).lower() == "error"


def _is_result_of(manifest: Mapping[str, Any], result: NodeResult, tables: set[str]) -> bool:
    """Return whether a result is of one of the tables, or of a blocking test of them.

    A test that also reads the model's output is no test of tables that are built before the model.
    """
    node = manifest["nodes"].get(result.node)
    if node is None:
        # The table or test was removed, or has another name now.
        tested_tables = (result.tested_tables or "").split()
    elif _is_blocking_test(node):
        attached_table = node.get("attached_node")
        tested_tables = [attached_table] if attached_table else node["depends_on"]["nodes"]
    else:
        # The result of a test that warns is from before it became a warning.
        return _is_table(node) and result.node in tables
    read_tables = tested_tables if node is None else [result.node]
    return not tables.isdisjoint(tested_tables) and (
        has_model_output(tables) or not has_model_output(find_ancestors(manifest, read_tables))
    )


def list_accepted(settings: Settings) -> list[tuple[Acceptance, bool]]:
    """Return the acceptances, oldest first, each with whether the test still fails with the accepted rows.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse yet.
    """
    current = {(result.name, result.fingerprint) for result in _read_results(settings, "fingerprint is not null")}
    return [
        (acceptance, (acceptance.test, acceptance.fingerprint) in current) for acceptance in read_acceptances(settings)
    ]


def list_renewable_reasons(settings: Settings) -> dict[str, str]:
    """Return the reasons of the accepted failures by test, of those that hold for all loaded rows.

    A test whose result, or a table that it reads, is older than the newest load is left out: no user has seen how it
    fails with these rows.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse yet, or the file of acceptances is damaged.
    """
    whys = {acceptance.test: acceptance.why for acceptance, is_current in list_accepted(settings) if is_current}
    if not whys:
        return {}
    with open_reader(settings) as connection:
        # As in the macro update_node_results: a run loads its own log after the build.
        row = connection.execute(
            "select max(load_id) from raw.loaded_files where not list_contains(?, feed)", [list(LOG_KINDS)]
        ).fetchone()
    newest_load_id = row[0] if row else None
    results = _read_results(settings, "true")
    outdated = {
        result.node
        for result in results
        if result.status in UNFINISHED_STATUSES or result.newest_load_id != newest_load_id
    }
    manifest = load_manifest(settings)
    return {
        result.name: whys[result.name]
        for result in results
        if result.name in whys and outdated.isdisjoint(find_ancestors(manifest, [result.node]))
    }


def accept_failure(settings: Settings, test: str, why: str) -> Acceptance:
    """Accept the current failure of a test, and append the acceptance to the file of the warehouse.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: The test has not failed or only warns, its failure is accepted already, or there is no reason.
    """
    if not why.strip():
        raise RecomartError("nothing accepted: the reason is empty. Give it with --why")
    if _replace_surrogates(why) != why:
        raise RecomartError("nothing accepted: the reason is not valid UTF-8 text. Give it with --why")
    results = {result.name: result for result in _read_results(settings, "status <> 'pass'")}
    result = results.get(test)
    if result is None and _is_warning_test(settings, test):
        raise RecomartError(f"nothing accepted: {test} warns and refuses nothing. `recomart accept` lists failed tests")
    if result is None or result.status != "fail" or result.fingerprint is None:
        state = f"its last result is {result.status!r}" if result else "no blocking test of that name has failed"
        raise RecomartError(f"nothing accepted: {test} has not failed: {state}. `recomart accept` lists failed tests")
    if (test, result.fingerprint) in {(accepted.test, accepted.fingerprint) for accepted in read_acceptances(settings)}:
        raise RecomartError(f"nothing accepted: this failure of {test} is accepted already. Run `recomart run`")
    acceptance = Acceptance(
        test=test,
        **result.model_dump(include={"fingerprint", "failure_count", "message", "newest_load_id"}),
        why=why.strip(),
        accepted_by=_replace_surrogates(getpass.getuser()),
        accepted_at=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
    )
    with settings.accepted_failures_file.open("a+b") as file:
        file.seek(0)
        # A user who deleted a line may have left the last one without a line end.
        line_end = b"" if file.read()[-1:] in (b"", b"\n") else b"\n"
        # In ASCII, no character but the line end is one for any reader.
        file.write(line_end + json.dumps(acceptance.model_dump()).encode() + b"\n")
    return acceptance


def _is_warning_test(settings: Settings, name: str) -> bool:
    return any(
        node["resource_type"] == "test" and node["name"] == name and node["config"]["severity"].lower() == "warn"
        for node in load_manifest(settings)["nodes"].values()
    )


def read_acceptances(settings: Settings) -> list[Acceptance]:
    """Return the acceptances of the warehouse, oldest first.

    Raises:
        RecomartError: The file is damaged.
    """
    file = settings.accepted_failures_file
    try:
        lines = read_regular_file(file).split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RecomartError(f"{file} cannot be read: {error.strerror}. Restore the file") from error
    acceptances = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                acceptances.append(Acceptance.model_validate_json(line))
            except ValueError as error:
                raise RecomartError(f"{file}, line {number}: not an acceptance. Delete the line") from error
    return acceptances


def _replace_surrogates(text: str) -> str:
    """Return a text of the operating system with ? for each byte that is not UTF-8."""
    return text.encode(errors="replace").decode()


def renew_acceptances(settings: Settings, whys: Mapping[str, str]) -> set[str]:
    """Accept the failures after an erasure of tests that were accepted before it; return these tests.

    `whys` are the reasons by test.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: The file of acceptances is damaged.
    """
    accepted = {(acceptance.test, acceptance.fingerprint) for acceptance in read_acceptances(settings)}
    tests = {
        result.name
        for result in _read_results(settings, "status = 'fail'")
        if result.name in whys and (result.name, result.fingerprint) not in accepted
    }
    for test in sorted(tests):
        accept_failure(settings, test, whys[test].removesuffix(ERASURE_NOTE) + ERASURE_NOTE)
    return tests


def _read_results(settings: Settings, condition: str) -> list[NodeResult]:
    """Return the results that meet a condition; one of status `missing` if no build is on record."""
    with open_reader(settings) as connection:
        try:
            rows = connection.sql(RESULTS_QUERY.format(condition=condition)).to_arrow_table().to_pylist()
            is_recorded = fetch_first_row(connection, "from gates.node_results limit 1") is not None
        except (duckdb.CatalogException, duckdb.BinderException):
            is_recorded = False
    if not is_recorded:
        fields = dict.fromkeys(("fingerprint", "failure_count", "newest_load_id"))
        rows = [{"node": "table.gates.node_results", "status": "missing", "message": NO_BUILD_MESSAGE, **fields}]
        rows[0]["changed_at"] = datetime.now(UTC)
    return [NodeResult(**row) for row in rows]
