"""What Argo and autoscalers write into a playbook's objects is left alone, whatever ignore-differences says."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.runs import Heard, context_of

from canarylab.engine import bring_up
from canarylab.errors import StageError
from canarylab.events import Notice
from canarylab.kube.client import ApiError
from canarylab.rollouts.managed import Managed
from canarylab.stages.kinds.manifests import ManifestsOptions, ManifestsStage

HASH = "rollouts-pod-template-hash"
KINDS = [
    ("argoproj.io/v1alpha1", "Rollout"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("autoscaling/v1", "HorizontalPodAutoscaler"),
    ("keda.sh/v1alpha1", "ScaledObject"),
    ("apps/v1", "Deployment"),
]
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: from-deployment}
spec:
  replicas: 2
  selector: {matchLabels: {app: from-deployment}}
  template: {metadata: {labels: {app: from-deployment}}}
"""
FROM_DEPLOYMENT = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: from-deployment}
spec:
  replicas: 2
  strategy: {canary: {}}
  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: from-deployment, scaleDown: onsuccess}
"""
AUTOSCALED = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: autoscaled}
spec:
  replicas: 1
  selector: {matchLabels: {app: autoscaled}}
  strategy: {canary: {}}
  template: {metadata: {labels: {app: autoscaled}}}
"""
TARGET = "scaleTargetRef: {apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: autoscaled}"
SCALERS = {
    f"{kind} {version}": f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: auto}}\nspec:\n  {TARGET}\n"
    for version, kind in (
        ("autoscaling/v1", "HorizontalPodAutoscaler"),
        ("autoscaling/v2", "HorizontalPodAutoscaler"),
        ("keda.sh/v1alpha1", "ScaledObject"),
    )
}


def loaded(text: str, namespace: str = "shop") -> dict[str, Any]:
    obj = yaml.safe_load(text)
    obj["metadata"]["namespace"] = namespace
    return obj


class World:
    """A stage with these objects, in a cluster without controllers."""

    def __init__(self, base, *texts: str) -> None:
        (base / "m").mkdir()
        (base / "m" / "all.yaml").write_text("---\n".join(texts))
        self.base, self.cluster, self.heard = base, FakeCluster(kinds=KINDS), Heard()
        self.stage = ManifestsStage("app", ManifestsOptions(path="m", namespace="shop"))
        self.stage.health = lambda _: None  # type: ignore[method-assign]

    def up(self) -> str:
        return bring_up.up(self._ctx(), [self.stage]).outcomes["app"].state

    def told(self) -> list[str]:
        self.stage.preflight(self._ctx())
        return [notice.message for notice in self.heard.of(Notice)]

    def live(self, version: str, kind: str, name: str) -> dict[str, Any]:
        return self.cluster.objects[(version, kind, "shop", name)]

    def _ctx(self):
        provider = FakeProvider(self.cluster)
        return context_of(self.stage, provider=provider, base=self.base, emit=self.heard.append)


class TestReplicas:
    def test_of_a_deployment_that_argo_scales_down_are_left_to_argo(self, tmp_path):
        world = World(tmp_path, DEPLOYMENT, FROM_DEPLOYMENT)
        world.up()
        live = world.live("apps/v1", "Deployment", "from-deployment")
        live["spec"]["replicas"] = 0
        assert world.up() == "unchanged"
        assert live["spec"]["replicas"] == 0

    def test_they_stay_so_when_something_else_of_it_is_put_back(self, tmp_path):
        world = World(tmp_path, DEPLOYMENT, FROM_DEPLOYMENT)
        world.up()
        live = world.live("apps/v1", "Deployment", "from-deployment")
        live["spec"]["replicas"], live["spec"]["template"]["metadata"]["labels"]["app"] = 0, "drifted"
        assert world.up() == "changed"
        spec = world.live("apps/v1", "Deployment", "from-deployment")["spec"]
        assert (spec["replicas"], spec["template"]["metadata"]["labels"]["app"]) == (0, "from-deployment")

    def test_one_that_was_deleted_since_begins_without_pods(self, tmp_path):
        world = World(tmp_path, DEPLOYMENT, FROM_DEPLOYMENT)
        world.up()
        assert world.live("apps/v1", "Deployment", "from-deployment")["spec"]["replicas"] == 2
        rollout = world.live("argoproj.io/v1alpha1", "Rollout", "from-deployment")
        rollout["status"] = {"conditions": [{"type": "Healthy", "status": "True"}]}
        world.cluster.delete("apps/v1", "Deployment", "from-deployment", "shop")
        world.up()
        assert world.live("apps/v1", "Deployment", "from-deployment")["spec"]["replicas"] == 0

    @pytest.mark.parametrize("scale_down", ["never", ""])
    def test_of_a_deployment_that_argo_leaves_alone_are_put_back(self, tmp_path, scale_down):
        rollout = FROM_DEPLOYMENT.replace("scaleDown: onsuccess", f"scaleDown: '{scale_down}'")
        world = World(tmp_path, DEPLOYMENT, rollout)
        world.up()
        world.live("apps/v1", "Deployment", "from-deployment")["spec"]["replicas"] = 0
        assert world.up() == "changed"
        assert world.live("apps/v1", "Deployment", "from-deployment")["spec"]["replicas"] == 2
        assert not world.told()

    def test_who_has_them_is_told_beforehand(self, tmp_path):
        [words] = World(tmp_path, DEPLOYMENT, FROM_DEPLOYMENT).told()
        assert words.startswith("Deployment from-deployment: its replicas (")
        assert "m/all.yaml:5) are left to Argo once it is there: Rollout from-deployment takes its template" in words

    @pytest.mark.parametrize("scaler", SCALERS.values(), ids=SCALERS)
    def test_beside_an_autoscaler_are_told_beforehand(self, tmp_path, scaler):
        [words] = World(tmp_path, AUTOSCALED, scaler).told()
        kind = yaml.safe_load(scaler)["kind"]
        assert f"Rollout autoscaled: {kind} auto sets how many pods it has, so `replicas: 1` (" in words
        assert "m/all.yaml:5) counts only when it is created" in words
        assert words.endswith("take `replicas` out to have the number in one place")

    @pytest.mark.parametrize(
        "kind", [("autoscaling/v2", "HorizontalPodAutoscaler"), ("keda.sh/v1alpha1", "ScaledObject")]
    )
    def test_what_an_autoscaler_of_the_cluster_has_set_stays(self, tmp_path, kind):
        world = World(tmp_path, AUTOSCALED)
        world.up()
        world.cluster.put(loaded(SCALERS[f"{kind[1]} {kind[0]}"]))
        live = world.live("argoproj.io/v1alpha1", "Rollout", "autoscaled")
        live["spec"]["replicas"] = 3
        assert world.up() == "unchanged"
        assert live["spec"]["replicas"] == 3
        assert "auto sets how many pods it has" in world.told()[0]

    @pytest.mark.parametrize(
        "other",
        [
            TARGET.replace("name: autoscaled", "name: other"),
            TARGET.replace("kind: Rollout", "kind: Deployment"),
            TARGET.replace("argoproj.io/v1alpha1", "apps/v1"),
        ],
    )
    def test_an_autoscaler_of_something_else_is_none(self, tmp_path, other):
        scaler = SCALERS["HorizontalPodAutoscaler autoscaling/v2"].replace(TARGET, other)
        assert World(tmp_path, AUTOSCALED, scaler).told() == []

    def test_keda_means_a_deployment_where_it_says_no_kind(self, tmp_path):
        scaler = SCALERS["ScaledObject keda.sh/v1alpha1"].replace(TARGET, "scaleTargetRef: {name: from-deployment}")
        [words] = World(tmp_path, DEPLOYMENT, scaler).told()
        assert "Deployment from-deployment: ScaledObject auto sets how many pods it has" in words

    @pytest.mark.parametrize("scale_down", ["onsuccess", "progressively"])
    @pytest.mark.parametrize("scaler", SCALERS.values(), ids=SCALERS)
    def test_an_autoscaler_of_the_deployment_that_argo_scales_down_is_refused(self, tmp_path, scaler, scale_down):
        other = "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: from-deployment}"
        rollout = FROM_DEPLOYMENT.replace("onsuccess", scale_down)
        with pytest.raises(StageError, match="it scales Deployment from-deployment") as raised:
            World(tmp_path, DEPLOYMENT, rollout, scaler.replace(TARGET, other)).told()
        assert str(raised.value.where).endswith("m/all.yaml:21")
        assert "kind: Rollout, name: from-deployment}" in str(raised.value.remedy)

    def test_who_may_not_look_into_all_namespaces_looks_into_the_objects_own(self):
        cluster = FakeCluster(loaded(SCALERS["HorizontalPodAutoscaler autoscaling/v2"]), kinds=KINDS)
        refusal = ApiError("not in all of it", where="the cluster", code=403)
        cluster.refused = {f"list {kind}": refusal for kind in ("Rollout", "HorizontalPodAutoscaler", "ScaledObject")}
        assert Managed.read(cluster, [loaded(AUTOSCALED)]).scaler_of(loaded(AUTOSCALED))
        assert not cluster.refused


CANARY = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web, namespace: shop}
spec:
  strategy:
    canary:
      canaryService: web-canary
      stableService: web-stable
      trafficRouting:
        managedRoutes: [{name: testers}, {name: copies}]
        istio: {virtualService: {name: web, routes: [main]}}
"""
VIRTUAL_SERVICE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web.test]
  http:
  - name: main
    timeout: 5s
    route:
    - {destination: {host: web-stable}, weight: 100}
    - {destination: {host: web-canary}, weight: 0}
  - name: other
    route:
    - {destination: {host: web-stable}, weight: 100}
    - {destination: {host: web-canary}, weight: 0}
"""
HEADER_ROUTE = {
    "name": "testers",
    "match": [{"headers": {"x-tester": {"exact": "yes"}}}],
    "route": [{"destination": {"host": "web-canary"}, "weight": 100}],
}


def weights(route: dict[str, Any]) -> list[int]:
    return [one["weight"] for one in route["route"]]


def left(wanted: str, live: dict[str, Any], rollout: str = CANARY, **status: Any) -> dict[str, Any]:
    found = yaml.safe_load(rollout)
    found["status"] = status
    return Managed([found]).left(yaml.safe_load(wanted), live)


class TestVirtualService:
    def test_weights_of_the_routes_that_the_rollout_names_stay(self):
        live = yaml.safe_load(VIRTUAL_SERVICE)
        for route in live["spec"]["http"]:
            route["route"][0]["weight"], route["route"][1]["weight"], route["timeout"] = 80, 20, "9s"
        main, other = left(VIRTUAL_SERVICE, live)["spec"]["http"]
        assert (weights(main), main["timeout"]) == ([80, 20], "5s")
        assert weights(other) == [100, 0]

    def test_a_route_for_headers_stays_before_the_others_with_their_own_weights(self):
        live = yaml.safe_load(VIRTUAL_SERVICE)
        live["spec"]["http"][0]["route"][0]["weight"], live["spec"]["http"][0]["route"][1]["weight"] = 80, 20
        live["spec"]["http"].insert(0, HEADER_ROUTE)
        routes = left(VIRTUAL_SERVICE, live)["spec"]["http"]
        assert routes[0] == HEADER_ROUTE
        assert [route["name"] for route in routes] == ["testers", "main", "other"]
        assert weights(routes[1]) == [80, 20]

    def test_a_route_that_no_step_makes_does_not_stay(self):
        live = yaml.safe_load(VIRTUAL_SERVICE)
        live["spec"]["http"].insert(0, {**HEADER_ROUTE, "name": "by-hand"})
        assert [route["name"] for route in left(VIRTUAL_SERVICE, live)["spec"]["http"]] == ["main", "other"]

    def test_what_an_experiment_gets_stays_as_long_as_it_gets_it(self):
        live = yaml.safe_load(VIRTUAL_SERVICE)
        extra = {"destination": {"host": "web-experiment"}, "weight": 10}
        live["spec"]["http"][0]["route"].append(extra)
        status = {"canary": {"weights": {"additional": [{"serviceName": "web-experiment", "weight": 10}]}}}
        assert left(VIRTUAL_SERVICE, live, **status)["spec"]["http"][0]["route"][2] == extra
        assert len(left(VIRTUAL_SERVICE, live)["spec"]["http"][0]["route"]) == 2

    def test_ping_and_pong_are_stable_and_canary_by_turns(self):
        rollout = CANARY.replace(
            "canaryService: web-canary\n      stableService: web-stable",
            "pingPong: {pingService: web-stable, pongService: web-canary}",
        )
        live = yaml.safe_load(VIRTUAL_SERVICE)
        live["spec"]["http"][0]["route"][0]["weight"], live["spec"]["http"][0]["route"][1]["weight"] = 0, 100
        assert weights(left(VIRTUAL_SERVICE, live, rollout)["spec"]["http"][0]) == [0, 100]

    def test_one_of_another_namespace_is_the_one_that_the_rollout_names(self):
        live = yaml.safe_load(VIRTUAL_SERVICE)
        live["metadata"]["namespace"], wanted = "mesh", VIRTUAL_SERVICE.replace("namespace: shop", "namespace: mesh")
        live["spec"]["http"][0]["route"][1]["weight"] = 20
        named = CANARY.replace("virtualService: {name: web,", "virtualService: {name: web.mesh,")
        assert weights(left(wanted, live, named)["spec"]["http"][0]) == [100, 20]
        assert weights(left(wanted, live)["spec"]["http"][0]) == [100, 0]

    def test_a_rollout_of_another_name_manages_nothing_here(self):
        live = yaml.safe_load(VIRTUAL_SERVICE)
        live["spec"]["http"][0]["route"][1]["weight"] = 20
        other = CANARY.replace("virtualService: {name: web,", "virtualService: {name: other,")
        assert left(VIRTUAL_SERVICE, live, other) == yaml.safe_load(VIRTUAL_SERVICE)

    def test_neither_of_the_two_objects_is_written_into(self):
        wanted, live = yaml.safe_load(VIRTUAL_SERVICE), yaml.safe_load(VIRTUAL_SERVICE)
        live["spec"]["http"].insert(0, copy.deepcopy(HEADER_ROUTE))
        before = copy.deepcopy((wanted, live))
        result = Managed([yaml.safe_load(CANARY)]).left(wanted, live)
        result["spec"]["http"][0]["route"][0]["weight"] = 1
        assert (wanted, live) == before


SERVICE = "{apiVersion: v1, kind: Service, metadata: {name: NAME, namespace: shop}, spec: {selector: {app: web}}}"
NAMING = {
    "canary": "canary: {canaryService: web, stableService: other}",
    "stable": "canary: {canaryService: other, stableService: web}",
    "ping": "canary: {pingPong: {pingService: web, pongService: other}}",
    "pong": "canary: {pingPong: {pingService: other, pongService: web}}",
    "active": "blueGreen: {activeService: web}",
    "preview": "blueGreen: {activeService: other, previewService: web}",
}


@pytest.mark.parametrize("naming", NAMING.values(), ids=NAMING)
def test_the_hash_in_a_services_selector_stays_and_nothing_else_of_it(naming):
    rollout = (
        "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: r, namespace: shop}, "
        f"spec: {{strategy: {{{naming}}}}}}}"
    )
    live = yaml.safe_load(SERVICE.replace("NAME", "web"))
    live["spec"]["selector"] = {"app": "drifted", HASH: "abc"}
    assert left(SERVICE.replace("NAME", "web"), live, rollout)["spec"]["selector"] == {"app": "web", HASH: "abc"}
    live["metadata"]["name"] = "third"
    assert left(SERVICE.replace("NAME", "third"), live, rollout)["spec"]["selector"] == {"app": "web"}


def test_the_hash_in_the_subsets_of_a_destination_rule_stays():
    rule = (
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: web, namespace: shop}, "
        "spec: {host: web, subsets: [{name: stable, labels: {app: web}}, {name: canary}, {name: third}]}}"
    )
    rollout = CANARY.replace(
        "istio: {", "istio: {destinationRule: {name: web, canarySubsetName: canary, stableSubsetName: stable}, "
    )
    live = yaml.safe_load(rule)
    for subset in live["spec"]["subsets"]:
        subset["labels"] = {"app": "drifted", HASH: subset["name"]}
    assert left(rule, live, rollout)["spec"]["subsets"] == [
        {"name": "stable", "labels": {"app": "web", HASH: "stable"}},
        {"name": "canary", "labels": {HASH: "canary"}},
        {"name": "third"},
    ]


def test_weights_and_rules_of_an_http_route_stay():
    route = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  rules:
  - backendRefs: [{name: web-stable, port: 80}, {name: web-canary, port: 80, weight: 0}]
"""
    routing = CANARY[CANARY.index("        istio:") :]
    rollout = CANARY.replace(
        routing, "        plugins: {argoproj-labs/gatewayAPI: {httpRoute: web, namespace: shop}}\n"
    )
    live = yaml.safe_load(route)
    rule, made = live["spec"]["rules"][0], {"matches": [{"headers": []}], "backendRefs": [{"name": "web-canary"}]}
    rule["backendRefs"][0]["weight"], rule["backendRefs"][1]["weight"] = 80, 20
    rule["backendRefs"][1]["port"] = 81
    live["spec"]["rules"].append(made)
    assert left(route, live, rollout)["spec"]["rules"] == [
        {
            "backendRefs": [
                {"name": "web-stable", "port": 80, "weight": 80},
                {"name": "web-canary", "port": 80, "weight": 20},
            ]
        },
        made,
    ]
