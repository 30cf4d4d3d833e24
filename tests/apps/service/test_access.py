"""Access to the service: API keys, trusted hosts, security headers, metrics and the access log."""

import logging
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from apps.service.api_keys import ApiKeyReader, KeyScope, add_api_key, read_api_keys, revoke_api_key
from apps.service.app import requires_keys
from apps.service.http_server import create_server
from tests.apps.service.conftest import ServiceClient, run_service, wait_until
from tests.recomart_cli import RecomartCli
from warehouse.errors import RecomartError
from warehouse.publishing.publisher import publish
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

pytestmark = pytest.mark.usefixtures("restore_torch_threads")

CUSTOMER_PATH = "/customers/u00054/recommendations"
PATHS = (CUSTOMER_PATH, "/products/p00001/similar", "/model", "/metrics", "/openapi.json", "/no/such/path")


@pytest.fixture(scope="module")
def keyed_shop(demo_warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A copy of the demo shop whose service requires keys."""
    folder = tmp_path_factory.mktemp("keyed_shop")
    (folder / "serving").symlink_to(demo_warehouse.serving_dir)
    (folder / "models").symlink_to(demo_warehouse.models_dir)
    return Settings(warehouse=folder, service_require_keys=True)


@pytest.fixture(scope="module")
def keyed_service(keyed_shop: Settings) -> Iterator[ServiceClient]:
    """The service that requires keys; one key exists."""
    add_api_key(keyed_shop, "first", [KeyScope.RECOMMENDATIONS])
    with run_service(keyed_shop) as running:
        yield running


def get(service: ServiceClient, path: str, **headers: str) -> requests.Response:
    return requests.get(f"http://{service.address[0]}:{service.address[1]}{path}", headers=headers, timeout=30)


def get_with_key(service: ServiceClient, path: str, key: str) -> requests.Response:
    return get(service, path, Authorization=f"Bearer {key}")


def test_requests_without_key_get_401(keyed_service: ServiceClient) -> None:
    for path in PATHS:
        for headers in (
            {},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "Bearer " + "\xff" * 50},
            {"Authorization": "Basic Zmlyc3Q6Zmlyc3Q="},
        ):
            response = get(keyed_service, path, **headers)
            assert response.status_code == 401, (path, headers)
            assert response.headers["content-type"] == "application/problem+json"
            assert response.headers["www-authenticate"] == "Bearer"
    assert get(keyed_service, "/health").status_code == 200
    large = b"x" * 2_000_000
    assert keyed_service.post_bytes("/recommendations", large).status_code == 401, "the body is not read"


def test_scopes_decide_on_paths(keyed_service: ServiceClient, keyed_shop: Settings) -> None:
    list_key = add_api_key(keyed_shop, "shop", [KeyScope.RECOMMENDATIONS])
    metrics_key = add_api_key(keyed_shop, "prometheus", [KeyScope.METRICS])
    both_key = add_api_key(keyed_shop, "both", [KeyScope.METRICS, KeyScope.RECOMMENDATIONS])
    for path, key, status in (
        (CUSTOMER_PATH, list_key, 200),
        ("/openapi.json", list_key, 200),
        ("/metrics", list_key, 403),
        ("/metrics", metrics_key, 200),
        (CUSTOMER_PATH, metrics_key, 403),
        ("/no/such/path", metrics_key, 403),
        (CUSTOMER_PATH, both_key, 200),
        ("/metrics", both_key, 200),
        (CUSTOMER_PATH, both_key[:-1], 401),
    ):
        response = get_with_key(keyed_service, path, key)
        assert response.status_code == status, (path, key)
    assert "does not have the scope `metrics`" in get_with_key(keyed_service, "/metrics", list_key).json()["detail"]


def test_rotated_key_needs_no_restart(keyed_service: ServiceClient, keyed_shop: Settings) -> None:
    old = add_api_key(keyed_shop, "old", [KeyScope.RECOMMENDATIONS])
    new = add_api_key(keyed_shop, "new", [KeyScope.RECOMMENDATIONS])
    assert {get_with_key(keyed_service, CUSTOMER_PATH, key).status_code for key in (old, new)} == {200}
    revoke_api_key(keyed_shop, "old")
    assert get_with_key(keyed_service, CUSTOMER_PATH, old).status_code == 401
    assert get_with_key(keyed_service, CUSTOMER_PATH, new).status_code == 200


def test_expired_key_is_refused(keyed_shop: Settings) -> None:
    valid = add_api_key(keyed_shop, "valid", [KeyScope.METRICS], valid_days=1)
    expired = add_api_key(keyed_shop, "expired", [KeyScope.METRICS], valid_days=0)
    reader = ApiKeyReader(keyed_shop)
    entry = reader.find(valid)
    assert entry is not None
    assert entry.name == "valid"
    assert entry.expires_at is not None
    assert timedelta(hours=23) < entry.expires_at - datetime.now(UTC) < timedelta(days=1)
    assert reader.find(expired) is None


def test_damaged_key_file_refuses_all(keyed_service: ServiceClient, keyed_shop: Settings) -> None:
    key = add_api_key(keyed_shop, "later", [KeyScope.RECOMMENDATIONS])
    content = keyed_shop.api_keys_file.read_bytes()
    without_zone = re.sub(rb'("created_at": "[^Z"]*)Z', rb"\1", content)
    wrong_hash = content.replace(b'"sha256": "', '"sha256": "ü'.encode())
    assert content not in (without_zone, wrong_hash)
    for damaged in (b"{", without_zone, wrong_hash):
        keyed_shop.api_keys_file.write_bytes(damaged)
        response = get_with_key(keyed_service, CUSTOMER_PATH, key)
        assert (response.status_code, "API keys cannot be read" in response.json()["detail"]) == (503, True)
        assert str(keyed_shop.warehouse) not in response.text
    keyed_shop.api_keys_file.unlink()
    assert get_with_key(keyed_service, CUSTOMER_PATH, key).status_code == 401
    keyed_shop.api_keys_file.write_bytes(content)
    assert get_with_key(keyed_service, CUSTOMER_PATH, key).status_code == 200


def test_pipe_as_key_file_refuses_all(keyed_service: ServiceClient, keyed_shop: Settings) -> None:
    """The opening of a pipe would stop the thread that reads all requests."""
    content = keyed_shop.api_keys_file.read_bytes()
    keyed_shop.api_keys_file.unlink()
    os.mkfifo(keyed_shop.api_keys_file)
    try:
        assert get_with_key(keyed_service, CUSTOMER_PATH, "recomart_x").status_code == 503
        assert get(keyed_service, "/health").status_code == 200
    finally:
        # A reader that waits would never end.
        os.close(os.open(keyed_shop.api_keys_file, os.O_RDWR))
        keyed_shop.api_keys_file.unlink()
        keyed_shop.api_keys_file.write_bytes(content)


def test_key_file_holds_hashes_only(tmp_path: Path) -> None:
    settings = Settings(warehouse=tmp_path)
    keys = [add_api_key(settings, f"key-{number}", [KeyScope.RECOMMENDATIONS]) for number in range(3)]
    assert len({*keys}) == 3
    assert all(len(key) >= 43 for key in keys)
    content = settings.api_keys_file.read_text()
    assert not any(key in content or key.removeprefix("recomart_") in content for key in keys)
    assert stat.S_IMODE(settings.api_keys_file.stat().st_mode) == 0o600
    with pytest.raises(RecomartError, match="key 'key-1' exists"):
        add_api_key(settings, "key-1", [KeyScope.METRICS])
    for name in ("", "a b", "a\n", "x" * 65, "=cmd"):
        with pytest.raises(RecomartError, match="no name of a key"):
            add_api_key(settings, name, [KeyScope.METRICS])
    assert [key.name for key in read_api_keys(settings)] == ["key-0", "key-1", "key-2"]


@pytest.mark.parametrize(
    ("host", "setting", "expected"),
    [
        ("127.0.0.1", None, False),
        ("127.0.0.2", None, False),
        ("::1", None, False),
        ("localhost", None, False),
        ("0.0.0.0", None, True),
        ("::", None, True),
        ("10.0.0.7", None, True),
        ("shop.example", None, True),
        ("", None, True),
        ("0.0.0.0", False, False),
        ("127.0.0.1", True, True),
    ],
)
def test_keys_are_required_beyond_loopback(host: str, setting: bool | None, expected: bool) -> None:
    assert requires_keys(Settings(service_require_keys=setting), host) is expected


def test_server_beyond_loopback_needs_key_or_flag(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settings = Settings(warehouse=tmp_path)
    with pytest.raises(RecomartError, match="Add one with `recomart keys add NAME`, or serve without keys"):
        create_server(settings, "0.0.0.0")
    create_server(settings.model_copy(update={"service_require_keys": False}), "0.0.0.0")
    assert "NO API KEYS: everyone who reaches 0.0.0.0" in capfd.readouterr().err
    add_api_key(settings, "shop", [KeyScope.RECOMMENDATIONS])
    create_server(settings, "0.0.0.0")
    assert "NO API KEYS" not in capfd.readouterr().err


@pytest.mark.parametrize("command", ["serve", "app"])
@pytest.mark.parametrize("host", ["999.1.1.1", "192.0.2.1", "a..b"])
def test_address_is_checked_before_access(cli: RecomartCli, tmp_path: Path, command: str, host: str) -> None:
    """192.0.2.1 is reserved for documentation, so no machine has it."""
    result = cli(command, "--host", host, "--warehouse", tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith(f"recomart: the server does not start: {host}: ")
    assert "Give --host" in result.stderr
    assert result.stderr.count("\n") == 1


def test_key_commands(cli: RecomartCli, tmp_path: Path) -> None:
    options = ("--warehouse", tmp_path)
    key = cli("keys", "add", "shop", *options).stdout.strip()
    entry = ApiKeyReader(Settings(warehouse=tmp_path)).find(key)
    assert entry is not None
    assert entry.scopes == [KeyScope.RECOMMENDATIONS]
    other = cli.run_json("keys", "add", "ops", "--scope", "metrics", "--valid-days", 30, *options)
    assert other["key"] != key
    listed = cli.run_json("keys", "list", *options)["keys"]
    assert [(row["name"], row["scopes"], row["is_expired"]) for row in listed] == [
        ("shop", ["recommendations"], False),
        ("ops", ["metrics"], False),
    ]
    assert cli("keys", "revoke", "shop", *options).returncode == 0
    assert ApiKeyReader(Settings(warehouse=tmp_path)).find(key) is None
    failed = cli("keys", "revoke", "shop", *options)
    assert (failed.returncode, "no key 'shop'" in failed.stderr) == (1, True)


@pytest.mark.parametrize(
    ("host", "is_trusted"),
    [
        ("localhost", True),
        ("LOCALHOST:8000", True),
        ("127.0.0.1:1", True),
        ("[::1]:8000", True),
        ("192.168.7.7", True),
        ("shop.internal:443", True),
        ("recs.example", True),
        ("a.b.recs.example:8000", True),
        ("evilrecs.example", False),
        ("shop.internal.recs.example.evil.example", False),
        ("a.shop.internal", False),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("localhost@evil.example", False),
        ("evil.example#localhost", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_only_trusted_hosts_are_served(hosted_service: ServiceClient, host: str, is_trusted: bool) -> None:
    for path in ("/health", CUSTOMER_PATH):
        response = get(hosted_service, path, Host=host)
        assert response.status_code == (200 if is_trusted else 421), host


@pytest.fixture(scope="module")
def hosted_service(demo_warehouse: Settings) -> Iterator[ServiceClient]:
    """The service with more trusted host names."""
    names = {"service_trusted_hosts": ("shop.internal", "recs.example", "*.recs.example")}
    with run_service(demo_warehouse.model_copy(update=names)) as running:
        yield running


def test_all_responses_have_security_headers(service: ServiceClient) -> None:
    responses = [
        *(service.get(path) for path in ("/health", *PATHS, f"{CUSTOMER_PATH}?n=0")),
        service.delete("/health"),
        service.head("/health"),
        service.post_bytes("/recommendations", b"{"),
        service.post_bytes("/recommendations", b"x" * 2_000_000),
        get(service, "/health", Host="evil.example"),
        get(service, "/health", **{"Content-Length": "x"}),
    ]
    assert {response.status_code for response in responses} == {200, 400, 404, 405, 413, 421, 422}
    for response in responses:
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["cache-control"] == "no-store"
        assert "server" not in response.headers


def test_unexpected_error_has_security_headers(writable_shop: Settings, demo_warehouse: Settings) -> None:
    """A table that lacks a column is an error that nothing foresees."""
    with ServingCopy(demo_warehouse) as copy:
        tables = list(copy.published.rows)
    publish(writable_shop, tables)
    with run_service(writable_shop) as service:
        # The model is loaded; its ids are replaced by something that no query expects.
        service_app = service.server.config.loaded_app  # type: ignore[union-attr]
        service_app.state.follower.queries.__dict__["_popularity_ranks"] = None
        response = service.get("/customers/unknown/recommendations")
        assert response.status_code == 500
        assert response.json()["detail"] == "internal error. See the log of the service"
        assert response.headers["x-content-type-options"] == "nosniff"


def read_metrics(service: ServiceClient) -> dict[str, float]:
    """Return the samples by name and labels."""
    response = service.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_metrics_count_routes_and_statuses(demo_warehouse: Settings) -> None:
    with run_service(demo_warehouse) as service:
        for user in ("u00054", "u00055", "no%20body"):
            service.get(f"/customers/{user}/recommendations")
        service.get(CUSTOMER_PATH, n=0)
        for path in ("/wp-admin", "/.env"):
            service.get(path)
        get(service, "/health", **{"Content-Length": "x"})
        samples = read_metrics(service)
    template = "/customers/{user_id}/recommendations"
    assert samples[f"recomart_requests_total {template} 200"] == 3
    assert samples[f"recomart_requests_total {template} 422"] == 1
    assert samples["recomart_requests_total unknown 404"] == 2
    assert samples["recomart_requests_total unknown 400"] == 1
    assert samples[f"recomart_request_seconds_count {template}"] == 4
    assert samples["recomart_requests_in_flight"] == 1
    assert samples["recomart_degraded"] == 0
    with ServingCopy(demo_warehouse) as copy:
        age = (datetime.now(UTC) - copy.published.published_at).total_seconds()
    assert age - 60 < samples["recomart_published_age_seconds"] <= age
    assert not any("u00054" in name for name in samples)


@contextmanager
def record_access_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    logger = logging.getLogger("recomart.access")
    logger.addHandler(caplog.handler)
    try:
        yield
    finally:
        logger.removeHandler(caplog.handler)


@pytest.mark.parametrize("with_ids", [False, True])
def test_access_log_has_ids_only_on_request(
    demo_warehouse: Settings, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], with_ids: bool
) -> None:
    settings = demo_warehouse.model_copy(update={"service_log_ids": with_ids})
    with run_service(settings) as service, record_access_log(caplog):
        service.get("/customers/u00054/recommendations", n=3)
        service.get("/products/p00001/similar")
        service.get("/secret-of-u00054?user=u00054")
        # The line follows the response.
        wait_until(lambda: any(" 404 " in record.getMessage() for record in caplog.records))
    lines = {record.getMessage() for record in caplog.records if record.name == "recomart.access"}
    paths = {line.split()[1] for line in lines}
    if with_ids:
        assert "/customers/u00054/recommendations?n=3" in paths
    else:
        assert paths == {"/customers/{user_id}/recommendations", "/products/{product_id}/similar", "unknown"}
        output = capfd.readouterr()
        assert "GET /customers/{user_id}/recommendations 200" in output.err
        assert "u00054" not in output.err + output.out
    assert all(line.endswith(" ms") for line in lines)
