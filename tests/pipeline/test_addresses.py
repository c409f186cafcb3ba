"""Which addresses of the settings may be called."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from pipeline.addresses import Allowed, permit, target
from pipeline.errors import SettingsError, Unavailable

NAMES = {
    "hooks.example.org": ["93.184.215.14"],
    "six.example.org": ["2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
    "inside.example.org": ["10.0.0.7"],
    "mixed.example.org": ["93.184.215.14", "127.0.0.1"],
    "alerts.lan": ["192.168.1.20"],
}
NOTHING = Allowed()
LISTED = Allowed.of(["alerts.lan", "10.0.0.0/24", "fd00::/8", "127.0.0.1"])


def resolve(host: str, port: int) -> Sequence[str]:
    """A resolver that knows a few names."""
    if host not in NAMES:
        raise Unavailable(f"the name {host} can't be resolved")
    return NAMES[host]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.8.8.8", "localhost.localdomain.invalid", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "2130706433", "0x7f000001",
        "0x7f.1", "0177.0.0.1", "127.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "::ffff:10.0.0.1",
        "::ffff:169.254.169.254", "64:ff9b::a00:1", "2002:a00:1::", "fec0::1", "inside.example.org", "mixed.example.org",
    ],
)  # fmt: skip
def test_what_is_not_public_is_refused(host: str) -> None:
    """However a private, local, shared, reserved or metadata address is written, and whatever name leads to it."""
    with pytest.raises((SettingsError, Unavailable)):
        permit(host, 443, tls=True, allowed=NOTHING, resolve=resolve)


@pytest.mark.parametrize("host", ["hooks.example.org", "six.example.org", "93.184.215.14", "2606:4700::1111", "::ffff:93.184.215.14"])
def test_the_public_internet_may_be_called(host: str) -> None:
    """By name or address, with TLS; the answer is the address to connect to."""
    found = permit(host, 443, tls=True, allowed=NOTHING, resolve=resolve)
    assert ip_address(found) in {ip_address(one) for one in NAMES.get(host, [host])}


def test_without_tls_nothing_is_called_that_is_not_listed() -> None:
    """http is refused also on the public internet, and the error says what to do."""
    with pytest.raises(SettingsError, match=r"outgoing\.allowed"):
        permit("hooks.example.org", 80, tls=False, allowed=NOTHING, resolve=resolve)


@pytest.mark.parametrize(("host", "address"), [("alerts.lan", "192.168.1.20"), ("10.0.0.200", "10.0.0.200"), ("fd00::5", "fd00::5")])
def test_what_is_listed_may_be_called(host: str, address: str) -> None:
    """A name, an address and a network, also without TLS."""
    assert address == permit(host, 80, tls=False, allowed=LISTED, resolve=resolve)


def test_a_name_that_leads_into_a_listed_network_needs_tls() -> None:
    """The network is trusted, the name is not: it may be called with TLS only."""
    assert "10.0.0.7" == permit("inside.example.org", 443, tls=True, allowed=LISTED, resolve=resolve)
    with pytest.raises(SettingsError):
        permit("inside.example.org", 80, tls=False, allowed=LISTED, resolve=resolve)


def test_a_list_does_not_open_more_than_it_says() -> None:
    """The neighbour of a listed network and another name stay refused."""
    for host in ("10.0.1.1", "127.0.0.2", "mixed.example.org"):
        with pytest.raises(SettingsError):
            permit(host, 443, tls=True, allowed=Allowed.of(["alerts.lan", "10.0.0.0/24"]), resolve=resolve)


@pytest.mark.parametrize(
    "url", ["ftp://hooks.example.org/x", "https://", "https://user:canary@hooks.example.org/", "file:///etc/passwd", "https://[::1", "https://h:99999/"]
)  # fmt: skip
def test_a_url_that_is_no_webhook(url: str) -> None:
    """Another scheme, no host, a password in it, or nonsense: refused without repeating what may be a secret."""
    with pytest.raises(SettingsError) as caught:
        target(url, NOTHING, resolve)
    assert "canary" not in str(caught.value)


def test_the_target_keeps_name_port_and_query() -> None:
    """The address to connect to beside the name for the certificate; the port of the scheme where none is given."""
    found = target("https://hooks.example.org/a/b?c=d", NOTHING, resolve)
    assert ("https", "hooks.example.org", 443, "93.184.215.14", "/a/b?c=d") == (
        found.scheme,
        found.host,
        found.port,
        found.address,
        found.path,
    )
    assert (8443, "/") == (
        target("https://hooks.example.org:8443", NOTHING, resolve).port,
        target("https://six.example.org", NOTHING, resolve).path,
    )


def test_a_list_with_a_wrong_network() -> None:
    """A network with host bits is a mistake, not a name."""
    with pytest.raises(ValueError, match=r"10\.1\.0\.5/16"):
        Allowed.of(["10.1.0.5/16"])
