from __future__ import annotations

import ipaddress
import json

import pytest
from support.fake_runner import FakeRunner
from support.fake_time import FakeTime

from canarylab.kube.client import ApiError
from canarylab.providers.embedded import tunnel
from canarylab.providers.embedded.network import Network, Ranges

pytestmark = pytest.mark.timeout(30)

PROFILE = "unit-test-nobody-has"
RANGES = Ranges.inside(ipaddress.IPv4Network("10.210.0.0/16"))
LINK = Network(PROFILE, RANGES, FakeRunner()).link
ROUTE = f"{RANGES.services} via {RANGES.node_address} dev {LINK}"


def service(name, kind="LoadBalancer", address="10.210.128.10", given=None):
    ingress = {"loadBalancer": {"ingress": [{"ip": given}]}} if given else {"loadBalancer": {}}
    spec = {"type": kind, **({"clusterIP": address} if address else {})}
    return {"metadata": {"name": name, "namespace": "ns"}, "spec": spec, "status": ingress}


class Services:
    """The API as far as the tunnel asks for it. `watches` has what each watch yields, or the error it ends with."""

    def __init__(self, cancel, *watches):
        self.cancel, self.watches = cancel, list(watches)
        self.listed: list[dict] = []
        self.patched: list[tuple[str, dict]] = []

    def events(self, _watch):
        if not self.watches:
            self.cancel.set()
            return
        for said in self.watches.pop(0):
            if isinstance(said, Exception):
                raise said
            yield said

    def list(self, *_which):
        return self.listed

    def patch(self, api_version, kind, name, body, namespace, *, subresource):
        assert (api_version, kind, namespace, subresource) == ("v1", "Service", "ns", "status")
        self.patched.append((name, body["status"]))


@pytest.fixture
def cancel():
    return FakeTime()


@pytest.fixture
def runner():
    return FakeRunner({f"ip route replace {ROUTE}": "", f"ip route delete {ROUTE}": ""})


def tunnel_to(services, runner):
    connections: list[Services] = []
    made = tunnel.Tunnel(Network(PROFILE, RANGES, runner), runner, lambda: connections.append(services) or services)
    return made, connections


def given(address):
    return {"loadBalancer": {"ingress": [{"ip": address}]}}


def test_each_load_balancer_gets_its_own_cluster_address(cancel, runner, capsys):
    added = [
        ("ADDED", service("gateway")),
        ("ADDED", service("done", given="10.210.128.10")),
        ("ADDED", service("inside", "ClusterIP")),
        ("ADDED", service("headless", address="None")),
        ("ADDED", service("new", address=None)),
        ("DELETED", service("gone")),
        ("MODIFIED", service("moved", given="10.1.1.1")),
    ]
    services = Services(cancel, added)
    tunnel_to(services, runner)[0].serve(cancel)
    assert services.patched == [("gateway", given("10.210.128.10")), ("moved", given("10.210.128.10"))]
    assert "ns/gateway: 10.210.128.10" in capsys.readouterr().out


def test_the_route_is_in_place_before_any_address_is_given(cancel, runner):
    services = Services(cancel)
    tunnel_to(services, runner)[0].serve(cancel)
    assert runner.commands == [f"ip route replace {ROUTE}"]


def test_a_watch_that_ends_is_begun_anew_over_the_same_connection(cancel, runner):
    services = Services(cancel, [], [("ADDED", service("late"))])
    made, connections = tunnel_to(services, runner)
    made.serve(cancel)
    assert [name for name, _ in services.patched] == ["late"]
    assert len(connections) == 1
    assert len(runner.commands) == 3, "the route is put back each time"


def test_what_breaks_off_is_tried_again_over_a_new_connection(cancel, runner, capsys):
    services = Services(cancel, [ApiError("the watch broke off", None, where="/api")], [("ADDED", service("late"))])
    made, connections = tunnel_to(services, runner)
    made.serve(cancel)
    assert [name for name, _ in services.patched] == ["late"]
    assert len(connections) == 2
    assert "ApiError: /api: the watch broke off" in capsys.readouterr().out


def test_a_machine_whose_link_is_gone_is_waited_for(cancel, runner):
    fails = [2, 2]
    runner.known[f"ip route replace {ROUTE}"] = lambda: fails.pop() if fails else ""
    services = Services(cancel, [("ADDED", service("gateway"))])
    tunnel_to(services, runner)[0].serve(cancel)
    assert [name for name, _ in services.patched] == ["gateway"]


def test_at_the_end_route_and_addresses_are_taken_back(cancel, runner):
    services = Services(cancel)
    services.listed = [
        service("a", given="10.210.128.10"),
        service("pending"),
        service("inside", "ClusterIP", given="1.1.1.1"),
    ]
    tunnel_to(services, runner)[0].close()
    assert services.patched == [("a", {"loadBalancer": None})]
    assert runner.commands == [f"ip route delete {ROUTE}"]


def test_the_end_of_a_tunnel_to_a_cluster_that_is_gone_is_no_error(cancel):
    def list_(*_which):
        raise ApiError("no answer", None, where="GET /api")

    services = Services(cancel)
    services.list = list_
    runner = FakeRunner({"ip route delete": 2})
    tunnel_to(services, runner)[0].close()
    assert runner.commands == [f"ip route delete {ROUTE}"]


def test_there_is_no_route_over_a_link_that_is_not_there():
    runner = FakeRunner()
    assert not tunnel.has_route(runner, Network(PROFILE, RANGES, runner))


@pytest.mark.parametrize(
    ("routes", "there"), [([{"dst": RANGES.services}], True), ([{"dst": RANGES.pods}], False), ([], False)]
)
def test_the_route_is_looked_for_on_its_own_link(monkeypatch, routes, there):
    monkeypatch.setattr(Network, "exists", lambda _self: True)
    runner = FakeRunner({f"ip -j route show dev {LINK}": json.dumps(routes)})
    assert tunnel.has_route(runner, Network(PROFILE, RANGES, runner)) is there


def test_the_supervised_command_names_folder_and_profile(tmp_path):
    words = tunnel.argv(tmp_path, PROFILE)
    assert words[1:] == ["-m", "canarylab.providers.embedded.tunnel", "--folder", str(tmp_path), "--profile", PROFILE]
