"""Where a sink may lead: nowhere inside, whichever way the address is written."""

from ipaddress import ip_address, ip_network

import pytest

from shared_apps.audit.errors import SinkError
from shared_apps.audit.sinks.destinations import Destination, is_permitted

PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::1"]
INTERNAL = [
    "0.0.0.0", "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "::7f00:1", "2002:7f00:1::",
    "2002:a00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_permitted(address: str) -> None:
    assert is_permitted(ip_address(address), [])


@pytest.mark.parametrize("address", INTERNAL)
def test_internal_addresses_are_not(address: str) -> None:
    assert not is_permitted(ip_address(address), [])


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203"])
def test_unless_the_operator_permits_the_network(address: str) -> None:
    assert is_permitted(ip_address(address), [ip_network("10.1.0.0/16")])
    assert not is_permitted(ip_address(address), [ip_network("10.2.0.0/16")])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://siem.example/in?t=1", Destination("https", "siem.example", 443, "/in?t=1")),
        ("https://[2606:4700::1]:8443", Destination("https", "2606:4700::1", 8443, "/")),
        ("syslog+tls://logs.example", Destination("syslog+tls", "logs.example", 6514, "/")),
        ("syslog+tcp://logs.example:99", Destination("syslog+tcp", "logs.example", 99, "/")),
        ("syslog+udp://logs.example/", Destination("syslog+udp", "logs.example", 514, "/")),
    ],
)
def test_what_a_destination_may_be(text: str, found: Destination) -> None:
    assert Destination.parse(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "", "siem.example", "http://siem.example", "file:///etc/passwd", "gopher://x", "https://",
        "https:///in", "https://user:secret@siem.example", "https://siem.example#x",
        "https://siem.example:0", "https://siem.example:99999", "https://siem.example:x",
        "https://siem.example/a b", "https://siem.example/\r\nHost: x", "https://[::1", "https://ü.example",
        "syslog+tls://logs.example/path", "syslog+tls://logs.example?x=1", "https://x/" + "a" * 2000,
    ],
)  # fmt: skip
def test_what_it_may_not_be(text: str) -> None:
    with pytest.raises(SinkError):
        Destination.parse(text)
