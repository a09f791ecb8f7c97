"""The second compose file for kernels without IPVS."""

import pytest

from galera_operator.sandbox.compose import host_ports, without_ip_vs
from galera_operator.sandbox.errors import SandboxError


def test_every_service_gets_dns_round_robin_and_its_ports_get_host_mode():
    stack = {"version": "3.8", "services": {"web": {"image": "w", "ports": ["8080:80"]}, "db": {"image": "d"}, "bare": None}}

    assert without_ip_vs(stack) == {
        "version": "3.8",
        "services": {
            "web": {
                "deploy": {"endpoint_mode": "dnsrr"},
                "ports": [{"target": 80, "published": 8080, "protocol": "tcp", "mode": "host"}],
            },
            "db": {"deploy": {"endpoint_mode": "dnsrr"}},
            "bare": {"deploy": {"endpoint_mode": "dnsrr"}},
        },
    }


def test_a_stack_file_without_version_gets_an_override_without_one():
    assert "version" not in without_ip_vs({"services": {}})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (80, [{"target": 80, "protocol": "tcp", "mode": "host"}]),
        ("53:5353/udp", [{"target": 5353, "published": 53, "protocol": "udp", "mode": "host"}]),
        ("127.0.0.1:8080:80", [{"target": 80, "published": 8080, "protocol": "tcp", "mode": "host"}]),
        (
            "9000-9001:90-91",
            [
                {"target": 90, "published": 9000, "protocol": "tcp", "mode": "host"},
                {"target": 91, "published": 9001, "protocol": "tcp", "mode": "host"},
            ],
        ),
        ("${PORT:-8080}:80", [{"target": 80, "published": 8080, "protocol": "tcp", "mode": "host"}]),
        ("$OTHER:80", [{"target": 80, "published": 7777, "protocol": "tcp", "mode": "host"}]),
        (
            {"target": 80, "published": "${EMPTY:-81}", "mode": "ingress"},
            [{"target": 80, "published": 81, "mode": "host"}],
        ),
    ],
)
def test_ports_in_all_their_spellings(given, expected):
    assert host_ports(given, {"OTHER": "7777", "EMPTY": ""}) == expected


@pytest.mark.parametrize("given", ["http", "80:80:80:80", "1-3:80", "${MUST:?be set}:80"])
def test_what_is_no_port_is_refused_with_its_text(given):
    with pytest.raises(SandboxError):
        host_ports(given, {})
