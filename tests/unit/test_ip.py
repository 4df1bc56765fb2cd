from __future__ import annotations

import pytest
from support.fake_runner import FakeRunner

from canarylab.tools import ip

ROUTES = (
    '[{"dst":"default","gateway":"192.0.2.1"},{"dst":"10.8.0.0/24","dev":"tun0"},{"type":"local","dst":"127.0.0.1"},{}]'
)


@pytest.mark.parametrize("output", ["", "\n", "[]"])
def test_an_empty_list_may_be_printed_as_nothing(output):
    assert ip.query(FakeRunner({"ip -j route show": output}), "route", "show") == []


def test_every_destination_of_every_table_counts_but_the_default():
    runner = FakeRunner({"ip -j -4 route show table all": ROUTES})
    assert ip.routed(runner) == ["10.8.0.0/24", "127.0.0.1"]


def test_the_route_to_an_address_is_what_the_kernel_would_take():
    runner = FakeRunner({"ip -j route get 10.0.0.1": '[{"dst":"10.0.0.1","dev":"eth0"}]'})
    assert ip.route_to(runner, "10.0.0.1") == {"dst": "10.0.0.1", "dev": "eth0"}


@pytest.mark.parametrize("code", [1, 2])
def test_an_address_that_is_not_routed_has_no_route(code):
    assert ip.route_to(FakeRunner({"ip -j route get 10.0.0.1": code}), "10.0.0.1") is None


def test_the_addresses_of_a_link_are_listed():
    shown = '[{"ifname":"x","addr_info":[{"local":"10.0.0.1"},{"local":"10.0.0.2"}]},{"ifname":"y"}]'
    assert ip.addresses(FakeRunner({"ip -j -4 addr show dev x": shown}), "x") == ["10.0.0.1", "10.0.0.2"]
