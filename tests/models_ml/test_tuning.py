"""Tests of the hyperparameter search."""

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.errors import ModelError
from models_ml.evaluation.selection import EpochRecord, select_params
from models_ml.evaluation.window import EvaluationWindow
from models_ml.ranking_model import SelectedParams
from models_ml.tuning import OUT_OF_TIME, UNUSED_SETTINGS, SearchSpace, _Search, tune
from models_ml.tuning_results import SearchInterruptedError, Stage, TrialReport

SPACE = SearchSpace(factors=(8, 16), screening_trials=2)


SETTINGS = ["factors", "regularization", "unobserved_weight", "strength_scale", "user_damping", "product_damping"]
"""Columns of the searched settings in the table of trials."""


def open_studies(journal: Path) -> list[optuna.Study]:
    """Open the studies of both stages."""
    storage = JournalStorage(JournalFileBackend(str(journal)))
    return [optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage)]


def list_stopped_trials(journal: Path) -> list[FrozenTrial]:
    """Return the trials that ended for lack of time."""
    return [trial for study in open_studies(journal) for trial in study.trials if OUT_OF_TIME in trial.user_attrs]


@pytest.fixture(scope="module")
def window(dataset: Dataset) -> EvaluationWindow:
    """The validation window of the shop."""
    window = EvaluationWindow.from_dataset(dataset, "validation", 10_000)
    assert window is not None
    return window


def test_best_trial_is_reproducible(window: EvaluationWindow, config: TrainConfig) -> None:
    reports: list[TrialReport] = []
    result = tune((window,), config, seconds=600, max_trials=6, space=SPACE, on_trial=reports.append)
    selected_params, _ = select_params((window,), result.config, lambda _: None)
    assert selected_params == result.selected_params
    assert [report.number for report in reports] == list(range(6))
    full_trials = result.trials[result.trials["stage"] == "full"]
    assert result.selected_params.validation_ndcg == reports[-1].best_ndcg == full_trials["ndcg"].max()
    assert [report.stage for report in reports] == ["full", "screening", "screening", "full", "full", "screening"]
    assert result.initial_ndcg == select_params((window,), config, lambda _: None)[0].validation_ndcg
    assert result.selected_params.validation_ndcg >= result.initial_ndcg


def test_trials_depend_on_seed(window: EvaluationWindow, config: TrainConfig) -> None:
    first, repeated, other = [
        tune((window,), config.model_copy(update={"seed": seed}), seconds=600, max_trials=4, space=SPACE).trials
        for seed in (1, 1, 2)
    ]
    assert first["regularization"].tolist() == repeated["regularization"].tolist()
    assert first["regularization"].tolist() != other["regularization"].tolist()


def test_journal_continues_search(window: EvaluationWindow, config: TrainConfig, tmp_path: Path) -> None:
    journal = tmp_path / "study" / "journal.log"
    first = tune((window,), config, seconds=600, max_trials=2, space=SPACE, journal=journal)
    continued = tune((window,), config, seconds=600, max_trials=4, space=SPACE, journal=journal)
    assert first.trials["number"].tolist() == [0, 1]
    assert continued.trials["number"].tolist() == [0, 1, 2, 3]
    assert continued.trials["ndcg"].tolist()[:2] == first.trials["ndcg"].tolist()
    complete = tune((window,), config, seconds=600, max_trials=4, space=SPACE, journal=journal)
    assert complete.config == continued.config
    assert len(complete.trials) == 4


def test_continued_search_repeats_no_settings(window: EvaluationWindow, config: TrainConfig, tmp_path: Path) -> None:
    # All screening trials are random, so that a search with the same random numbers would repeat their settings.
    space = SPACE.model_copy(update={"screening_trials": 8})
    journal = tmp_path / "journal.log"
    for max_trials in (4, 14):
        result = tune((window,), config, seconds=600, max_trials=max_trials, space=space, journal=journal)
    assert result.trials["stage"].value_counts().to_dict() == {"screening": 11, "full": 3}
    assert not result.trials.duplicated(["stage", *SETTINGS]).any()


def test_continued_search_repeats_stopped_trial(window: EvaluationWindow, config: TrainConfig, tmp_path: Path) -> None:
    """A trial that ended for lack of time is tried again."""
    # Many factors and no search of a graph: a trial with 512 factors takes long enough to be stopped between epochs.
    large = config.model_copy(update={"factors": 64, "graph_weights": ()})
    space = SearchSpace(factors=(64, 512), screening_trials=1)
    seconds = 2 * tune((window,), large, seconds=600, max_trials=2, space=space).seconds + 1
    journal = tmp_path / "journal.log"

    def use_up_time(report: TrialReport) -> None:
        if report.number == 1:
            time.sleep(max(0.0, seconds - 0.2 - report.elapsed_seconds))

    limited = tune((window,), large, seconds=seconds, space=space, journal=journal, on_trial=use_up_time).trials
    assert limited["stage"].tolist() == ["full", "screening", "full"]
    assert limited["factors"].tolist() == [64, 64, 512]
    (stopped,) = list_stopped_trials(journal)
    assert (limited["state"].iloc[-1], limited["failure"].iloc[-1]) == ("pruned", None)
    assert stopped.params == {name: limited[name].iloc[-1] for name in SETTINGS}
    continued = tune((window,), large, seconds=600, max_trials=6, space=space, journal=journal).trials
    is_repeat = (continued[["stage", *SETTINGS]] == limited[["stage", *SETTINGS]].iloc[-1]).all(axis=1)
    assert is_repeat.sum() == 2
    assert len(list_stopped_trials(journal)) == 1
    assert not continued[~is_repeat].duplicated(["stage", *SETTINGS]).any()


def test_journal_separates_other_settings(window: EvaluationWindow, config: TrainConfig, tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    tune((window,), config, seconds=600, max_trials=2, space=SPACE, journal=journal)
    for change in ({"selection_k": 5}, {"factors": 24}, {"content_prior_customers": 0.0}):
        other = tune(
            (window,), config.model_copy(update=change), seconds=600, max_trials=2, space=SPACE, journal=journal
        )
        assert other.trials["number"].tolist() == [0, 1]
        assert other.continued_count == 0
        assert other.other_settings_count >= 2
    # A changed initial value does not restart the search; the search adds a trial of it.
    changed = config.model_copy(update={"regularization": 0.2})
    result = tune((window,), changed, seconds=600, max_trials=6, space=SPACE, journal=journal)
    assert result.initial_ndcg == select_params((window,), changed, lambda _: None)[0].validation_ndcg


def test_unused_settings_continue_search(window: EvaluationWindow, config: TrainConfig, tmp_path: Path) -> None:
    """Settings without an effect on the NDCG of a trial do not begin a new search."""
    changed = config.model_copy(
        update={
            "popularity_damping": 0.3,
            "rerank_method": "mmr",
            "rerank_weight": 0.5,
            "rerank_depth": 20,
            "candidates_per_user": 50,
            "default_epochs": 3,
            "warm_epochs": 3,
            "default_trend_power": 0.25,
            "repeat_weights": (1.0,),
            "default_repeat_weight": 1.0,
            "max_evaluation_users": 10,
            "bootstrap_resamples": 10,
            "activity_thresholds": (3,),
            "ablations": False,
            "max_category_segments": 2,
            "head_share": 0.5,
            "max_neighbors": 10,
            "max_ease_products": 0,
        }
    )
    assert {name for name, value in changed if value != getattr(config, name)} == UNUSED_SETTINGS
    ndcgs = [select_params((window,), settings, lambda _: None)[0].validation_ndcg for settings in (config, changed)]
    assert ndcgs[0] == ndcgs[1]
    journal = tmp_path / "journal.log"
    first = tune((window,), config, seconds=600, max_trials=2, space=SPACE, journal=journal)
    continued = tune((window,), changed, seconds=600, max_trials=3, space=SPACE, journal=journal)
    assert (first.continued_count, continued.continued_count) == (0, 2)
    assert continued.trials["ndcg"].tolist()[:2] == first.trials["ndcg"].tolist()
    assert (continued.config.popularity_damping, continued.config.rerank_method) == (0.3, "mmr")


@pytest.mark.parametrize(("stage", "is_pruned"), [("full", False), ("screening", True)])
def test_only_screening_trials_are_pruned(
    window: EvaluationWindow, config: TrainConfig, stage: Stage, is_pruned: bool
) -> None:
    """A full trial with few factors begins below trials with more."""
    study = _Search((window,), config, SPACE, None, 600, None, lambda _: None).studies[stage]
    for _ in range(SPACE.screening_trials):
        study.add_trial(optuna.create_trial(value=0.5, intermediate_values=dict.fromkeys(range(1, 5), 0.5)))
    trial = study.ask()
    for epoch in range(1, 5):
        trial.report(0.2, epoch)
    assert trial.should_prune() == is_pruned


def test_screened_settings_get_more_factors(
    window: EvaluationWindow, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best number of factors of the initial settings is small by chance; screened settings rank best with more."""

    def compute_ndcg(
        _: Sequence[EvaluationWindow], trial_config: TrainConfig, __: Callable[[EpochRecord], None]
    ) -> tuple[SelectedParams, None]:
        is_initial = trial_config.regularization == config.regularization
        ndcg = 0.5 if is_initial else 0.1 + trial_config.factors / 32
        return SelectedParams(epochs=1, trend_power=0.0, validation_ndcg=ndcg), None

    monkeypatch.setattr("models_ml.tuning.select_params", compute_ndcg)
    small = config.model_copy(update={"factors": 8, "regularization_scales": (1.0,)})
    result = tune((window,), small, seconds=600, max_trials=6, space=SPACE)
    assert result.config.factors == 16
    assert result.selected_params.validation_ndcg == 0.6


def test_trial_below_median_is_pruned(window: EvaluationWindow, config: TrainConfig, tmp_path: Path) -> None:
    space = SPACE.model_copy(update={"screening_trials": 8, "regularization": (0.02, 10.0)})
    journal = tmp_path / "journal.log"
    result = tune((window,), config, seconds=600, max_trials=24, space=space, journal=journal)
    assert result.trials[result.trials["state"] == "pruned"]["ndcg"].isna().all()
    failed = result.trials[result.trials["failure"].notna()]
    assert len(failed)
    assert set(failed["state"]) == {"pruned"}
    pruned = [
        (trial, study.trials[: trial.number])
        for study in open_studies(journal)
        for trial in study.trials
        if trial.state == TrialState.PRUNED and "failure" not in trial.user_attrs
    ]
    assert len(pruned) == len(result.trials[(result.trials["state"] == "pruned") & result.trials["failure"].isna()])
    assert pruned
    for trial, earlier_trials in pruned:
        assert OUT_OF_TIME not in trial.user_attrs
        values = [
            earlier.intermediate_values[trial.last_step]
            for earlier in earlier_trials
            if earlier.state == TrialState.COMPLETE
            and trial.last_step in earlier.intermediate_values
            and earlier.params.get("factors") == trial.params.get("factors")
        ]
        assert max(trial.intermediate_values.values()) < median(values)


def test_search_continues_after_failed_trial(window: EvaluationWindow, config: TrainConfig) -> None:
    collapsing = config.model_copy(update={"regularization": 5.0})
    space = SPACE.model_copy(update={"regularization": (0.03, 10.0)})
    result = tune((window,), collapsing, seconds=600, max_trials=6, space=space)
    assert "collapsed to zero" in result.trials["failure"][0]
    assert result.initial_ndcg is None
    assert result.initial_failure == result.trials["failure"][0]
    assert result.config.regularization < 5


def test_search_without_completed_trial_fails(window: EvaluationWindow, config: TrainConfig) -> None:
    collapsing = config.model_copy(update={"regularization": 5.0})
    with pytest.raises(ModelError, match=r"no trial was completed: all factors collapsed to zero"):
        tune(
            (window,), collapsing, seconds=600, max_trials=1, space=SPACE.model_copy(update={"regularization": (4, 6)})
        )


def test_time_limit_keeps_first_trial(window: EvaluationWindow, config: TrainConfig) -> None:
    result = tune((window,), config, seconds=0.001, space=SPACE)
    assert len(result.trials) == 1
    assert result.selected_params.validation_ndcg == result.initial_ndcg


def interrupt_trial(monkeypatch: pytest.MonkeyPatch, number: int, error: type[BaseException]) -> None:
    """Let the next trials raise the error in the first epoch of the trial with the number.

    Optuna does not handle a SystemExit, so the journal is that of a killed process.
    """
    numbers = iter(range(number + 1))

    def select_or_raise(
        windows: Sequence[EvaluationWindow], config: TrainConfig, on_epoch: Callable[[EpochRecord], None]
    ) -> tuple[SelectedParams, object]:
        if next(numbers) < number:
            return select_params(windows, config, on_epoch)

        def raise_after_epoch(epoch: EpochRecord) -> None:
            on_epoch(epoch)
            raise error

        return select_params(windows, config, raise_after_epoch)

    monkeypatch.setattr("models_ml.tuning.select_params", select_or_raise)


@pytest.mark.parametrize("number", [0, 1, 3])
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_interrupted_trial_is_repeated(
    window: EvaluationWindow,
    config: TrainConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    number: int,
    error: type[BaseException],
) -> None:
    """The interrupted trials are the initial full one, the initial screening one, and the best screened settings.

    The last one is repeated after further screening trials: a continued search begins a new round.
    """
    journal = tmp_path / "journal.log"
    with monkeypatch.context() as context:
        interrupt_trial(context, number, error)
        with pytest.raises(error) as raised:
            tune((window,), config, seconds=600, space=SPACE, journal=journal)
    if isinstance(raised.value, SearchInterruptedError):
        interrupted_result = raised.value.result
        assert raised.value.trial_count == number
        assert (interrupted_result is None) == (number == 0)
        assert interrupted_result is None or len(interrupted_result.trials) == number
    # Optuna's own log has no place in the output of a command.
    assert capfd.readouterr().err == ""
    (interrupted,) = [
        trial
        for study in open_studies(journal)
        for trial in study.trials
        if trial.state in (TrialState.RUNNING, TrialState.FAIL)
    ]
    result = tune((window,), config, seconds=600, max_trials=number + 9, space=SPACE, journal=journal)
    assert result.trials["number"].tolist() == list(range(number + 9))
    assert set(result.trials["state"]) <= {"complete", "pruned"}
    assert [report.number for report in result.reports] == list(range(number, number + 9))
    repeated = result.trials.iloc[number:][list(interrupted.params)].to_dict("records")
    assert interrupted.params in (repeated if number == 3 else repeated[:1])
    assert result.initial_ndcg == result.trials["ndcg"][0]


def test_initial_trial_has_no_limits(window: EvaluationWindow, config: TrainConfig, tmp_path: Path) -> None:
    """Other initial settings in the same journal are measured, even without time and beyond the number of trials."""
    journal = tmp_path / "journal.log"
    space = SPACE.model_copy(update={"regularization": (0.03, 0.99)})
    tune((window,), config, seconds=600, max_trials=8, space=space, journal=journal)
    changed = config.model_copy(update={"regularization": 0.95})
    for seconds, max_trials in ((0.001, None), (600, 8)):
        result = tune((window,), changed, seconds=seconds, max_trials=max_trials, space=space, journal=journal)
        assert result.initial_ndcg is not None
        assert result.selected_params.validation_ndcg > result.initial_ndcg
        assert len(result.trials) == 9


def test_waiting_trial_does_not_displace_initial(
    window: EvaluationWindow, config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed between two records leaves a trial that waits."""
    journal = tmp_path / "journal.log"
    with monkeypatch.context() as context:
        context.setattr(optuna.Study, "optimize", lambda *_, **__: pytest.exit("killed"))
        with pytest.raises(pytest.exit.Exception):
            tune((window,), config, seconds=600, space=SPACE, journal=journal)
    changed = config.model_copy(update={"regularization": 0.2})
    result = tune((window,), changed, seconds=0.001, space=SPACE, journal=journal)
    assert result.trials["regularization"].tolist() == [0.2]
    assert result.initial_ndcg == result.selected_params.validation_ndcg


@pytest.mark.parametrize("removed_bytes", [1, 20, 0])
def test_incomplete_last_line_is_cut_off(
    window: EvaluationWindow, config: TrainConfig, tmp_path: Path, removed_bytes: int
) -> None:
    journal = tmp_path / "journal.log"
    first = tune((window,), config, seconds=600, max_trials=2, space=SPACE, journal=journal)
    content = journal.read_bytes()
    journal.write_bytes(content[:-removed_bytes] if removed_bytes else content + b'{"op')
    continued = tune((window,), config, seconds=600, max_trials=4, space=SPACE, journal=journal)
    assert continued.trials["number"].tolist() == [0, 1, 2, 3]
    assert continued.initial_ndcg == first.initial_ndcg
    assert len(open_studies(journal)) == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rb"\n", b""),
        (rb".{20}\n\Z", b"\n"),
        (rb"\Z", b"\0\0\0"),
        (rb"\A.*\Z", b"\x7fELF\0\xff"),
        (rb"\A.*\Z", b"\x89PNG\r\n\x1a\n"),
        (rb"\A.*\Z", b"{}\n"),
        (rb"\A.*\Z", b"[]\n"),
        (rb"\A.*\Z", b'{"op_code":99}\n'),
    ],
)
def test_damaged_journal_is_named(
    window: EvaluationWindow, config: TrainConfig, tmp_path: Path, old: bytes, new: bytes
) -> None:
    journal = tmp_path / "journal.log"
    tune((window,), config, seconds=600, max_trials=1, space=SPACE, journal=journal)
    content = re.sub(old, lambda _: new, journal.read_bytes(), count=1, flags=re.DOTALL)
    journal.write_bytes(content)
    with pytest.raises(ModelError, match=f"^tuning failed: {journal}: .*Delete or move it[^\n]*$"):
        tune((window,), config, seconds=600, max_trials=2, space=SPACE, journal=journal)
    assert journal.read_bytes() == content


def test_stale_lock_of_optuna_is_ignored(window: EvaluationWindow, config: TrainConfig, tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    (tmp_path / "journal.log.lock").symlink_to(journal)
    assert tune((window,), config, seconds=600, max_trials=1, space=SPACE, journal=journal).seconds < 25
