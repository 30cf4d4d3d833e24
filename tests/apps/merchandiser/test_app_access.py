"""Who reaches the app: login, addresses, hosts, other sites, and connections to the outside."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from apps.merchandiser.page_list import PAGES
from tests.apps.merchandiser.app_server import run_app
from tests.apps.merchandiser.browser import BrowserPage, needs_browser, start_browser
from tests.apps.merchandiser.identity_provider import IdentityProvider, run_identity_provider
from tests.free_port import find_free_port
from warehouse.settings import PROJECT_ROOT, Settings

RECORD_CONNECTIONS = """
import os, sys

def record(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        with open(os.environ["CONNECTIONS"], "a") as file:
            file.write(f"{event} {arguments[1:] if event != 'socket.getaddrinfo' else arguments}\\n")

sys.addaudithook(record)
"""


class OpenApp(NamedTuple):
    """An app that listens on all addresses without a login."""

    url: str
    connections_file: Path
    """File with the outgoing connections of the app."""


@pytest.fixture(scope="module")
def exposed_app(demo_warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenApp]:
    """The app, started with a record of its connections."""
    folder = tmp_path_factory.mktemp("exposed")
    (folder / "sitecustomize.py").write_text(RECORD_CONNECTIONS, encoding="utf-8")
    connections_file = folder / "connections"
    connections_file.touch()
    variables = {
        "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]),
        "CONNECTIONS": str(connections_file),
        "RECOMART_APP_HOST": "0.0.0.0",
        "RECOMART_APP_TRUSTED_HOSTS": "localhost,*.shop.example",
        "RECOMART_APP_WITHOUT_LOGIN": "true",
    }
    with run_app(demo_warehouse, folder, **variables) as url:
        yield OpenApp(url, connections_file)


def open_web_socket(url: str, host: str, origin: str | None = None) -> int:
    """Open a web socket as a browser does; return the status of the answer."""
    port = int(url.rpartition(":")[2])
    headers = {} if origin is None else {"Origin": origin}
    connection = socket.create_connection(("127.0.0.1", port))
    try:
        with connect(f"ws://{host}:{port}/_stcore/stream", sock=connection, additional_headers=headers):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


def test_unknown_host_is_refused(exposed_app: OpenApp) -> None:
    """A site whose name is bound to this machine's address cannot read the app."""
    for host, status in [("localhost:1", 200), ("app.shop.example", 200), ("evil.example", 400), ("localhost.x", 400)]:
        assert requests.get(exposed_app.url, headers={"Host": host}, timeout=10).status_code == status, host
    assert open_web_socket(exposed_app.url, "evil.example") == 400
    assert open_web_socket(exposed_app.url, "app.shop.example") == 101


def test_other_sites_are_refused(exposed_app: OpenApp) -> None:
    port = exposed_app.url.rpartition(":")[2]
    assert open_web_socket(exposed_app.url, "localhost", exposed_app.url) == 101
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{port}", "http://localhost:1"):
        assert open_web_socket(exposed_app.url, "localhost", origin) == 403, origin
    headers = requests.get(exposed_app.url, timeout=10).headers
    assert headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"


def test_unused_pages_are_closed(exposed_app: OpenApp) -> None:
    for path in ("metrics", "upload_file/a/b", "agent/openapi.json", "agent/interact"):
        assert requests.get(f"{exposed_app.url}/_stcore/{path}", timeout=10).status_code == 404, path
    assert requests.get(f"{exposed_app.url}/_stcore/health", timeout=10).status_code == 200


def test_app_connects_to_nothing_outside(exposed_app: OpenApp) -> None:
    """Streamlit asks an outside service for this machine's address at the start and for each unknown origin."""
    open_web_socket(exposed_app.url, "localhost", "http://evil.example")
    lines = exposed_app.connections_file.read_text(encoding="utf-8").splitlines()
    local_names = ("127.0.0.1", "localhost", "'::1'", "0.0.0.0", "/", "None")
    assert [line for line in lines if not any(name in line for name in local_names)] == []


def fail_to_start(home: Path, *command: str, **variables: str) -> str:
    """Return the errors of an app that must not start."""
    result = subprocess.run(
        command,
        cwd=PROJECT_ROOT,
        env={**os.environ, "HOME": str(home), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode != 0
    return result.stderr


RECOMART_APP = (str(Path(sys.executable).with_name("recomart")), "app")


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        (["--host", "0.0.0.0"], {}),
        ([], {"RECOMART_APP_HOST": "::"}),
        ([], {"RECOMART_APP_TRUSTED_HOSTS": "localhost,app.shop.example"}),
    ],
)
def test_app_needs_login_beyond_this_machine(tmp_path: Path, options: list[str], variables: dict[str, str]) -> None:
    errors = fail_to_start(tmp_path, *RECOMART_APP, *options, **variables)
    assert errors.startswith("recomart: the app does not start on ")
    assert "RECOMART_APP_WITHOUT_LOGIN" in errors


def test_streamlit_run_needs_login_too(tmp_path: Path) -> None:
    """The app also refuses when it is not started by `recomart app`."""
    command = [sys.executable, "-m", "streamlit", "run", "apps/merchandiser/app.py", "--server.address=0.0.0.0"]
    errors = fail_to_start(tmp_path, *command)
    assert errors.startswith("recomart: the app does not start on 0.0.0.0: ")
    assert errors.count("\n") == 1
    errors = fail_to_start(tmp_path, *command, RECOMART_THREADS="x")
    assert errors == "recomart: RECOMART_THREADS: it must be a whole number\n"


def test_damaged_secrets_stop_the_app(tmp_path: Path) -> None:
    """A secrets file that cannot be read does not count as an app without login."""
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text("[auth", encoding="utf-8")
    assert "secrets file cannot be read" in fail_to_start(tmp_path, *RECOMART_APP, "--port", str(find_free_port()))


@pytest.mark.parametrize(
    ("section", "missing_key"),
    [
        ('redirect_uri = "http://localhost/oauth2callback"', "cookie_secret"),
        ('redirect_uri = "http://localhost/oauth2callback"\ncookie_secret = "x"\nclient_id = "x"', "client_secret"),
        ('redirect_uri = "http://localhost/oauth2callback"\ncookie_secret = "x"', "default"),
    ],
)
def test_incomplete_login_stops_the_app(tmp_path: Path, section: str, missing_key: str) -> None:
    """It does not count as a login, and a login page without a provider has no way in."""
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text(f"[auth]\n{section}\n", encoding="utf-8")
    message = fail_to_start(tmp_path, *RECOMART_APP, "--port", str(find_free_port()))
    assert "the login is incomplete" in message
    assert missing_key in message


@pytest.fixture
def identity_provider() -> Iterator[IdentityProvider]:
    """A running provider."""
    with run_identity_provider() as provider:
        yield provider


@needs_browser
def test_data_needs_login(demo_warehouse: Settings, identity_provider: IdentityProvider, tmp_path: Path) -> None:
    port = find_free_port()
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text(identity_provider.build_secrets(port), encoding="utf-8")
    with (
        run_app(
            demo_warehouse,
            tmp_path,
            port,
            RECOMART_APP_HOST="0.0.0.0",
            RECOMART_APP_USERS="boss@x.example,@shop.example",
        ) as url,
        start_browser(tmp_path) as page,
    ):
        for path in ("/", *(f"/{entry.name}" for entry in PAGES), "/customers?customer=u00001", "/unknown"):
            page.open(url + path)
            page.wait_for(lambda: page.find_elements(".st-key-login_None button"))
            assert_no_data(page)

        # On these addresses, Streamlit first asks for its base path, which fails.
        page.read_log("browser")
        page.find_elements(".st-key-login_None button")[0].click()
        page.wait_for(lambda: page.find_elements("[data-testid=stTopNavLink]"))
        page.assert_no_error()

        page.wait_for(lambda: page.find_elements(".st-key-logout button"))[0].click()
        login_button = page.wait_for(lambda: page.find_elements(".st-key-login_None button"))[0]
        identity_provider.email = "eve@shop.example.evil.example"
        login_button.click()
        page.wait_for(lambda: page.find_elements("[data-testid=stAlert]"))
        assert "may not use this app" in page.find_elements("[data-testid=stAlert]")[0].text
        assert_no_data(page)


def assert_no_data(page: BrowserPage) -> None:
    """Assert that the page shows no table, no figure and no customer."""
    assert not page.find_elements("[data-testid=stDataFrame], [data-testid=stMetric], input[aria-label]")
