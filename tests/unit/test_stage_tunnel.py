from __future__ import annotations

import pytest
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.runs import context_of

from canarylab.contract.provider import TunnelStatus
from canarylab.contract.stage import StageOptions
from canarylab.engine import bring_up
from canarylab.kube.watch import Watch
from canarylab.removal import Removal
from canarylab.stages.kinds.tunnel import TunnelStage

STAGE = TunnelStage("tunnel", StageOptions())


def status(*, running=True, problems=(), **addresses):
    return TunnelStatus(running, 7 if running else None, "10.0.0.0/18 -> 10.0.0.2", addresses, tuple(problems))


def test_it_is_started_once():
    provider = FakeProvider(FakeCluster())
    for state in ("changed", "unchanged"):
        assert bring_up.up(context_of(STAGE, provider=provider), [STAGE]).outcomes["tunnel"].state == state


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (status(), None),
        (status(gateway="10.0.0.9"), None),
        (status(gateway="pending", other="10.0.0.9"), "no address yet for gateway"),
        (status(a="pending", b="pending"), "no address yet for a, b"),
        (status(running=False), "the tunnel isn't running"),
        (status(problems=["the route is missing", "another"], a="pending"), "the route is missing"),
    ],
)
def test_it_is_healthy_once_every_service_has_its_address(seen, reason):
    provider = FakeProvider()
    provider.tunnel = seen
    assert STAGE.health(context_of(provider=provider)) == reason


def test_addresses_are_awaited_by_watching_services():
    assert STAGE.watches() == (Watch("v1", "Service"),)


def test_it_outlives_no_cluster_so_a_teardown_stops_it_itself():
    assert not STAGE.in_cluster


def test_it_is_stopped_where_it_runs():
    provider = FakeProvider()
    ctx = context_of(provider=provider)
    assert STAGE.remove(ctx) == []
    provider.access.tunnel_start(ctx)
    assert STAGE.remove(ctx) == [Removal("tunnel process", "removed")]
    assert not provider.tunnel.running


def test_status_shows_process_route_and_addresses():
    provider = FakeProvider()
    provider.tunnel = status(**{"istio-ingress/gateway": "10.0.0.9"})
    assert STAGE.facts(context_of(provider=provider)) == {
        "pid": 7,
        "route": "10.0.0.0/18 -> 10.0.0.2",
        "istio-ingress/gateway": "10.0.0.9",
    }
