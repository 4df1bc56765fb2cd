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
from canarylab.rollouts.causes import invalid
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


def test_where_nothing_wrong_is_found_argo_gets_the_time_to_look_again(world):
    world.add("app", SERVICES, ROUTES, ROLLOUT)
    world.has("---\n".join((SERVICES, ROUTES)))
    world.says(TCP_SAYS)
    assert _explained(world).cause.startswith("Argo refuses its spec: The Rollout")
    found = there(causes.standstill(world.ctx, "shop", "app"))
    assert found.permanent
    assert found.permanent_after > 20  # rollout/controller.go, syncHandler


class TestUnforeseen:
    """Argo refuses what it refers to for a reason that none of our own checks knows."""

    SAYS = (
        'InvalidSpec: The Rollout "app" is invalid: spec.strategy.canary.trafficRouting.istio.virtualService.name: '
        'Invalid value: "app": Unable to get HTTP routes for Istio VirtualService'
    )

    @pytest.fixture
    def stage(self, world):
        stage = world.add("app", SERVICES, ROUTES, ROLLOUT)
        world.says(self.SAYS)
        return stage

    def applied(self, world):
        """Everything of the playbook's manifests but the Rollout, as `up` applies it."""
        for stage in world.stages:
            for obj in stage._wanted(world.ctx):
                if obj["kind"] != "Rollout":
                    world.cluster.put(obj)
                else:
                    live = world.cluster.objects["argoproj.io/v1alpha1", "Rollout", "shop", "app"]
                    live["metadata"]["annotations"] = obj["metadata"]["annotations"]

    def test_it_is_given_up_once_all_is_applied(self, world, stage):
        self.applied(world)
        assert "InvalidSpec" in stage.health(world.ctx)
        found = there(stage.cause(world.ctx))
        assert (found.permanent, found.permanent_after) == (True, 25)
        assert "Unable to get HTTP routes" in found.why

    def test_what_another_stage_has_yet_to_change_is_waited_for(self, world, stage):
        world.add("routes", ROUTES.replace("name: app", "name: later"))
        self.applied(world)
        world.cluster.objects[*ISTIO, "shop", "later"]["metadata"]["annotations"] = {}
        assert not there(stage.cause(world.ctx)).permanent
        self.applied(world)
        assert there(stage.cause(world.ctx)).permanent

    def test_what_is_of_other_namespaces_changes_nothing(self, world, stage):
        world.add("routes", ROUTES.replace("name: app", "name: later, namespace: elsewhere"))
        self.applied(world)
        del world.cluster.objects[*ISTIO, "elsewhere", "later"]
        assert there(stage.cause(world.ctx)).permanent

    def test_a_chart_of_the_namespace_may_bring_it(self, world, stage):
        self.applied(world)
        world.stages.append(HelmReleaseStage("x", HelmReleaseOptions(chart="x/y", version="1", namespace="shop")))
        assert not there(stage.cause(world.ctx)).permanent

    def test_a_chart_of_another_one_not(self, world, stage):
        self.applied(world)
        world.stages.append(HelmReleaseStage("x", HelmReleaseOptions(chart="x/y", version="1", namespace="other")))
        assert there(stage.cause(world.ctx)).permanent


@pytest.mark.parametrize(
    ("message", "is_own"),
    [
        ('spec.strategy.stableService: Invalid value: "a": This rollout uses the same service', True),
        ("spec.strategy.steps[0].setWeight: Invalid value: 101", True),
        ("spec.template.spec.containers[0].name: Required value", True),
        ('spec.strategy.canary.stableService: Invalid value: "a": service "a" not found', False),
        ('spec.strategy.blueGreen.activeService: Invalid value: "a": service "a" not found', False),
        (
            "spec.strategy.canary.steps[1].analysis.templates: Invalid value: \"t\": AnalysisTemplate 't' not found",
            False,
        ),
        ("spec.templates: Invalid value: \"t\": AnalysisTemplate 't' not found", False),
        ('spec.strategy.canary.trafficRouting.nginx.stableIngress: Invalid value: "i": ingress "i" not found', False),
        (
            "spec.strategy.canary.trafficRouting.istio: Internal error: either VirtualService or VirtualServices must "
            "be configured",
            True,
        ),
        (
            "spec.strategy.canary.trafficRouting.ambassador.mappings: Invalid value: null: must provide at least one "
            "mapping",
            True,
        ),
        ('spec.routes[0]: Invalid value: "r": Error getting route details for AppMesh virtual-router r', False),
        ('spec.weight: Invalid value: "m": Ambassador mapping "m" can not define weight', False),
        ('kind: Invalid value: "X": Expected object kind to be VirtualRouter but is X', False),
        # of spec.workloadRef there is no field in the message (rollout/controller.go, createInvalidRolloutCondition)
        ('deployments.apps "app" not found', False),
        ("template must be empty for workload reference rollout", True),
        ("workload of type apps/Job is not supported", True),
    ],
)
def test_what_another_object_may_mend(message, is_own):
    assert invalid.is_of_own_spec(f'InvalidSpec: The Rollout "app" is invalid: {message}') == is_own


def test_nothing_else_is_a_refusal():
    assert not invalid.is_of_own_spec("ProgressDeadlineExceeded: spec.replicas")


def test_its_own_spec_does_not_mend_itself(world):
    world.add("app", SERVICES, ROUTES, ROLLOUT)
    world.says('InvalidSpec: The Rollout "app" is invalid: spec.strategy.steps[0].setWeight: no')
    assert there(causes.standstill(world.ctx, "shop", "app")).permanent
