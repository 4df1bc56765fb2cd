"""A Rollout that Argo refuses for what it refers to: what can't mend itself isn't waited for."""

from __future__ import annotations

import pytest
import yaml
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.runs import context_of
from support.there import there
from validation_world import Playbook

from canarylab.contract.step import Claim
from canarylab.errors import StageError
from canarylab.kube.apply import in_namespace
from canarylab.rollouts.causes import rollout as causes
from canarylab.stages.kinds.helm_release import HelmReleaseOptions, HelmReleaseStage

ARGO, ISTIO = ("argoproj.io/v1alpha1", "Rollout"), ("networking.istio.io/v1", "VirtualService")
ROLLOUT = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  strategy:
    canary:
      canaryService: app-canary
      stableService: app-stable
      trafficRouting:
        istio:
          virtualService: {name: app, routes: [main]}
  template: {metadata: {labels: {app: app}}}
"""
SERVICES = """\
apiVersion: v1
kind: Service
metadata: {name: app-canary}
spec: {selector: {app: app}}
---
apiVersion: v1
kind: Service
metadata: {name: app-stable}
spec: {selector: {app: app}}
"""
ROUTES = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app}
spec:
  http:
  - {name: main, route: [{destination: {host: app-stable}}, {destination: {host: app-canary}}]}
"""
TCP = """\
  tcp:
  - {match: [{port: 9000}], route: [{destination: {host: other}}]}
"""
TCP_SAYS = (
    'InvalidSpec: The Rollout "app" is invalid: spec.strategy.canary.trafficRouting.istio.virtualService.name: Invalid '
    "value: \"app\": Istio VirtualService has invalid TCP routes. Error: Canary Service 'app-canary' not found in route"
)


class World(Playbook):
    """The cluster has what the manifests say, and Argo's controller has had a look at it."""

    def __init__(self, base):
        super().__init__(base)
        self.cluster: FakeCluster = FakeCluster(kinds=[ARGO, ISTIO])

    def has(self, text: str) -> None:
        for obj in yaml.safe_load_all(text):
            self.cluster.put(in_namespace(obj, "shop"))

    def says(self, message: str, phase: str = "Degraded") -> None:
        rollout = in_namespace(yaml.safe_load(ROLLOUT), "shop")
        rollout["metadata"]["generation"] = 1
        self.cluster.put({**rollout, "status": {"phase": phase, "message": message, "observedGeneration": "1"}})

    @property
    def ctx(self):
        whole = context_of(*self.stages, provider=FakeProvider(self.cluster), base=self.base)
        return whole.for_stage("app", float("inf"))


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_what_the_playbook_itself_says_so_ends_the_wait_with_its_line(world):
    stage = world.add("app", SERVICES, ROUTES + TCP, ROLLOUT)
    world.has("---\n".join((SERVICES, ROUTES + TCP)))
    world.says(TCP_SAYS)
    with pytest.raises(StageError, match=r"Argo refuses Rollout shop/app: spec\.strategy\.canary") as raised:
        stage.health(world.ctx)
    error = raised.value
    file, line = str(error.where).rsplit(":", 1)
    assert "tcp:" in (world.base / "app" / "all.yaml").read_text().splitlines()[int(line) - 2]
    assert file.endswith("app/all.yaml")
    assert "tcp[0] of VirtualService app leads to other" in str(error.why)
    assert str(error.remedy).endswith("then `invoke up`")
    assert "deadline" not in str(error)


def test_what_another_stage_will_bring_is_waited_for(world):
    stage = world.add("app", SERVICES, ROLLOUT)
    world.add("routes", ROUTES)
    world.has("---\n".join((SERVICES, ROUTES + TCP)))
    world.says(TCP_SAYS)
    assert "is Degraded: InvalidSpec" in stage.health(world.ctx)


def test_what_a_chart_may_bring_is_waited_for(world):
    stage = world.add("app", SERVICES, ROLLOUT)
    world.has(SERVICES)
    world.says(
        'InvalidSpec: The Rollout "app" is invalid: spec.strategy.canary.trafficRouting: VirtualService not found'
    )
    chart = HelmReleaseStage("chart", HelmReleaseOptions(chart="x/y", version="1", namespace="shop"))
    world.stages.append(chart)
    assert "is Degraded: InvalidSpec" in stage.health(world.ctx)
    world.stages.remove(chart)
    with pytest.raises(StageError, match="shop/app") as raised:
        stage.health(world.ctx)
    assert "there is no VirtualService app in namespace shop" in str(raised.value.why)


def test_what_argo_would_take_without_a_word_is_not_given_as_the_reason(world):
    third = ROUTES.replace("]}\n", ", {destination: {host: legacy}, weight: 5}]}\n")
    stage = world.add("app", SERVICES, third, ROLLOUT)
    world.has("---\n".join((SERVICES, third)))
    world.says('InvalidSpec: The Rollout "app" is invalid: spec.strategy.canary.analysis: no')
    assert "is Degraded: InvalidSpec" in stage.health(world.ctx)


def _explained(world: World) -> Claim:
    claim = Claim("status", "Healthy", "Degraded", holds=False)
    return causes.explained(world.ctx, "shop", "app", [claim])[0]


def test_a_demonstration_tells_what_in_the_cluster_is_wrong(world):
    world.add("app", SERVICES, ROUTES + TCP, ROLLOUT)
    world.has("---\n".join((SERVICES, ROUTES + TCP)))
    world.says(TCP_SAYS)
    claim = _explained(world)
    assert "tcp[0] of VirtualService app leads to other" in claim.cause
    assert "a VirtualService of its own" in claim.remedy
    assert there(causes.standstill(world.ctx, "shop", "app")).permanent


def test_where_nothing_wrong_is_found_it_may_pass(world):
    world.add("app", SERVICES, ROUTES, ROLLOUT)
    world.has("---\n".join((SERVICES, ROUTES)))
    world.says(TCP_SAYS)
    assert _explained(world).cause.startswith("Argo refuses its spec: The Rollout")
    assert not there(causes.standstill(world.ctx, "shop", "app")).permanent


def test_its_own_spec_does_not_mend_itself(world):
    world.add("app", SERVICES, ROUTES, ROLLOUT)
    world.says('InvalidSpec: The Rollout "app" is invalid: spec.strategy.steps[0].setWeight: no')
    assert there(causes.standstill(world.ctx, "shop", "app")).permanent
