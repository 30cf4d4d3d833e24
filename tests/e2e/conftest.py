"""A fixture of a shop with pending days, and the folders of the public data sets."""

from pathlib import Path

import pytest

from tests.e2e.pending_days_shop import PendingDaysShop
from warehouse.settings import PROJECT_ROOT

SHARED_DATA = PROJECT_ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def pending_days_shop(tmp_path_factory: pytest.TempPathFactory) -> PendingDaysShop:
    """A shop in two states: before a run on two more days, to be copied, and after it."""
    return PendingDaysShop(tmp_path_factory.mktemp("two_days_later"))


def get_public_data_dir(name: str) -> Path:
    """Return the folder of a public data set; skip the test when it is missing."""
    folder = SHARED_DATA / name
    if not folder.is_dir():
        pytest.skip(f"the public data set {name} is not at ../shared/data")
    return folder
