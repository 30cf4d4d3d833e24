"""Journal of a search: a file of Optuna's records that a later search continues."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState

from models_ml.errors import ModelError

RECORD_START = b'{"op_code":'
"""Start of each line of a journal."""


class JournalFile(BaseJournalBackend):
    """The records of a journal file, one JSON object a line.

    Only one process at a time may use the file. A killed process leaves no lock file, unlike one that uses Optuna's own
    class: its next process waits at least 30 seconds for that file.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        content = file.read_bytes()
        *lines, incomplete_line = content.split(b"\n")
        self.records: list[dict[str, Any]] = [json.loads(line) for line in lines]
        # Only a part of a record is cut off: another file may have no line break at all.
        if incomplete_line[: len(RECORD_START)] != RECORD_START[: len(incomplete_line)]:
            raise ValueError("the last line is no record")
        self.size = len(content) - len(incomplete_line)

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """Return the records from a number on."""
        return self.records[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records to the file."""
        lines = [json.dumps(log, separators=(",", ":")) for log in logs]
        content = "".join(f"{line}\n" for line in lines).encode()
        with self.file.open("r+b") as file:
            # A killed process and a full disk leave an incomplete last line.
            file.truncate(self.size)
            file.seek(self.size)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self.size += len(content)
        self.records += map(json.loads, lines)


def open_storage(journal: Path | None) -> BaseStorage:
    """Return the storage of a journal, or a storage in memory.

    Raises:
        ModelError: The journal is damaged.
    """
    if journal is None:
        return InMemoryStorage()
    try:
        return JournalStorage(JournalFile(journal))
    # Optuna checks no record: the type of the error depends on what is wrong.
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        raise ModelError(
            f"tuning failed: {journal}: the file is damaged or not the journal of a search. Delete or move it, and the "
            "next search begins a new one"
        ) from error


def fail_unfinished_trials(study: optuna.Study) -> None:
    """Mark the trials that an interrupted search left waiting or running as failed."""
    while study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.ask()
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def list_ended_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the completed and pruned trials, without those that an interruption or an error of the system ended."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def list_completed_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the completed trials."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def count_ended_trials(storage: BaseStorage) -> int:
    """Return the number of completed and pruned trials of all studies."""
    studies = (optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage))
    return sum(len(list_ended_trials(study)) for study in studies)
