"""Addresses and names of machines."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address


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


def has_matching_pattern(name: str, patterns: Iterable[str]) -> bool:
    """Return whether a host name is one of the patterns, or a subdomain of one such as `*.shop.example`.

    The pattern `*` matches all names.
    """
    return any(
        name == pattern or pattern == "*" or (pattern.startswith("*.") and name.endswith(pattern[1:]))
        for pattern in patterns
    )
