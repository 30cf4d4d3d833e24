"""A fetch that broke off shows nothing, and the next one goes on where it stopped, or begins anew where it must."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.warehouse.fetching.catalog_service import ApiShop, CatalogHandler, make_products, make_status_fault
from tests.warehouse.test_disk_full import run_with_file_limit
from warehouse.errors import RecomartError
from warehouse.loading.landing_files import find_files
from warehouse.sources.yaml_file import read_sources


def break_off(api: ApiShop, request: int) -> None:
    """Let a fetch fail at a request, and the service be well again."""
    api.service.faults = dict.fromkeys(range(request, 99), make_status_fault(500))
    with pytest.raises(RecomartError):
        api.fetch()
    api.service.faults = {}
    api.service.requested_paths.clear()


@pytest.mark.parametrize("style", ["page", "offset", "cursor", "next_link", "link_header"])
def test_wherever_a_fetch_broke_off_only_the_rest_is_asked_for(api: ApiShop, style: str) -> None:
    api.declare(style)
    needed = api.fetch().request_count
    for request in range(2, needed + 1):
        (api.shop.landing / api.list_files()[0]).unlink()
        api.service.requested_paths.clear()
        break_off(api, request)
        assert api.list_files() == []
        assert api.fetch().request_count == len(api.service.requested_paths) == needed - request + 1
        assert api.read_fetched() == make_products(35)


def test_a_killed_fetch_is_resumed(api: ApiShop) -> None:
    arrived = threading.Event()

    def never(handler: CatalogHandler) -> None:
        arrived.set()
        handler.server.released.wait(30)

    api.declare("page", timeout=60)
    api.service.faults[3] = never
    settings = api.shop.settings
    command = [str(Path(sys.executable).with_name("recomart")), "fetch", "--sources", str(settings.sources)]
    process = subprocess.Popen([*command, "--landing", str(settings.landing_dir)], stderr=subprocess.DEVNULL)
    assert arrived.wait(60)
    with pytest.raises(RecomartError, match=r"another process is fetching into .*catalog"):
        api.fetch()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert api.list_files() == []
    assert list(api.shop.landing.rglob("*.part"))
    everything = read_sources(settings.sources).feeds["products"].model_copy(update={"files": ("**/*",)})
    assert find_files(everything, settings.landing_dir) == []

    api.service.faults = {}
    api.service.requested_paths.clear()
    fetched = api.fetch()
    assert fetched.resumed_page_count == 2
    assert len(api.service.requested_paths) == fetched.request_count == 8
    assert api.read_fetched() == make_products(35)
    assert list(api.shop.landing.rglob(".*")) == []


def test_a_fetch_that_meets_the_end_of_the_disk_says_so_and_is_resumed(api: ApiShop) -> None:
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


def test_what_was_written_after_the_last_checkpoint_does_not_count(api: ApiShop) -> None:
    api.declare("cursor")
    break_off(api, 3)
    with find_part_files(api)["records.part"].open("a") as file:
        file.write('{"sku": "P0020", "name": "half a li')
    api.fetch()
    assert len(api.service.requested_paths) == 2
    assert api.read_fetched() == make_products(35)


@pytest.mark.parametrize("name", ["state.part", "records.part"])
def test_a_damaged_checkpoint_is_begun_anew(api: ApiShop, name: str) -> None:
    api.declare("cursor")
    break_off(api, 3)
    os.truncate(find_part_files(api)[name], 20)
    assert api.fetch().resumed_page_count == 0
    assert api.read_fetched() == make_products(35)


def test_another_declaration_is_another_catalog(api: ApiShop) -> None:
    api.declare("cursor")
    break_off(api, 3)
    api.declare("cursor", params={"language": "fr"})
    assert api.fetch().resumed_page_count == 0


def test_more_patience_is_the_same_catalog(api: ApiShop) -> None:
    api.declare("cursor")
    break_off(api, 3)
    api.declare("cursor", retries={"max_attempts": 9}, requests_per_second=500)
    assert api.fetch().resumed_page_count == 2


def test_fewer_readings_than_a_broken_off_fetch_has_begun_let_it_end_the_one_it_is_at(api: ApiShop) -> None:
    def change_in_the_second_reading(request: int) -> None:
        if request == 6:
            api.service.products = make_products(34)

    api.service.on_request = change_in_the_second_reading
    break_off(api, 12)
    api.service.on_request = lambda _: None
    api.declare("page", max_passes=2)
    assert api.fetch().resumed_page_count == 1
    assert api.read_fetched() == make_products(34)


def test_an_old_checkpoint_is_begun_anew(api: ApiShop) -> None:
    api.declare("cursor", resume_hours=0)
    break_off(api, 3)
    assert api.fetch().resumed_page_count == 0
    assert api.read_fetched() == make_products(35)


def test_a_cursor_that_the_service_has_forgotten_is_begun_anew(api: ApiShop) -> None:
    api.declare("cursor")
    break_off(api, 3)
    api.service.faults[1] = make_status_fault(410)
    api.fetch()
    assert api.service.requested_paths[1] == "/cursor"
    assert api.read_fetched() == make_products(35)


def test_a_catalog_that_changed_since_it_broke_off_arrives_whole(api: ApiShop) -> None:
    break_off(api, 3)
    api.service.products = make_products(33, first=4)
    api.fetch()
    assert api.read_fetched() == make_products(33, first=4)
