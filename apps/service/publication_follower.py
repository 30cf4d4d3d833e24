"""The published version that the service uses: a thread follows the pointer to the published copies."""

import threading
import time
from typing import NamedTuple

import torch

from apps.recommendations.recommendation_queries import RecommendationQueries
from apps.service.problems import LOG, NotReadyError, describe_publicly
from models_ml.errors import ModelError
from warehouse.errors import RecomartError
from warehouse.publishing.live_copy import PublishedCopy, read_pointer, verify_copy
from warehouse.settings import Settings

POLL_INTERVAL_SECONDS = 1.0

RETRY_DELAY_SECONDS = 30.0
"""Seconds after which a version that could not be opened is tried again; each attempt may read a large model."""


class VersionProblem(NamedTuple):
    """Why the newest version cannot be used. An error itself would keep its frames, and so a copy and a model."""

    public_reason: str
    cause: str


class OpenFailure(NamedTuple):
    """A version whose copy or model could not be opened or read."""

    published: PublishedCopy
    problem: VersionProblem
    failed_at: float


class PublicationFollower:
    """Holds the newest version whose copy and model are open, and checks for a newer version in a thread.

    Until a model can be opened, it holds the newest copy without its model, which still serves the published lists.

    A request takes the version once and keeps it until it ends, so a new version does not affect running requests. The
    previous copy and model are released when the last request that uses them ends.
    """

    def __init__(self, settings: Settings) -> None:
        """Prepare the follower; `start` opens the published version."""
        self._settings = settings
        self._queries: RecommendationQueries | None = None
        self._has_usable_model = False
        self._failure: OpenFailure | None = None
        self._problem: VersionProblem | None = None
        self._stop_event = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="publication-follower", daemon=True)

    def start(self) -> None:
        """Open the published version, if possible, and start the thread."""
        self.refresh()
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stop_event.set()
        self._thread.join()

    @property
    def queries(self) -> RecommendationQueries:
        """The open version.

        Raises:
            NotReadyError: No version could be opened yet.
        """
        queries = self._queries
        if queries is None:
            problem = self._problem or VersionProblem("no version is open yet", "no version is open yet")
            raise NotReadyError(problem.cause, problem.public_reason)
        return queries

    @property
    def published(self) -> PublishedCopy | None:
        """The copy of the open version; None when none is open."""
        return None if self._queries is None else self._queries.serving_copy.published

    @property
    def problem(self) -> str | None:
        """Why the newest version or the rules cannot be used completely, in words for clients; None when they can."""
        if self._problem:
            return self._problem.public_reason
        return None if self._queries is None else self._queries.describe_problem()

    def report_read_failure(self, error: RecomartError) -> None:
        """Record that a request could not read the open version; it is verified and opened again after the delay."""
        problem = _describe_problem(error)
        if self._failure is None and self.published is not None:
            self._failure = OpenFailure(self.published, problem, time.monotonic())
        self._record_problem(problem)

    def refresh(self) -> None:
        """Switch to the version that the pointer names, unless it is open already or failed recently."""
        try:
            published = read_pointer(self._settings)
            if self._failure is not None or self.published != published:
                self._switch_to(published)
            self._problem = None
        except Exception as error:
            # No error may stop the requests or the thread.
            if not isinstance(error, RecomartError | ModelError):
                LOG.exception("check for a newer version failed")
            self._record_problem(_describe_problem(error))

    def _switch_to(self, published: PublishedCopy) -> None:
        failure = self._failure
        if failure and failure.published == published and time.monotonic() < failure.failed_at + RETRY_DELAY_SECONDS:
            raise NotReadyError(failure.problem.cause, failure.problem.public_reason)
        try:
            self._open(published)
        except Exception as error:
            self._failure = OpenFailure(published, _describe_problem(error), time.monotonic())
            raise
        self._failure = None
        LOG.info("serving %s, model run %s", published.file, published.run_id)

    def _open(self, published: PublishedCopy) -> None:
        verify_copy(self._settings, published)
        queries = RecommendationQueries(self._settings, published)
        # Compute the first fallback list now, so that no client waits for it. No customer has an empty id.
        queries.recommend_for_customer("", 1)
        try:
            _warm_up_model(queries)
        except Exception:
            if not self._has_usable_model:
                self._queries = queries
            raise
        self._queries, self._has_usable_model = queries, True

    def _record_problem(self, problem: VersionProblem) -> None:
        if problem != self._problem:
            LOG.warning("degraded: %s", problem.cause)
        self._problem = problem

    def _poll(self) -> None:
        while not self._stop_event.wait(POLL_INTERVAL_SECONDS):
            self.refresh()


def _describe_problem(error: Exception) -> VersionProblem:
    return VersionProblem(describe_publicly(error), str(error) or type(error).__name__)


def _warm_up_model(queries: RecommendationQueries) -> None:
    """Load the model and those of an experiment, and run their first queries, so that no client waits for them."""
    # Requests already run in parallel. On a busy machine, more torch threads for each request wait for each other.
    torch.set_num_threads(1)
    for recommender in queries.arm_models.iter_recommenders():
        recommender.recommend(basket=[recommender.products.get_id(0)], n=1)
        recommender.recommend(user_id=recommender.users.get_id(0), n=1)
