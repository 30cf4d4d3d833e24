"""The HTTP server of the service: uvicorn with the limits of the settings."""

import copy
import resource

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from apps.service.api_keys import read_api_keys
from apps.service.app import create_app, requires_keys
from apps.service.http_protocol import LimitedProtocol
from apps.service.problems import LOG
from warehouse.errors import RecomartError
from warehouse.hosts import check_local_address, is_loopback
from warehouse.settings import Settings


def create_server(settings: Settings, host: str = "127.0.0.1", port: int = 0) -> uvicorn.Server:
    """Return the server for a warehouse.

    Raises:
        RecomartError: The host is no address of this machine. Or requests need a key, and no key exists.
    """
    check_local_address(host, "--host")
    config = uvicorn.Config(
        create_app(settings, host),
        host=host,
        port=port,
        http=LimitedProtocol,
        ws="none",
        interface="asgi3",
        log_config=_build_log_config(),
        # The guard writes the access log, without ids.
        access_log=False,
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=settings.service_max_header_bytes,
        timeout_graceful_shutdown=settings.service_shutdown_seconds,
    )
    _check_access(settings, host)
    return uvicorn.Server(config)


def raise_file_limit() -> None:
    """Let this process open as many files and connections as the system permits; the default is often 1,024."""
    _, max_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max_files, max_files))


def _check_access(settings: Settings, host: str) -> None:
    if requires_keys(settings, host):
        if not read_api_keys(settings):
            raise RecomartError(
                f"{settings.api_keys_file}: the service needs an API key for {host}, and none exists. Add one with "
                "`recomart keys add NAME`, or serve without keys with --no-keys"
            )
    elif not is_loopback(host):
        LOG.warning(
            "NO API KEYS: everyone who reaches %s gets the recommendations and explanations of every customer. Start "
            "the service with --keys, or keep it behind a proxy that checks access",
            host,
        )


def _build_log_config() -> dict[str, object]:
    """Return uvicorn's log settings with times, and with the access log of the guard."""
    config = copy.deepcopy(LOGGING_CONFIG)
    config["formatters"]["default"]["fmt"] = "%(asctime)s %(levelprefix)s %(message)s"
    config["loggers"]["recomart.access"] = {"handlers": ["default"], "level": "INFO", "propagate": False}
    return config
