"""Addresses and names of machines."""

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from warehouse.errors import RecomartError


def parse_ip_address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address that a text is, also in square brackets; None for a name."""
    try:
        return ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Return whether a name or address is always that of this machine."""
    address = parse_ip_address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def check_local_address(host: str, option: str) -> None:
    """Check that this machine can listen on a name or address.

    Raises:
        RecomartError: It is no address of this machine. The message names the option to change.
    """
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM):
            with socket.socket(family, kind, protocol) as listener:
                listener.bind(address)
    # A UnicodeError: a label of the name is empty or too long.
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RecomartError(
            f"the server does not start: {host}: {reason}. Give {option} an address of this machine, or 0.0.0.0 for "
            "all of them"
        ) from error


def has_matching_pattern(name: str, patterns: Iterable[str]) -> bool:
    """Return whether a host name is one of the patterns, or a subdomain of one such as `*.shop.example`.

    The pattern `*` matches all names.
    """
    return any(
        name == pattern or pattern == "*" or (pattern.startswith("*.") and name.endswith(pattern[1:]))
        for pattern in patterns
    )
