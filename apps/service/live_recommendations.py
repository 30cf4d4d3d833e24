"""The storefront that is live: the service follows the pointer of the published copies."""

import logging
import threading
import time
from typing import NamedTuple

import torch

from apps.recommendation_queries import Storefront
from models_ml.errors import ModelError
from warehouse.errors import RecomartError
from warehouse.publishing.live_copy import Published, current
from warehouse.settings import Settings

LOOKED_EVERY_SECONDS = 1.0
TRIED_AGAIN_AFTER_SECONDS = 30.0

# The server's own log, so that its settings rule what is said here too.
log = logging.getLogger("uvicorn.error")


class Failure(NamedTuple):
    """A version that could not be opened whole."""

    published: Published
    problem: str
    at: float


class LiveStorefront:
    """Holds the newest version that could be opened whole, copy and model, and looks for a newer one in a thread.

    As long as none could, it holds the newest copy without its model: its lists are there all the same.

    Requests take the storefront once and keep it to their end: each sees one version, and a new one disturbs none. The
    copy and the model before are let go of when the last request that holds them ends.
    """

    def __init__(self, settings: Settings, tried_again_after: float = TRIED_AGAIN_AFTER_SECONDS) -> None:
        """Open nothing yet.

        A version that could not be opened is tried again after so many seconds, because that may mean reading and
        checking all of a large model; another one is tried when it is seen.
        """
        self._settings = settings
        self._tried_again_after = tried_again_after
        self._storefront: Storefront | None = None
        self._is_whole = False
        self._failure: Failure | None = None
        self.problem: str | None = None
        """Why the newest version cannot be opened whole, if so."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="live-storefront", daemon=True)

    def start(self) -> None:
        """Open what is live, if it can be, and begin to follow."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """Follow no longer."""
        self._stopping.set()
        self._thread.join()

    @property
    def storefront(self) -> Storefront:
        """The version to answer from.

        Raises:
            RecomartError: None could be opened yet.
        """
        storefront = self._storefront
        if storefront is None:
            raise RecomartError(self.problem or "nothing is open yet")
        return storefront

    def look(self) -> None:
        """Move to the version that the pointer names, unless it is the one that is open or cannot be opened whole."""
        try:
            published = current(self._settings)
            if self._storefront is None or not self._is_whole or self._storefront.copy.published != published:
                self._move_to(published)
            self.problem = None
        except Exception as error:
            # Whatever it is, requests go on and so does the looking.
            if not isinstance(error, RecomartError | ModelError):
                log.exception("looking for a newer version failed")
            self._note(_in_words(error))

    def _move_to(self, published: Published) -> None:
        failure = self._failure
        if failure and failure.published == published and time.monotonic() < failure.at + self._tried_again_after:
            raise RecomartError(failure.problem)
        try:
            self._open(published)
        except Exception as error:
            self._failure = Failure(published, _in_words(error), time.monotonic())
            raise
        log.info("answering from %s, model run %s", published.file, published.run_id)

    def _open(self, published: Published) -> None:
        storefront = Storefront(self._settings, published)
        # Its first list, which no client waits for then; whose id is empty is unknown to every shop.
        storefront.for_customer("", 1)
        try:
            _warm_up_model(storefront)
        except Exception:
            if not self._is_whole:
                self._storefront = storefront
            raise
        self._storefront, self._is_whole = storefront, True

    def _note(self, problem: str) -> None:
        if problem != self.problem:
            log.warning("%s", problem)
        self.problem = problem

    def _follow(self) -> None:
        while not self._stopping.wait(LOOKED_EVERY_SECONDS):
            self.look()


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, RecomartError | ModelError) else f"{type(error).__name__}: {error}"


def _warm_up_model(storefront: Storefront) -> None:
    """Load the model and make what its first answer would have to, so that no client waits for that."""
    if storefront.copy.published.run_id is None:
        return
    # Requests come side by side, so a second thread for each gains nothing; on a busy machine the two wait for each
    # other.
    torch.set_num_threads(1)
    recommender = storefront.recommender
    recommender.recommend(basket=[recommender.products.at(0)], n=1)
    recommender.recommend(user_id=recommender.users.at(0), n=1)
