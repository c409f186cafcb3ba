"""Which addresses of the settings may be called: https on the public internet, and else only what `outgoing.allowed` lists.

A name is resolved once and the call goes to that address, so a name that changes its mind between check and call (DNS rebinding)
gains nothing. What a name resolves to is checked like a literal.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.errors import SettingsError, Unavailable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]

PORTS = {"https": 443, "http": 80}
# Reserved for translation: the IPv4 address in their last 32 bits (RFC 6052) or behind their prefix (RFC 3056) is the one that is called.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect: the checked address, and the name that the certificate must have."""

    scheme: str
    host: str
    port: int
    address: str
    path: str  # with the query


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be called although it is private or without TLS: names as they are written, and networks."""

    names: frozenset[str] = frozenset()
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()

    @classmethod
    def of(cls, entries: Sequence[str]) -> Allowed:
        """From names, addresses and networks (10.1.0.0/16). ValueError for a network with host bits set."""
        names, networks = set(), []
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry))
            except ValueError:
                if "/" in entry or not entry.strip():
                    raise ValueError(f"{entry!r} is no name, address or network such as 10.1.0.0/16") from None
                names.add(entry.lower().rstrip("."))
        return cls(frozenset(names), tuple(networks))

    def host(self, host: str) -> bool:
        """Whether a host is listed, by name or as an address in a listed network."""
        address = literal(host)
        return host.lower().rstrip(".") in self.names or (address is not None and self.address(address))

    def address(self, address: Address) -> bool:
        """Whether an address is in a listed network."""
        return any(address in network for network in self.networks if network.version == address.version)


def literal(host: str) -> Address | None:
    """The address that a host is by itself; None for a name. 0x7f.1, 2130706433 and 0177.1 are addresses to the system's resolver too."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host)) if host[:1].isdigit() and " " not in host else None
    except OSError:
        return None


def public(address: Address) -> bool:
    """Whether an address is on the public internet: not private, loopback, link-local, shared, multicast, reserved or unspecified."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def permit(host: str, port: int, *, tls: bool, allowed: Allowed, resolve: Resolve | None = None) -> str:
    """The address to call for a host. SettingsError for one that may not be called; Unavailable if its name can't be resolved."""
    listed = allowed.host(host)
    if not tls and not listed:
        raise SettingsError(f"{host} would be called without TLS; use https, or list it in outgoing.allowed")
    address = literal(host)
    found = [address] if address is not None else [ipaddress.ip_address(one.partition("%")[0]) for one in (resolve or _resolve)(host, port)]
    for one in found:  # one private address among public ones is refused too: nobody's name needs both
        if not (listed or public(one) or allowed.address(one)):
            raise SettingsError(f"{host} is a private or reserved address ({one}); list it in outgoing.allowed if it may be called")
    return str(found[0])


def target(url: str, allowed: Allowed, resolve: Resolve | None = None) -> Target:
    """The checked target of a URL. SettingsError for what may not be called; Unavailable if its name can't be resolved."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise SettingsError(f"a receiver's url can't be read: {error}") from None
    if parts.scheme not in PORTS or not host:
        raise SettingsError("a signed webhook's url is https://HOST/PATH")
    if parts.username is not None or parts.password is not None:
        raise SettingsError("a signed webhook's url holds no user and password; the signature says who calls")
    port = PORTS[parts.scheme] if port is None else port
    address = permit(host, port, tls=parts.scheme == "https", allowed=allowed, resolve=resolve)
    return Target(parts.scheme, host, port, address, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def _resolve(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unavailable(f"the name {host} can't be resolved") from None
    return list(dict.fromkeys(str(where[0]) for *_, where in found))
