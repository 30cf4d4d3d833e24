"""The storefront that is live: the service follows the pointer of the published copies."""

import logging
import threading

import torch

from apps.storefront import Storefront
from models_ml.errors import ModelError
from warehouse.errors import RecomartError
from warehouse.publish import current
from warehouse.settings import Settings

LOOKED_EVERY_SECONDS = 1.0

# The server's own log, so that its settings rule what is said here too.
log = logging.getLogger("uvicorn.error")


class LiveStorefront:
    """Holds the newest version that could be opened whole, copy and model, and looks for a newer one in a thread.

    Requests take the storefront once and keep it to their end: each sees one version, and a new one disturbs none. The
    copy and the model before are let go of when the last request that holds them ends.
    """

    def __init__(self, settings: Settings) -> None:
        """Open nothing yet."""
        self._settings = settings
        self._storefront: Storefront | None = None
        self.problem: str | None = None
        """Why the newest version cannot be opened, if so."""
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
            if self._storefront is None or self._storefront.copy.published != published:
                storefront = Storefront(self._settings, published)
                _warm_up(storefront)
                self._storefront = storefront
                log.info("answering from %s, model run %s", published.file, published.run_id)
            self.problem = None
        except (RecomartError, ModelError) as error:
            self._note(str(error))
        except Exception as error:
            # Whatever it is, requests go on and so does the looking.
            log.exception("looking for a newer version failed")
            self._note(f"{type(error).__name__}: {error}")

    def _note(self, problem: str) -> None:
        if problem != self.problem:
            log.warning("%s", problem)
        self.problem = problem

    def _follow(self) -> None:
        while not self._stopping.wait(LOOKED_EVERY_SECONDS):
            self.look()


def _warm_up(storefront: Storefront) -> None:
    """Load the model and make what its first answer would have to, so that no client waits for that."""
    # Whose id is empty is unknown to every shop.
    storefront.for_customer("", 1)
    if storefront.copy.published.run_id is None:
        return
    # Requests come side by side, so a second thread for each gains nothing; on a busy machine the two wait for each
    # other.
    torch.set_num_threads(1)
    recommender = storefront.recommender
    recommender.recommend(basket=[recommender.products.at(0)], n=1)
    recommender.recommend(user_id=recommender.users.at(0), n=1)
