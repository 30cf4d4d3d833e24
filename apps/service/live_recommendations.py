"""The storefront that is live: the service follows the pointer of the published copies."""

import logging
import threading
import time
from typing import NamedTuple

import torch

from apps.recommendation_queries import RecommendationQueries
from models_ml.errors import ModelError
from warehouse.errors import RecomartError
from warehouse.publishing.live_copy import PublishedCopy, read_pointer
from warehouse.settings import Settings

POLL_INTERVAL_SECONDS = 1.0
RETRY_DELAY_SECONDS = 30.0

# The server's own log, so that its settings rule what is said here too.
LOG = logging.getLogger("uvicorn.error")


class OpenFailure(NamedTuple):
    """A version that could not be opened whole."""

    published: PublishedCopy
    problem: str
    failed_at: float


class PublicationFollower:
    """Holds the newest version that could be opened whole, copy and model, and looks for a newer one in a thread.

    As long as none could, it holds the newest copy without its model: its lists are there all the same.

    Requests take the storefront once and keep it to their end: each sees one version, and a new one disturbs none. The
    copy and the model before are let go of when the last request that holds them ends.
    """

    def __init__(self, settings: Settings, retry_delay_seconds: float = RETRY_DELAY_SECONDS) -> None:
        """Open nothing yet.

        A version that could not be opened is tried again after so many seconds, because that may mean reading and
        checking all of a large model; another one is tried when it is seen.
        """
        self._settings = settings
        self._retry_delay_seconds = retry_delay_seconds
        self._queries: RecommendationQueries | None = None
        self._has_usable_model = False
        self._failure: OpenFailure | None = None
        self.problem: str | None = None
        """Why the newest version cannot be opened whole, if so."""
        self._stop_event = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="publication-follower", daemon=True)

    def start(self) -> None:
        """Open what is live, if it can be, and begin to follow."""
        self.refresh()
        self._thread.start()

    def stop(self) -> None:
        """Follow no longer."""
        self._stop_event.set()
        self._thread.join()

    @property
    def queries(self) -> RecommendationQueries:
        """The version to answer from.

        Raises:
            RecomartError: None could be opened yet.
        """
        storefront = self._queries
        if storefront is None:
            raise RecomartError(self.problem or "nothing is open yet")
        return storefront

    def refresh(self) -> None:
        """Move to the version that the pointer names, unless it is the one that is open or cannot be opened whole."""
        try:
            published = read_pointer(self._settings)
            if self._queries is None or not self._has_usable_model or self._queries.serving_copy.published != published:
                self._switch_to(published)
            self.problem = None
        except Exception as error:
            # Whatever it is, requests go on and so does the looking.
            if not isinstance(error, RecomartError | ModelError):
                LOG.exception("looking for a newer version failed")
            self._record_problem(_describe_error(error))

    def _switch_to(self, published: PublishedCopy) -> None:
        failure = self._failure
        if (
            failure
            and failure.published == published
            and time.monotonic() < failure.failed_at + self._retry_delay_seconds
        ):
            raise RecomartError(failure.problem)
        try:
            self._open(published)
        except Exception as error:
            self._failure = OpenFailure(published, _describe_error(error), time.monotonic())
            raise
        LOG.info("answering from %s, model run %s", published.file, published.run_id)

    def _open(self, published: PublishedCopy) -> None:
        storefront = RecommendationQueries(self._settings, published)
        # Its first list, which no client waits for then; whose id is empty is unknown to every shop.
        storefront.recommend_for_customer("", 1)
        try:
            _warm_up_model(storefront)
        except Exception:
            if not self._has_usable_model:
                self._queries = storefront
            raise
        self._queries, self._has_usable_model = storefront, True

    def _record_problem(self, problem: str) -> None:
        if problem != self.problem:
            LOG.warning("%s", problem)
        self.problem = problem

    def _poll(self) -> None:
        while not self._stop_event.wait(POLL_INTERVAL_SECONDS):
            self.refresh()


def _describe_error(error: Exception) -> str:
    return str(error) if isinstance(error, RecomartError | ModelError) else f"{type(error).__name__}: {error}"


def _warm_up_model(queries: RecommendationQueries) -> None:
    """Load the model and make what its first answer would have to, so that no client waits for that."""
    if queries.serving_copy.published.run_id is None:
        return
    # Requests come side by side, so a second thread for each gains nothing; on a busy machine the two wait for each
    # other.
    torch.set_num_threads(1)
    recommender = queries.recommender
    recommender.recommend(basket=[recommender.products.get_id(0)], n=1)
    recommender.recommend(user_id=recommender.users.get_id(0), n=1)
