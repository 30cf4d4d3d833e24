"""A secret goes to the service and nowhere else: no message, log, trace, checkpoint or file has it."""

import logging
import traceback
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, quote_plus, urlsplit

import pytest

from tests.warehouse.fetching.catalog_service import (
    ApiShop,
    CatalogHandler,
    Fault,
    drop_connection,
    hang,
    make_products,
    make_status_fault,
    send_garbage,
    send_partial_body,
)
from warehouse.errors import RecomartError

SECRET = 's3cr3t/"k\\y" &+ü'
PLAIN = "s3cr3t-token/with+signs=="

AUTHS: dict[str, tuple[dict[str, str], str]] = {
    "bearer": ({"type": "bearer", "token_env": "SHOP_SECRET"}, PLAIN),
    "header": ({"type": "header", "name": "X-Key", "key_env": "SHOP_SECRET"}, PLAIN),
    "query": ({"type": "query", "name": "api_key", "key_env": "SHOP_SECRET"}, SECRET),
    "basic": ({"type": "basic", "user_env": "SHOP_USER", "password_env": "SHOP_SECRET"}, SECRET),
}


def find_auth_used(handler: CatalogHandler, secret: str) -> dict[str, bool]:
    """Which ways of signing in a request has used."""
    keys = parse_qs(urlsplit(handler.path).query).get("api_key")
    basic = "Basic " + b64encode(f"shop:{secret}".encode()).decode()
    return {
        "bearer": handler.headers.get("Authorization") == f"Bearer {secret}",
        "header": handler.headers.get("X-Key") == secret,
        "query": keys == [secret],
        "basic": handler.headers.get("Authorization") == basic,
    }


@pytest.fixture(params=AUTHS)
def auth(request: pytest.FixtureRequest) -> str:
    """A way of signing in."""
    return str(request.param)


@pytest.fixture
def secret(auth: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The secret, which the environment holds."""
    value = AUTHS[auth][1]
    monkeypatch.setenv("SHOP_SECRET", value + "\n")
    monkeypatch.setenv("SHOP_USER", "shop")
    return value


@pytest.fixture
def debug_log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Every log there is, as talkative as can be."""
    with caplog.at_level(logging.DEBUG):
        yield caplog


def list_secret_forms(secret: str) -> list[str]:
    """How a secret may look."""
    plain = [secret, quote(secret), quote(secret, safe=""), quote_plus(secret), secret.replace('"', '\\"')]
    return [*plain, b64encode(f"shop:{secret}".encode()).decode(), "s3cr3t"]


def assert_secret_absent(secret: str, folder: Path, *texts: str) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    everything = "\n".join([*texts, *(path.read_bytes().decode(errors="replace") for path in files)])
    assert [form for form in list_secret_forms(secret) if form in everything] == []


@pytest.mark.parametrize("style", ["page", "next_link", "link_header"])
def test_every_request_is_signed_and_the_secret_stays_out_of_logs_and_files(
    api: ApiShop, auth: str, secret: str, style: str, debug_log: pytest.LogCaptureFixture
) -> None:
    api.service.is_authorized = lambda handler: find_auth_used(handler, secret)[auth]
    if auth == "query":
        api.service.link_suffix = "&api_key=" + quote_plus(secret)
    api.declare(style, auth=AUTHS[auth][0])
    api.fetch()
    assert api.read_fetched() == make_products(35)
    assert "GET /" in debug_log.text
    assert_secret_absent(secret, api.shop.landing.parent, debug_log.text, repr(api.progress))


def echo_in_redirect(handler: CatalogHandler) -> None:
    """A redirect that repeats everything."""
    handler.send_json({}, status=302, headers={"Location": handler.path, "X-Seen": str(handler.headers.get("X-Key"))})


def echo_in_phrase(handler: CatalogHandler) -> None:
    """A status line that repeats the address."""
    handler.send_response(500, f"no luck with {handler.path} {handler.headers.get('Authorization')}")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def echo_in_retry_after(handler: CatalogHandler) -> None:
    """A header that repeats the address."""
    handler.send_json({}, status=429, headers={"Retry-After": handler.path})


@pytest.mark.parametrize(
    "fault",
    [
        *(
            make_status_fault(401),
            make_status_fault(403),
            make_status_fault(404),
            make_status_fault(500),
            send_garbage,
            send_partial_body,
            drop_connection,
            hang,
        ),
        *(echo_in_redirect, echo_in_phrase, echo_in_retry_after),
    ],
)
def test_no_failure_tells_the_secret(
    api: ApiShop, auth: str, secret: str, fault: Fault, debug_log: pytest.LogCaptureFixture
) -> None:
    api.declare("page", auth=AUTHS[auth][0], timeout=0.05 if fault is hang else 5)
    api.service.faults = dict.fromkeys(range(2, 99), fault)
    with pytest.raises(RecomartError) as error:
        api.fetch()
    trace = "".join(traceback.format_exception(error.value))
    assert_secret_absent(secret, api.shop.landing.parent, str(error.value), trace, debug_log.text, repr(api.progress))


@pytest.mark.parametrize("code", [401, 403])
def test_a_refusal_names_the_environment_variable(api: ApiShop, auth: str, secret: str, code: int) -> None:
    assert secret
    api.declare("page", auth=AUTHS[auth][0])
    api.service.faults[1] = make_status_fault(code)
    with pytest.raises(RecomartError, match=rf"returned {code} .*Check the value of SHOP_SECRET and `auth`"):
        api.fetch()


def test_a_record_that_repeats_the_secret_reaches_no_file(api: ApiShop, auth: str, secret: str) -> None:
    api.service.products[20]["picture"] = f"http://pictures.example/?key={quote_plus(secret)}"
    api.declare("cursor", auth=AUTHS[auth][0])
    with pytest.raises(RecomartError, match=r"a record repeats the value of .*SHOP_SECRET"):
        api.fetch()
    assert_secret_absent(secret, api.shop.landing.parent)


def test_a_link_that_holds_the_secret_elsewhere_is_not_followed(api: ApiShop, auth: str, secret: str) -> None:
    api.service.link_suffix = "&session=" + quote_plus(secret)
    api.declare("next_link", auth=AUTHS[auth][0])
    with pytest.raises(RecomartError, match=r"the link to the next page repeats the value of .*SHOP_SECRET"):
        api.fetch()
    assert_secret_absent(secret, api.shop.landing.parent)


def test_no_link_takes_the_secret_to_another_host(api: ApiShop, auth: str, secret: str) -> None:
    page: dict[str, Any] = {
        "data": {"items": make_products(3)},
        "meta": {"next": api.service.url.replace("127.0.0.1", "localhost")},
    }
    api.service.faults[1] = lambda handler: handler.send_json(page)
    api.declare("next_link", auth=AUTHS[auth][0])
    with pytest.raises(RecomartError, match="Links to another host are not followed"):
        api.fetch()
    assert len(api.service.requested_paths) == 1
    assert secret


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "the environment variable SHOP_SECRET is not set"),
        (" ", "the environment variable SHOP_SECRET is not set"),
        ("s3cr3t\nX-Evil: 1", "the environment variable SHOP_SECRET has line ends or control characters"),
        ("Bearer s3cr3t", "SHOP_SECRET begins with the word Bearer, which is added automatically"),
        ("s3cr3t-ключ", "the environment variable SHOP_SECRET has characters that an HTTP header cannot have"),
    ],
)
def test_a_secret_that_cannot_be_used_is_said_by_its_variable(
    api: ApiShop, monkeypatch: pytest.MonkeyPatch, value: str | None, message: str
) -> None:
    monkeypatch.delenv("SHOP_SECRET", raising=False)
    if value:
        monkeypatch.setenv("SHOP_SECRET", value)
    api.declare("page", auth=AUTHS["bearer"][0])
    with pytest.raises(RecomartError) as error:
        api.fetch()
    assert message in str(error.value)
    assert "s3cr3t" not in "".join(traceback.format_exception(error.value))
    assert api.service.requested_paths == []


def test_no_credentials_are_sent_that_nobody_declared(
    api: ApiShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login shop password s3cr3t\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    api.service.is_authorized = lambda handler: "Authorization" not in handler.headers
    assert api.fetch().record_count == 35
