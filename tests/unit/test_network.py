from __future__ import annotations

import ipaddress
import itertools
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_runner import FakeRunner

from canarylab.errors import CanarylabError, MachineError
from canarylab.providers.embedded.network import Network, Ranges, choose, reserved, rule_set

PROFILE = "unit-test-nobody-has"
RANGES = Ranges.inside(ipaddress.IPv4Network("10.210.0.0/16"))


def parts(ranges):
    return [ipaddress.ip_network(part) for part in (ranges.link, ranges.pods, ranges.services)]


# -- ranges -----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 255), st.integers(0, 255))
def test_all_ranges_lie_apart_in_the_network_they_are_made_of(first, second):
    network = ipaddress.IPv4Network(f"{first}.{second}.0.0/16")
    ranges = Ranges.inside(network)
    assert all(part.subnet_of(network) for part in parts(ranges))
    assert not any(one.overlaps(other) for one, other in itertools.combinations(parts(ranges), 2))
    link = ipaddress.ip_network(ranges.link)
    hosts = {ipaddress.ip_address(address) for address in (ranges.host_address, ranges.node_address)}
    assert len(hosts) == 2
    assert hosts <= set(link.hosts())
    assert ipaddress.ip_network(ranges.node_pods).subnet_of(ipaddress.ip_network(ranges.pods))


def test_the_addresses_are_these():
    assert (RANGES.host_address, RANGES.node_address) == ("10.210.0.1", "10.210.0.2")
    assert (RANGES.pods, RANGES.node_pods, RANGES.services) == ("10.210.64.0/18", "10.210.64.0/24", "10.210.128.0/18")


def test_ranges_are_kept_in_a_file(tmp_path):
    file = tmp_path / "network.json"
    assert Ranges.load(file) is None
    RANGES.save(file)
    assert Ranges.load(file) == RANGES


def test_what_other_profiles_keep_is_reserved(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "without").mkdir()
    RANGES.save(tmp_path / "a" / "network.json")
    assert reserved([tmp_path / "a", tmp_path / "without"]) == [RANGES.link, RANGES.pods, RANGES.services]


# -- choosing ---------------------------------------------------------------------------------------------------------


def test_the_first_range_is_taken_where_nothing_is_routed():
    assert choose([]) == RANGES


@pytest.mark.parametrize("taken", ["10.210.3.7", "10.210.0.0/16", "10.210.255.0/24", "10.208.0.0/14"])
def test_a_range_that_is_routed_is_avoided(taken):
    assert choose([taken]).link != RANGES.link


@pytest.mark.parametrize("taken", [["0.0.0.0/0"], ["0.0.0.0/1", "128.0.0.0/1"], ["10.0.0.0/9"], ["192.168.0.0/16"]])
def test_the_default_route_whole_or_in_halves_and_routes_elsewhere_are_no_obstacle(taken):
    assert choose(taken) == RANGES


@given(
    st.lists(
        st.builds("10.{}.{}.0/{}".format, st.integers(205, 255), st.integers(0, 255), st.integers(12, 32)), max_size=12
    )
)
def test_what_is_chosen_overlaps_nothing_that_is_routed(taken):
    try:
        chosen = choose(taken)
    except MachineError:
        return
    used = [ipaddress.ip_network(network, strict=False) for network in taken]
    assert not any(part.overlaps(network) for part in parts(chosen) for network in used)


def test_a_second_profile_gets_a_range_of_its_own():
    second = choose([RANGES.link, RANGES.pods, RANGES.services])
    assert not any(one.overlaps(other) for one in parts(RANGES) for other in parts(second))


def test_where_everything_is_routed_it_is_said_what_to_look_at():
    with pytest.raises(MachineError) as caught:
        choose(["10.0.0.0/8"])
    assert "10.210.0.0/16 to 10.249.0.0/16" in str(caught.value)
    assert "ip route show" in str(caught.value)


# -- rules ------------------------------------------------------------------------------------------------------------


def test_the_rules_replace_an_older_table_in_one_transaction():
    rules = rule_set("canarylab-x", "cl-1", RANGES, internet=False)
    lines = [line for line in rules.splitlines() if "table" in line]
    assert lines == ["table inet canarylab-x", "delete table inet canarylab-x", "table inet canarylab-x {"]
    assert rules.count("{") == rules.count("}")


def test_without_internet_nothing_leaves_and_nothing_is_translated():
    rules = rule_set("t", "cl-1", RANGES, internet=False)
    assert 'iifname "cl-1" reject' in chain(rules, "forward")
    assert "postrouting" not in rules
    assert "masquerade" not in rules


def test_with_internet_the_machine_is_let_out_behind_the_hosts_address():
    rules = rule_set("t", "cl-1", RANGES, internet=True)
    assert 'iifname "cl-1" accept' in chain(rules, "forward")
    assert f'ip saddr {{ {RANGES.link}, {RANGES.pods} }} oifname != "cl-1" masquerade' in chain(rules, "postrouting")


@pytest.mark.parametrize("internet", [False, True])
def test_either_way_the_machine_cannot_reach_the_host_and_nobody_but_the_host_reaches_it(internet):
    rules = rule_set("t", "cl-1", RANGES, internet=internet)
    answers = 'iifname "cl-1" ct state established,related accept'
    assert chain(rules, "input")[1:] == [answers, 'iifname "cl-1" reject']
    assert chain(rules, "forward")[1:3] == ['oifname "cl-1" ct state established,related accept', 'oifname "cl-1" drop']


def chain(rules, name):
    found = re.search(rf"chain {name} {{\n(.*?)\n    }}", rules, re.DOTALL)
    assert found
    return [line.strip() for line in found[1].splitlines()]


# -- the network ------------------------------------------------------------------------------------------------------


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=2, max_size=40))
def test_every_profile_has_a_link_whose_name_the_kernel_takes(profile):
    assert len(Network(profile, RANGES, FakeRunner()).link) <= 15


def test_profiles_have_links_of_their_own():
    assert len({Network(f"profile-{number}", RANGES, FakeRunner()).link for number in range(100)}) == 100


@pytest.mark.parametrize(
    ("route", "by"),
    [('[{"dev":"eth0"}]', "by eth0"), (2, "by no route"), ('[{"type":"unreachable"}]', "by no route")],
)
def test_no_request_is_sent_where_the_route_leads_elsewhere(route, by):
    runner = FakeRunner({"ip -j route get 10.210.128.10": route})
    with pytest.raises(CanarylabError) as caught:
        Network(PROFILE, RANGES, runner).check_route("10.210.128.10", "invoke tunnel start --playbook mine")
    assert by in str(caught.value)
    assert "next: invoke tunnel start --playbook mine" in str(caught.value)


def test_a_link_of_our_name_without_our_namespace_is_not_trusted():
    network = Network(PROFILE, RANGES, FakeRunner())
    runner = FakeRunner({"ip -j route get 10.210.0.2": json.dumps([{"dev": network.link}])})
    with pytest.raises(CanarylabError, match="no request is sent"):
        Network(PROFILE, RANGES, runner).check_route("10.210.0.2", "invoke tunnel start")


NOTHING = {"ip -j route show type unreachable": "", "nft -j list tables": '{"nftables": [{"metainfo": {}}]}'}


def test_deleting_what_is_not_there_is_no_error_and_deletes_nothing():
    runner = FakeRunner(NOTHING)
    assert Network(PROFILE, RANGES, runner).delete() == []
    assert runner.commands == list(NOTHING)


def test_what_a_killed_run_left_is_deleted_and_reported():
    network = Network(PROFILE, RANGES, FakeRunner())
    tables = {"nftables": [{"table": {"family": "inet", "name": name}} for name in ("other", network.name)]}
    runner = FakeRunner(
        {
            "ip -j route show type unreachable": json.dumps([{"dst": RANGES.all}]),
            "nft -j list tables": json.dumps(tables),
            "ip route delete unreachable": "",
            f"nft delete table inet {network.name}": "",
        }
    )
    removals = Network(PROFILE, RANGES, runner).delete()
    assert [removal.subject for removal in removals] == [
        f"route to nowhere for {RANGES.all}",
        f"nftables table inet {network.name}",
    ]


def test_the_tables_and_routes_of_others_are_left_alone():
    tables = {
        "nftables": [
            {"table": {"family": "ip", "name": f"canarylab-{PROFILE}"}},
            {"table": {"family": "inet", "name": "x"}},
        ]
    }
    others = {"ip -j route show type unreachable": '[{"dst":"10.0.0.0/8"}]', "nft -j list tables": json.dumps(tables)}
    assert Network(PROFILE, RANGES, FakeRunner(others)).delete() == []


def test_the_rules_are_loaded_before_there_is_a_link():
    runner = FakeRunner(NOTHING | {"nft -f -": "", "ip": ""})
    Network(PROFILE, RANGES, runner).create()
    assert runner.commands.index("nft -f -") < next(i for i, line in enumerate(runner.commands) if "link add" in line)
    assert runner.given[runner.commands.index("nft -f -")]["stdin"].startswith("table inet")
    assert f"ip route replace unreachable {RANGES.all} metric 4096" in runner.commands
