"""Files that a service reads are regular files: to open a named pipe would wait for its writer."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.service.api_keys import read_api_keys
from models_ml.errors import ModelError
from models_ml.inference.artifact import CARD_FILE, read_artifact
from orchestration.config_files import read_policy, read_train_config
from tests.three_feed_shop import Shop
from warehouse.checksums import compute_file_checksum
from warehouse.errors import RecomartError
from warehouse.loading.forgotten_customers import read_forgotten_customers
from warehouse.publishing.live_copy import POINTER_FILE, read_pointer
from warehouse.settings import Settings

READERS: dict[str, tuple[Callable[[Settings], Path], Callable[[Settings], object]]] = {
    "keys": (lambda settings: settings.api_keys_file, read_api_keys),
    "pointer": (lambda settings: settings.serving_dir / POINTER_FILE, read_pointer),
    "copy": (lambda settings: settings.serving_dir / "copy", lambda s: compute_file_checksum(s.serving_dir / "copy")),
    "forgotten": (lambda settings: settings.forgotten_customers_file, read_forgotten_customers),
    "policy": (lambda settings: settings.policy_file, read_policy),
    "training": (lambda settings: settings.train_config_file, read_train_config),
    "model": (lambda settings: settings.models_dir / CARD_FILE, lambda settings: read_artifact(settings.models_dir)),
}


@pytest.mark.parametrize("name", READERS)
def test_pipes_are_refused(shop: Shop, name: str) -> None:
    locate, read = READERS[name]
    pipe = locate(shop.settings)
    pipe.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(pipe)
    # A reader that waits gets the end of the file after some seconds, and the test fails.
    writer = threading.Timer(5, lambda: os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)))
    writer.start()
    try:
        with pytest.raises((RecomartError, ModelError, OSError), match="no regular file"):
            read(shop.settings)
    finally:
        writer.cancel()
