"""An interrupted fetch writes no file, and the next fetch resumes or restarts it."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.warehouse.fetching.catalog_service import ApiShop, CatalogHandler, make_products, make_status_fault
from tests.warehouse.test_disk_full import run_with_file_limit
from warehouse.errors import RecomartError, TemporaryError
from warehouse.loading.landing_files import find_files
from warehouse.sources.yaml_file import read_sources


def interrupt_fetch(api: ApiShop, request: int) -> None:
    """Let a fetch fail at a request, then remove the faults."""
    api.service.faults = dict.fromkeys(range(request, 99), make_status_fault(500))
    with pytest.raises(RecomartError):
        api.fetch()
    api.service.faults = {}
    api.service.requested_paths.clear()


@pytest.mark.parametrize("style", ["page", "offset", "cursor", "next_link", "link_header"])
def test_resume_requests_only_missing_pages(api: ApiShop, style: str) -> None:
    api.declare(style)
    total_count = api.fetch().request_count
    for request in range(2, total_count + 1):
        (api.shop.landing / api.list_files()[0]).unlink()
        api.service.requested_paths.clear()
        interrupt_fetch(api, request)
        assert api.list_files() == []
        assert api.fetch().request_count == len(api.service.requested_paths) == total_count - request + 1
        assert api.read_fetched() == make_products(35)


def test_killed_fetch_is_resumed(api: ApiShop) -> None:
    is_requested = threading.Event()

    def wait_for_release(handler: CatalogHandler) -> None:
        is_requested.set()
        handler.server.released.wait(30)

    api.declare("page", timeout=60)
    api.service.faults[3] = wait_for_release
    settings = api.shop.settings
    command = [str(Path(sys.executable).with_name("recomart")), "fetch", "--sources", str(settings.sources)]
    process = subprocess.Popen([*command, "--landing", str(settings.landing_dir)], stderr=subprocess.DEVNULL)
    assert is_requested.wait(60)
    with pytest.raises(TemporaryError, match=r"another process is fetching into .*catalog"):
        api.fetch()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert api.list_files() == []
    assert list(api.shop.landing.rglob("*.part"))
    feed_of_all_files = read_sources(settings.sources).feeds["products"].model_copy(update={"files": ("**/*",)})
    assert find_files(feed_of_all_files, settings.landing_dir) == []

    api.service.faults = {}
    api.service.requested_paths.clear()
    fetched = api.fetch()
    assert fetched.resumed_page_count == 2
    assert len(api.service.requested_paths) == fetched.request_count == 8
    assert api.read_fetched() == make_products(35)
    assert list(api.shop.landing.rglob(".*")) == []


def test_fetch_on_full_disk_is_resumed(api: ApiShop) -> None:
    settings = api.shop.settings
    done = run_with_file_limit(
        settings, "from warehouse.fetching.fetch_run import fetch_feeds; fetch_feeds(Settings())", max_file_bytes=1_000
    )
    assert f"DiskFullError: {settings.landing_dir}: cannot write: File too large" in done.stderr
    assert api.list_files() == []
    assert api.fetch().resumed_page_count > 0
    assert api.read_fetched() == make_products(35)


def find_part_files(api: ApiShop) -> dict[str, Path]:
    return {path.name: path for path in api.shop.landing.rglob("*.part")}


def test_resume_ignores_uncommitted_records(api: ApiShop) -> None:
    api.declare("cursor")
    interrupt_fetch(api, 3)
    with find_part_files(api)["records.part"].open("a") as file:
        file.write('{"sku": "P0020", "name": "half a li')
    api.fetch()
    assert len(api.service.requested_paths) == 2
    assert api.read_fetched() == make_products(35)


@pytest.mark.parametrize("name", ["state.part", "records.part"])
def test_damaged_checkpoint_restarts_fetch(api: ApiShop, name: str) -> None:
    api.declare("cursor")
    interrupt_fetch(api, 3)
    os.truncate(find_part_files(api)[name], 20)
    assert api.fetch().resumed_page_count == 0
    assert api.read_fetched() == make_products(35)


def test_changed_request_restarts_fetch(api: ApiShop) -> None:
    api.declare("cursor")
    interrupt_fetch(api, 3)
    api.declare("cursor", params={"language": "fr"})
    assert api.fetch().resumed_page_count == 0


def test_changed_retries_resume_fetch(api: ApiShop) -> None:
    api.declare("cursor")
    interrupt_fetch(api, 3)
    api.declare("cursor", retries={"max_attempts": 9}, requests_per_second=500)
    assert api.fetch().resumed_page_count == 2


def test_reduced_max_passes_ends_current_pass(api: ApiShop) -> None:
    def change_in_second_pass(request: int) -> None:
        if request == 6:
            api.service.products = make_products(34)

    api.service.on_request = change_in_second_pass
    interrupt_fetch(api, 12)
    api.service.on_request = lambda _: None
    api.declare("page", max_passes=2)
    assert api.fetch().resumed_page_count == 1
    assert api.read_fetched() == make_products(34)


def test_old_checkpoint_restarts_fetch(api: ApiShop) -> None:
    api.declare("cursor", resume_hours=0)
    interrupt_fetch(api, 3)
    assert api.fetch().resumed_page_count == 0
    assert api.read_fetched() == make_products(35)


def test_expired_cursor_restarts_pass(api: ApiShop) -> None:
    api.declare("cursor")
    interrupt_fetch(api, 3)
    api.service.faults[1] = make_status_fault(410)
    api.fetch()
    assert api.service.requested_paths[1] == "/cursor"
    assert api.read_fetched() == make_products(35)


def test_resume_of_changed_catalog_is_complete(api: ApiShop) -> None:
    interrupt_fetch(api, 3)
    api.service.products = make_products(33, first=4)
    api.fetch()
    assert api.read_fetched() == make_products(33, first=4)
