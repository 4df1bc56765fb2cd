"""Ping-pong Services: which of the two is stable changes with every update; all else is as with any canary."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from support.fake_cluster import FakeCluster
from support.runs import context_of

from canarylab.errors import StageError
from canarylab.rollouts.routes.route_objects import leftover, weights
from canarylab.stages.kinds.manifests import ManifestsOptions, ManifestsStage

KIND = ("networking.istio.io/v1", "VirtualService")
ROLLOUT = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: ping-pong}
spec:
  replicas: 1
  selector: {matchLabels: {app: ping-pong}}
  strategy:
    canary:
      pingPong: {pingService: ping-pong-ping, pongService: ping-pong-pong}
      trafficRouting:
        istio:
          virtualService: {name: ping-pong, routes: [main]}
      steps:
      - {setWeight: 20}
      - {pause: {}}
  template: {metadata: {labels: {app: ping-pong}}}
"""
SERVICE = "---\n{apiVersion: v1, kind: Service, metadata: {name: NAME}, spec: {selector: {app: ping-pong}}}\n"
SERVICES = SERVICE.replace("NAME", "ping-pong-ping") + SERVICE.replace("NAME", "ping-pong-pong")
ROUTES = """\
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ping-pong}
spec:
  http:
  - name: main
    route:
    - {destination: {host: ping-pong-ping}, weight: 100}
    - {destination: {host: ping-pong-pong}, weight: 0}
"""


def rollout(stable: str):
    found = yaml.safe_load(ROLLOUT)
    found["metadata"]["namespace"] = "shop"
    found["status"] = {"canary": {"stablePingPong": stable}}
    return found


def virtual_service(ping: int, pong: int):
    found = yaml.safe_load(ROUTES.removeprefix("---\n"))
    found["metadata"]["namespace"] = "shop"
    for destination, weight in zip(found["spec"]["http"][0]["route"], (ping, pong), strict=True):
        destination["weight"] = weight
    return found


@pytest.mark.parametrize(("stable", "canary"), [("ping", 20), ("pong", 80)])
def test_the_canarys_weight_is_that_of_the_service_that_is_not_stable(stable, canary):
    [found] = weights(rollout(stable), [virtual_service(80, 20)])
    assert found.canary == canary


@pytest.mark.parametrize(("stable", "shares"), [("ping", (80, 20)), ("pong", (20, 80))])
def test_a_weight_that_an_update_has_left_is_seen_by_a_reset(stable, shares):
    cluster = FakeCluster(virtual_service(*shares), kinds=[KIND])
    [claim] = leftover(cluster, rollout(stable))
    assert (claim.holds, claim.seen) == (False, "VirtualService ping-pong gives the canary 20")


@pytest.mark.parametrize(("stable", "shares"), [("ping", (100, 0)), ("pong", (0, 100))])
def test_at_rest_nothing_is_left(stable, shares):
    [claim] = leftover(FakeCluster(virtual_service(*shares), kinds=[KIND]), rollout(stable))
    assert claim.holds


def said(base: Path, text: str) -> tuple[str, str] | None:
    (base / "all.yaml").write_text(text)
    stage = ManifestsStage("app", ManifestsOptions(path="all.yaml", namespace="shop"))
    try:
        stage.preflight(context_of(stage, base=base))
    except StageError as error:
        return error.what, text.splitlines()[int(str(error.where).rsplit(":", 1)[1]) - 1].strip()
    return None


def test_the_case_itself_is_let_through(tmp_path):
    assert said(tmp_path, ROLLOUT + SERVICES + ROUTES) is None


MISSING = [
    (SERVICES + ROUTES.replace("name: main", "name: other"), "no http route named 'main'", "virtualService: {"),
    (
        SERVICES + ROUTES.replace("ping-pong-pong}", "other}"),
        "no destination with Service ping-pong-pong",
        "virtualService: {",
    ),
    (SERVICES, "there is no VirtualService ping-pong", "virtualService: {"),
    (SERVICES.replace("ping-pong-pong", "other") + ROUTES, "there is no Service ping-pong-pong", "pingPong: {"),
]


@pytest.mark.parametrize(("rest", "what", "line"), MISSING, ids=[what for _, what, _ in MISSING])
def test_what_is_missing_is_told_with_the_line_that_names_it(tmp_path, rest, what, line):
    found = said(tmp_path, ROLLOUT + rest)
    assert found is not None
    assert what in found[0]
    assert found[1].startswith(line)
