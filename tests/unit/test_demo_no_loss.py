"""A demonstration doesn't begin where Argo would delete or multiply routes by it, as the cluster's objects show."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from demo_world import step
from support.fake_cluster import FakeCluster
from support.runs import context_of

from canarylab.demo.perform import perform
from canarylab.demo.preconditions import require_countable, require_no_loss
from canarylab.demo.reset import reset
from canarylab.demo.steps.promote import Promote
from canarylab.errors import ExpectationError
from canarylab.kube.client import ApiError

KINDS = [("argoproj.io/v1alpha1", "Rollout"), ("networking.istio.io/v1", "VirtualService")]
STEPS = [step(Promote, rollout="app", namespace="shop")]
MAIN = "{name: main, route: [{destination: {host: stable}, weight: 100}, {destination: {host: canary}, weight: 0}]}"
UNNAMED = "{route: [{destination: {host: stable}}]}"


def cluster(routes: str, **routing: Any) -> FakeCluster:
    """A Rollout with such a VirtualService, and nothing to say that Argo would refuse."""
    listed = {"istio": {"virtualService": {"name": "app", "routes": ["main"]}}, **routing}
    meta = {"name": "app", "namespace": "shop", "generation": 1}
    strategy = {"canary": {"stableService": "stable", "canaryService": "canary", "trafficRouting": listed}}
    template = {"metadata": {"labels": {"app": "app"}}}
    services = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**meta, "name": name},
            "spec": {"selector": {"app": "app"}},
        }
        for name in ("stable", "canary")
    ]
    specs = ({"strategy": strategy, "template": template}, {"http": yaml.safe_load(routes)})
    objects = [
        {"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec}
        for (version, kind), spec in zip(KINDS, specs, strict=True)
    ]
    return FakeCluster(*objects, *services, kinds=KINDS)


@pytest.mark.parametrize(
    ("found", "words", "remedy"),
    [
        (
            cluster(f"[{UNNAMED}, {UNNAMED}, {MAIN}]", managedRoutes=[{"name": "testers"}]),
            "in VirtualService app http[0], http[1] have no name",
            "`name: route-1` at http[0]",
        ),
        (
            cluster(f"[{MAIN.replace(']}', ', {destination: {host: legacy}, weight: 10}]}')}]"),
            "Argo will take legacy (weight 10) out of http route main",
            "a route of its own",
        ),
    ],
)
def test_no_step_is_performed_where_routes_would_be_lost_or_multiplied(found, words, remedy):
    ctx = context_of(cluster=found)
    with pytest.raises(ExpectationError) as raised:
        perform(ctx, STEPS)
    assert words in raised.value.what
    assert remedy in str(raised.value.remedy)
    assert str(raised.value.remedy).endswith("then `invoke up`")
    assert "demo step promote" in str(raised.value.where)
    assert found.writes == []


def test_routes_that_argo_made_are_its_own():
    made = MAIN.replace("main", "testers")
    require_no_loss(context_of(cluster=cluster(f"[{made}, {MAIN}]", managedRoutes=[{"name": "testers"}])), STEPS)


def test_what_argo_refuses_it_says_itself():
    require_no_loss(context_of(cluster=cluster("[{name: other}]")), STEPS)


def test_where_nobody_may_look_nothing_is_known():
    found = cluster(f"[{UNNAMED}, {UNNAMED}, {MAIN}]", managedRoutes=[])
    found.refused["get VirtualService app"] = ApiError("forbidden", 403, where="GET")
    require_no_loss(context_of(cluster=found), STEPS)


def test_a_reset_does_not_multiply_routes_either():
    found = cluster(f"[{UNNAMED}, {UNNAMED}, {MAIN}]", managedRoutes=[])
    with pytest.raises(ExpectationError, match=r"http\[0\], http\[1\] have no name") as raised:
        reset(context_of(cluster=found), STEPS)
    assert str(raised.value.remedy).endswith("then `invoke up`, and `invoke demo --reset` again")
    assert found.writes == []


def test_what_else_would_be_lost_does_not_keep_from_a_reset():
    third = MAIN.replace("]}", ", {destination: {host: legacy}, weight: 10}]}")
    found = cluster(f"[{third}]")
    require_countable(context_of(cluster=found), found.get(*KINDS[0], "app", "shop"))
