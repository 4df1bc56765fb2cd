"""What a Rollout refers to: found missing or unfit before anything is applied, unless somebody else may bring it."""

from __future__ import annotations

import pytest
import yaml
from support.fake_cluster import FakeCluster
from support.runs import context_of
from validation_world import Playbook

from canarylab.kube.apply import in_namespace
from canarylab.kube.client import ApiError
from canarylab.paths import REPOSITORY
from canarylab.stages.kinds.helm_release import HelmReleaseOptions, HelmReleaseStage
from canarylab.stages.kinds.manifests import ManifestsOptions, ManifestsStage

SERVICES = """\
apiVersion: v1
kind: Service
metadata: {name: app-canary}
spec: {selector: {app: app, rollouts-pod-template-hash: abc}}
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
    - name: primary
      route:
        - {destination: {host: app-stable}, weight: 100}
        - {destination: {host: app-canary.shop.svc.cluster.local}, weight: 0}
"""
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
          virtualService: {name: app, routes: [primary]}
      steps:
        - setWeight: 5
        - analysis:
            templates:
              - templateName: success
  template: {metadata: {labels: {app: app}}}
"""
ANALYSIS = """\
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: success}
"""
KINDS = [
    ("networking.istio.io/v1", "VirtualService"),
    ("networking.istio.io/v1", "DestinationRule"),
    ("argoproj.io/v1alpha1", "AnalysisTemplate"),
]


@pytest.fixture
def playbook(tmp_path):
    return Playbook(tmp_path)


def test_where_everything_is_there_nothing_is_said(playbook):
    playbook.add("app", SERVICES, ROUTES, ROLLOUT, ANALYSIS)
    playbook.preflight()


@pytest.mark.parametrize("name", sorted(path.name for path in (REPOSITORY / "manifests").iterdir()))
def test_our_own_manifests_refer_to_nothing_that_is_not_there(name):
    stage = ManifestsStage(name, ManifestsOptions(path=f"manifests/{name}", namespace=name))
    stage.preflight(context_of(stage, base=REPOSITORY))


@pytest.mark.parametrize(
    ("left", "kind"),
    [((ROUTES, ANALYSIS), "Service app-canary"), ((SERVICES, ANALYSIS), "VirtualService app"),
     ((SERVICES, ROUTES), "AnalysisTemplate success")],
)  # fmt: skip
def test_what_is_nowhere_is_named_with_the_line_that_names_it(playbook, left, kind):
    playbook.add("app", *left, ROLLOUT)
    error, line = playbook.refusal()
    assert f"there is no {kind} in namespace shop" in error.what
    assert kind.split()[1] in line
    assert "InvalidSpec" in error.why


def test_a_misspelt_service_is_reported_with_what_was_probably_meant(playbook):
    playbook.add("app", SERVICES, ROUTES, ROLLOUT.replace("canaryService: app-canary", "canaryService: app-canry"))
    error, line = playbook.refusal()
    assert "did you mean app-canary? known: app-canary, app-stable" in error.remedy
    assert line == "canaryService: app-canry"


def test_another_stage_of_the_playbook_may_have_it(playbook):
    playbook.add("app", ROLLOUT)
    playbook.add("rest", SERVICES, ROUTES, ANALYSIS)
    playbook.preflight()


def test_the_cluster_may_have_it(playbook):
    playbook.cluster = FakeCluster(kinds=KINDS)
    playbook.cluster.put(
        {"apiVersion": KINDS[2][0], "kind": KINDS[2][1], "metadata": {"name": "success", "namespace": "shop"}}
    )
    playbook.add("app", SERVICES, ROUTES, ROLLOUT)
    playbook.preflight()


def test_a_cluster_that_does_not_answer_may_have_it(playbook):
    playbook.cluster = FakeCluster(kinds=KINDS)
    playbook.cluster.refused["get AnalysisTemplate success"] = ApiError("no answer", None, where="GET")
    playbook.add("app", SERVICES, ROUTES, ROLLOUT)
    playbook.preflight()


def test_a_cluster_without_such_a_kind_has_it_not(playbook):
    playbook.cluster = FakeCluster()
    playbook.add("app", SERVICES, ROUTES, ROLLOUT)
    assert "AnalysisTemplate success" in playbook.refusal()[0].what


def test_a_chart_in_the_same_namespace_may_have_it(playbook):
    playbook.add("app", ROLLOUT)
    playbook.stages.append(HelmReleaseStage("chart", HelmReleaseOptions(chart="x/y", version="1", namespace="shop")))
    playbook.preflight()


@pytest.mark.parametrize(
    ("part", "change", "words", "line"),
    [
        (SERVICES, ("{app: app}}", "{app: shop}}"), "Service app-stable selects app=shop", "stableService: app-stable"),
        (ROLLOUT, ("[primary]", "[primry]"), "has no http route named 'primry'", "virtualService:"),
        (ROUTES, ("app-canary.shop", "other.shop"), "no destination with Service app-canary", "virtualService:"),
        (ROUTES, ("host: app-stable", "host: other"), "no destination with Service app-stable", "virtualService:"),
    ],
)
def test_what_is_there_and_does_not_fit(playbook, part, change, words, line):
    assert change[0] in part
    parts = [one.replace(*change) if one is part else one for one in (SERVICES, ROUTES, ANALYSIS, ROLLOUT)]
    playbook.add("app", *parts)
    error, told = playbook.refusal()
    assert words in error.what
    assert told.startswith(line)


SECOND = ROUTES + ROUTES[ROUTES.index("    - name: primary") :].replace("primary", "secondary")


def test_of_several_routes_one_has_to_be_chosen(playbook):
    playbook.add("app", SERVICES, SECOND, ANALYSIS, ROLLOUT.replace(", routes: [primary]", ""))
    error, _ = playbook.refusal()
    assert "has 2 http routes, and none of them is chosen" in error.what
    assert "known: primary, secondary" in error.remedy


MANAGED = ROLLOUT.replace(", routes: [primary]", "").replace(
    "        istio:", "        managedRoutes: [{name: secondary}]\n        istio:"
)


def test_routes_that_steps_make_do_not_count_where_argo_made_them(playbook):
    playbook.cluster = FakeCluster(kinds=KINDS)
    playbook.cluster.put(in_namespace(yaml.safe_load(SECOND), "shop"))
    playbook.add("app", SERVICES, ANALYSIS, MANAGED)
    playbook.preflight()


def test_routes_that_steps_make_and_somebody_wrote_would_be_deleted(playbook):
    playbook.add("app", SERVICES, SECOND, ANALYSIS, MANAGED)
    error, line = playbook.refusal()
    assert "VirtualService app has http route secondary, which is among the Rollout's managedRoutes" in error.what
    assert line == "- name: secondary"


def test_a_virtual_service_that_routes_by_tls_alone_has_no_http_route_to_name(playbook):
    playbook.add("app", SERVICES, ROUTES.replace("http:", "tls:"), ANALYSIS, ROLLOUT)
    playbook.preflight()


def test_routes_by_tls_have_to_lead_to_both_too(playbook):
    playbook.add("app", SERVICES, ROUTES.replace("http:", "tls:").replace("app-canary", "x"), ANALYSIS, ROLLOUT)
    error, line = playbook.refusal()
    assert "leads to app-stable and x.shop.svc.cluster.local, not to both stable and canary" in error.what
    assert line == "- name: primary"


def test_of_several_routes_by_tls_one_has_to_be_chosen(playbook):
    playbook.add("app", SERVICES, SECOND.replace("http:", "tls:"), ANALYSIS, ROLLOUT)
    error, _ = playbook.refusal()
    assert "has 2 tls routes, and none of them is chosen" in error.what
    assert "tlsRoutes: [{}]" in error.remedy, "routes without port and SNI are chosen by neither"


@pytest.mark.parametrize("change", [("  http:", "  none:"), ("  http:", "  http: []\n  none:")])
def test_a_virtual_service_without_routes_has_none_of_that_name(playbook, change):
    playbook.add("app", SERVICES, ROUTES.replace(*change), ANALYSIS, ROLLOUT)
    assert "has no http route named 'primary'" in playbook.refusal()[0].what


def test_the_two_services_of_ping_pong_are_looked_for_in_the_route(playbook):
    pair = "      pingPong: {pingService: app-stable, pongService: app-canary}\n"
    rollout = ROLLOUT.replace("      canaryService: app-canary\n      stableService: app-stable\n", pair)
    playbook.add("app", SERVICES, ROUTES.replace("host: app-stable", "host: other"), ANALYSIS, rollout)
    assert "no destination with Service app-stable" in playbook.refusal()[0].what


def test_one_of_another_namespace_is_looked_for_there(playbook):
    playbook.add("app", SERVICES, ROUTES, ANALYSIS, ROLLOUT.replace("{name: app, routes", "{name: app.front, routes"))
    assert "there is no VirtualService app in namespace front" in playbook.refusal()[0].what


class TestSubsets:
    RULE = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: app}
spec: {subsets: [{name: stable}, {name: canary}]}
"""
    BY_SUBSET = ROUTES.replace("host: app-stable", "host: app-stable, subset: stable").replace(
        "svc.cluster.local", "svc.cluster.local, subset: canary"
    )
    SUBSETS = ROLLOUT.replace(
        "          virtualService",
        "          destinationRule: {name: app, stableSubsetName: stable, canarySubsetName: canary}\n"
        "          virtualService",
    )

    def test_subsets_that_are_there_pass(self, playbook):
        playbook.add("app", SERVICES, self.BY_SUBSET, ANALYSIS, self.RULE, self.SUBSETS)
        playbook.preflight()

    def test_a_rule_that_is_not_there_is_named(self, playbook):
        playbook.add("app", SERVICES, self.BY_SUBSET, ANALYSIS, self.SUBSETS)
        assert "there is no DestinationRule app" in playbook.refusal()[0].what

    def test_a_subset_that_the_rule_has_not_is_named(self, playbook):
        rule = self.RULE.replace("canary", "cnary")
        playbook.add("app", SERVICES, self.BY_SUBSET, ANALYSIS, rule, self.SUBSETS)
        error, _ = playbook.refusal()
        assert "DestinationRule app has no subset canary" in error.what
        assert "did you mean cnary?" in error.remedy

    def test_a_route_that_names_no_subsets_does_not_fit(self, playbook):
        playbook.add("app", SERVICES, ROUTES, ANALYSIS, self.RULE, self.SUBSETS)
        assert "no destination with subset stable" in playbook.refusal()[0].what


def test_blue_green_refers_to_services_too(playbook):
    text = ROLLOUT[: ROLLOUT.index("    canary:")] + (
        "    blueGreen: {activeService: app-stable, previewService: app-preview}\n"
        "  template: {metadata: {labels: {app: app}}}\n"
    )
    playbook.add("app", SERVICES, text)
    assert "there is no Service app-preview" in playbook.refusal()[0].what
