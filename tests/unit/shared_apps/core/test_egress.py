from ipaddress import ip_address, ip_network

import pytest
from django.test import override_settings

from shared_apps.core import egress


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "fd12::1", "2606:4700::1111"]
)
def test_directories_of_customers_may_be_in_private_networks(address: str) -> None:
    assert egress.is_allowed(ip_address(address), [])


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
        "0.0.0.0", "::", "0.1.2.3", "169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254",
        "100.100.100.200", "168.63.129.16", "224.0.0.1", "ff02::1", "240.0.0.1", "255.255.255.255", "192.0.2.1",
    ],
)  # fmt: skip
def test_this_machine_and_metadata_services_are_refused(address: str) -> None:
    assert not egress.is_allowed(ip_address(address), [])


@pytest.mark.parametrize(
    ("address", "is_allowed"),
    [
        ("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("10.2.0.1", False), ("192.168.1.1", False),
        ("8.8.8.8", False), ("127.0.0.1", False),
    ],
)  # fmt: skip
def test_a_list_is_all_that_is_allowed(address: str, is_allowed: bool) -> None:
    networks = [ip_network("10.1.0.0/16")]

    assert egress.is_allowed(ip_address(address), networks) is is_allowed


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "169.254.169.254", "0.0.0.0"])
def test_the_whole_world_is_not_this_machine(address: str) -> None:
    world = [ip_network("0.0.0.0/0"), ip_network("::/0")]

    assert not egress.is_allowed(ip_address(address), world)


def test_loopback_is_opened_by_its_name() -> None:
    networks = [ip_network("127.0.0.0/8")]

    assert egress.is_allowed(ip_address("127.0.0.1"), networks)
    assert egress.is_allowed(ip_address("::ffff:127.0.0.1"), networks)
    assert not egress.is_allowed(ip_address("::1"), networks)


@override_settings(AUTH_EGRESS_ALLOW=[])
def test_names_are_judged_by_where_they_lead() -> None:
    with pytest.raises(egress.EgressError, match="AUTH_EGRESS_ALLOW"):
        egress.resolve(host="localhost", port=636, setting="AUTH_EGRESS_ALLOW")
    with pytest.raises(egress.EgressError, match="is not known"):
        egress.resolve(host="no-such-host.invalid", port=636, setting="AUTH_EGRESS_ALLOW")
    with pytest.raises(egress.EgressError):
        egress.resolve(host="x" * 300, port=636, setting="AUTH_EGRESS_ALLOW")
