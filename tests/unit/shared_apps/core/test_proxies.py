import pytest
from django.test import override_settings

from config.env import Environment
from shared_apps.core.proxies import client_address

OURS = Environment(source={"N": "10.0.0.0/8, 2001:db8:1::/48"}).networks("N")

CASES = [
    # The peer, what it sends, whom the request comes from.
    ("192.0.2.7", None, "192.0.2.7"),
    ("192.0.2.7", "203.0.113.1", "192.0.2.7"),
    ("10.0.0.1", None, "10.0.0.1"),
    ("10.0.0.1", "", "10.0.0.1"),
    ("10.0.0.1", "203.0.113.1", "203.0.113.1"),
    ("10.0.0.1", " 203.0.113.1 ", "203.0.113.1"),
    # What the client sent itself stands on the left, and nobody reads it.
    ("10.0.0.1", "198.51.100.9, 203.0.113.1", "203.0.113.1"),
    ("10.0.0.1", "10.0.0.9, 203.0.113.1", "203.0.113.1"),
    ("10.0.0.1", "198.51.100.9, 203.0.113.1, 10.0.0.2", "203.0.113.1"),
    # All of them ours: a client inside.
    ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
    # A proxy that tells nothing of use is the last that is known.
    ("10.0.0.1", "unknown", "10.0.0.1"),
    ("10.0.0.1", "203.0.113.1, unknown", "10.0.0.1"),
    ("10.0.0.1", "203.0.113.1,, 10.0.0.2", "10.0.0.2"),
    ("10.0.0.1", "203.0.113.1, _hidden, 10.0.0.2", "10.0.0.2"),
    ("10.0.0.1", "' OR 1=1 --", "10.0.0.1"),
    ("10.0.0.1", "\x00\r\n", "10.0.0.1"),
    ("10.0.0.1", "2130706433", "10.0.0.1"),
    ("10.0.0.1", "0x7f.1", "10.0.0.1"),
    ("10.0.0.1", "010.0.0.1", "10.0.0.1"),
    # With ports, as some proxies add them.
    ("10.0.0.1", "203.0.113.1:4711", "203.0.113.1"),
    ("10.0.0.1", "[2001:db8:2::1]:4711", "2001:db8:2::1"),
    ("10.0.0.1", "[2001:db8:2::1]", "2001:db8:2::1"),
    # One address in several writings.
    ("::ffff:10.0.0.1", "::ffff:203.0.113.1", "203.0.113.1"),
    ("2001:DB8:1::1", "2001:0DB8:0002::0001", "2001:db8:2::1"),
    ("10.0.0.1", "fe80::1%eth0", "fe80::1"),
    # Hundreds of hops that all say they are ours.
    ("10.0.0.1", ", ".join(["203.0.113.1"] + ["10.0.0.2"] * 400), "10.0.0.2"),
    ("10.0.0.1", "," * 100_000, "10.0.0.1"),
    # A socket file, or nobody that can be named.
    ("", "203.0.113.1", None),
    (None, "203.0.113.1", None),
    ("unix:", "203.0.113.1", None),
]  # fmt: skip


@pytest.mark.parametrize(("peer", "forwarded_for", "address"), CASES)
@override_settings(TRUSTED_PROXIES=OURS)
def test_only_our_own_proxies_are_believed(
    peer: str | None, forwarded_for: str | None, address: str | None
) -> None:
    assert client_address(peer=peer, forwarded_for=forwarded_for) == address


@pytest.mark.parametrize("forwarded_for", ["203.0.113.1", "10.0.0.1", "127.0.0.1", "::1"])
def test_without_proxies_the_header_says_nothing(forwarded_for: str) -> None:
    assert client_address(peer="127.0.0.1", forwarded_for=forwarded_for) == "127.0.0.1"
