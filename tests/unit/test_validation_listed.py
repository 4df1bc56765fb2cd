"""What Argo would do to the VirtualServices and the DestinationRule that a Rollout names, told before it is applied."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from support.fake_cluster import FakeCluster
from validation_world import Playbook

from canarylab.kube.apply import in_namespace
from canarylab.kube.client import ApiError

ISTIO = "networking.istio.io/v1"
KINDS = [(ISTIO, "VirtualService"), (ISTIO, "DestinationRule")]
STABLE = "{destination: {host: app-stable}, weight: 100}"
CANARY = "{destination: {host: app-canary}, weight: 0}"
MAIN = f"- {{name: main, route: [{STABLE}, {CANARY}]}}"
HEADER = {"setHeaderRoute": {"name": "testers", "match": [{"headerName": "x", "headerValue": {"exact": "y"}}]}}
GONE = {"setHeaderRoute": {"name": "testers"}}
MANAGED = [{"name": "testers"}]
BY_SUBSETS = {"destinationRule": {"name": "app", "stableSubsetName": "stable", "canarySubsetName": "canary"}}


def services(*names: str, namespace: str = "shop") -> str:
    """Services of the Rollout's pods."""
    return "---\n".join(
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\n"
        "spec: {selector: {app: app}}\n"
        for name in names
    )


def virtual_service(routes: str, *, name: str = "app", namespace: str = "shop") -> str:
    """With `routes` as its spec, each line of it indented by itself."""
    body = "".join(f"  {line}\n" for line in routes.strip().splitlines())
    return (
        f"apiVersion: {ISTIO}\nkind: VirtualService\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n{body}"
    )


def rollout(
    lists: dict[str, Any] | None = None, *, name: str = "app", steps: Any = (), managed: Any = None, **canary: Any
) -> str:
    """A canary that lists a VirtualService, by two Services unless `istio` names a DestinationRule."""
    istio = {"virtualService": lists or {"name": "app", "routes": ["main"]}, **canary.pop("istio", {})}
    routing = {"istio": istio} if managed is None else {"managedRoutes": managed, "istio": istio}
    if "destinationRule" not in istio:
        canary = {"canaryService": "app-canary", "stableService": "app-stable", **canary}
    return yaml.safe_dump(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": name},
            "spec": {
                "selector": {"matchLabels": {"app": "app"}},
                "strategy": {"canary": {**canary, "trafficRouting": routing, "steps": list(steps)}},
                "template": {"metadata": {"labels": {"app": "app"}}},
            },
        }
    )


@pytest.fixture
def playbook(tmp_path):
    return Playbook(tmp_path)


def told(playbook: Playbook, *texts: str) -> tuple[str, str, str]:
    """What is said, the remedy, and the line that it is said of."""
    playbook.add("app", services("app-stable", "app-canary"), *texts)
    error, line = playbook.refusal()
    return error.what, str(error.remedy), line


def passes(playbook: Playbook, *texts: str) -> None:
    playbook.add("app", services("app-stable", "app-canary"), *texts)
    playbook.preflight()


class TestTakenOut:
    """Case 04: a third destination of a route that the Rollout weighs."""

    def test_a_third_destination_is_named_with_its_line(self, playbook):
        routes = f"""
http:
- name: main
  route:
  - {STABLE}
  - {CANARY}
  - {{destination: {{host: legacy}}, weight: 10}}
"""
        what, remedy, line = told(playbook, virtual_service(routes), rollout())
        assert "Argo will take legacy (weight 10) out of http route main of VirtualService app" in what
        assert line == "- {destination: {host: legacy}, weight: 10}"
        assert "a route of its own" in remedy
        assert "ignore-differences" not in remedy

    @pytest.mark.parametrize(
        ("third", "istio"),
        [
            ("{destination: {host: legacy}, weight: 0}", {}),
            ("{destination: {host: legacy}}", {}),
            (
                "{destination: {host: legacy, subset: old}, weight: 10}",
                {"destinationRule": {**BY_SUBSETS["destinationRule"], "additionalSubsetNames": ["old"]}},
            ),
        ],
    )
    def test_what_gets_nothing_or_is_listed_as_an_additional_subset_stays(self, playbook, third, istio):
        ours = "{destination: {host: app, subset: stable}}, {destination: {host: app, subset: canary}}"
        ours = ours if istio else f"{STABLE}, {CANARY}"
        rule = f"apiVersion: {ISTIO}\nkind: DestinationRule\nmetadata: {{name: app}}\n" + (
            "spec: {host: app, subsets: [{name: stable}, {name: canary}]}\n"
        )
        routes = f"http: [{{name: main, route: [{ours}, {third}]}}]"
        passes(playbook, virtual_service(routes), rule, rollout(istio=istio))

    def test_a_route_that_the_rollout_does_not_list_is_left_alone(self, playbook):
        other = "- {name: other, route: [{destination: {host: a}, weight: 1}, {destination: {host: b}, weight: 1}]}"
        passes(playbook, virtual_service(f"http:\n{other}\n{MAIN}"), rollout())

    @pytest.mark.parametrize("protocol", ["tls", "tcp"])
    def test_it_is_so_in_routes_by_tls_and_tcp(self, playbook, protocol):
        match = "sniHosts: [a.test]" if protocol == "tls" else "port: 9000"
        third = "{destination: {host: legacy}, weight: 10}"
        routes = f"{protocol}: [{{match: [{{{match}}}], route: [{STABLE}, {CANARY}, {third}]}}]"
        what, _, _ = told(playbook, virtual_service(routes), rollout({"name": "app"}))
        assert f"Argo will take legacy (weight 10) out of {protocol}[0]" in what

    def test_one_that_only_the_cluster_has_is_told_by_the_rollouts_line(self, playbook):
        playbook.cluster = FakeCluster(kinds=KINDS)
        routes = f"http: [{{name: main, route: [{STABLE}, {CANARY}, {{destination: {{host: legacy}}, weight: 5}}]}}]"
        playbook.cluster.put(yaml.safe_load(virtual_service(routes)))
        what, _, line = told(playbook, rollout())
        assert "Argo will take legacy (weight 5) out of http route main of VirtualService app" in what
        assert line == "virtualService:"

    def test_of_an_experiment_that_may_be_under_way_nothing_is_said(self, playbook):
        playbook.cluster = FakeCluster(kinds=KINDS)
        routes = f"http: [{{name: main, route: [{STABLE}, {CANARY}, {{destination: {{host: trial}}, weight: 5}}]}}]"
        playbook.cluster.put(yaml.safe_load(virtual_service(routes)))
        template = {"name": "trial", "specRef": "canary", "weight": 5}
        passes(playbook, rollout(steps=[{"experiment": {"templates": [template]}}]))

    def test_two_destinations_for_one_side_would_each_get_its_whole_weight(self, playbook):
        routes = (
            f"http: [{{name: main, route: [{STABLE}, {{destination: {{host: app-stable.old}}, weight: 0}}, {CANARY}]}}]"
        )
        what, remedy, _ = told(playbook, virtual_service(routes), rollout())
        assert "several destinations that are the stable's for Argo, app-stable and app-stable.old" in what
        assert "one destination for stable and one for the canary" in remedy


class TestSubsets:
    """Case 05: a subset of the Rollout's DestinationRule that isn't the Rollout's."""

    OURS = (
        "{destination: {host: app, subset: stable}, weight: 100}, {destination: {host: app, subset: canary}, weight: 0}"
    )
    RULE = f"""\
apiVersion: {ISTIO}
kind: DestinationRule
metadata: {{name: app}}
spec:
  host: app
  subsets:
  - {{name: stable, labels: {{app: app}}}}
  - {{name: canary, labels: {{app: app}}}}
"""
    EXTRA = "  - {name: all, labels: {app: app}}\n"
    ROUTES = f"""
http:
- name: admin
  route: [{{destination: {{host: app, subset: all}}}}]
- name: main
  route: [{OURS}]
"""

    def test_a_third_subset_is_named_with_its_line_and_the_route_that_needs_it(self, playbook):
        what, remedy, line = told(
            playbook, virtual_service(self.ROUTES), self.RULE + self.EXTRA, rollout(istio=BY_SUBSETS)
        )
        assert "Argo will take subset all, which isn't the Rollout's, out of DestinationRule app" in what
        assert "which http route admin of VirtualService app leads to" in what
        assert line == self.EXTRA.strip()
        assert "a DestinationRule of its own for host app" in remedy
        assert "ignore-differences" not in remedy

    def test_an_additional_subset_does_not_stay_in_the_rollouts_own_rule(self, playbook):
        istio = {"destinationRule": {**BY_SUBSETS["destinationRule"], "additionalSubsetNames": ["all"]}}
        what, _, _ = told(playbook, virtual_service(self.ROUTES), self.RULE + self.EXTRA, rollout(istio=istio))
        assert "Argo will take subset all" in what

    def test_in_a_rule_of_its_own_it_stays(self, playbook):
        own = self.RULE.replace("name: app}", "name: app-all}").replace("stable", "all").replace("canary", "more")
        passes(playbook, virtual_service(self.ROUTES), self.RULE, own, rollout(istio=BY_SUBSETS))


class TestManagedRoutes:
    """Case 06: routes that Argo can't tell apart, beside those that it makes."""

    UNNAMED = "- route: [{destination: {host: app-stable}}]"

    def test_routes_without_names_are_told_with_names_to_give_them(self, playbook):
        routes = f"http:\n{self.UNNAMED}\n{self.UNNAMED}\n{MAIN}"
        what, remedy, line = told(playbook, virtual_service(routes), rollout(managed=MANAGED))
        assert "the Rollout has managedRoutes, and in VirtualService app http[0], http[1] have no name" in what
        assert remedy == "write `name: route-1` at http[0], `name: route-2` at http[1]"
        assert line == self.UNNAMED

    def test_names_that_are_taken_are_not_proposed(self, playbook):
        taken = MAIN.replace("main", "route-1")
        routes = f"http:\n{self.UNNAMED}\n{self.UNNAMED}\n{taken}"
        lists = {"name": "app", "routes": ["route-1"]}
        _, remedy, _ = told(playbook, virtual_service(routes), rollout(lists, managed=[{"name": "route-2"}]))
        assert remedy == "write `name: route-3` at http[0], `name: route-4` at http[1]"

    def test_two_of_the_same_name_multiply_too(self, playbook):
        twin = self.UNNAMED.replace("- ", "- name: twin\n  ")
        routes = f"http:\n{twin}\n{twin}\n{MAIN}"
        what, remedy, _ = told(playbook, virtual_service(routes), rollout(managed=MANAGED))
        assert "http[0], http[1] have the same name, twin" in what
        assert remedy == "write `name: twin-1` at http[1]"

    @pytest.mark.parametrize("managed", [None, MANAGED])
    def test_one_without_a_name_or_no_managed_routes_is_no_harm(self, playbook, managed):
        unnamed = [self.UNNAMED] * (1 if managed else 3)
        passes(playbook, virtual_service("\n".join(["http:", *unnamed, MAIN])), rollout(managed=managed))

    def test_an_empty_list_of_managed_routes_is_one(self, playbook):
        routes = f"http:\n{self.UNNAMED}\n{self.UNNAMED}\n{MAIN}"
        assert "http[0], http[1] have no name" in told(playbook, virtual_service(routes), rollout(managed=[]))[0]

    @pytest.mark.parametrize(
        ("steps", "is_told"),
        [
            ([HEADER, {"setWeight": 5}], True),
            ([{"setWeight": 5}, HEADER, {"setWeight": 5}], False),
            ([HEADER, GONE, {"setWeight": 5}], False),
            ([HEADER, {"pause": {}}], False),
        ],
    )
    def test_a_weight_beside_a_made_route_needs_the_list_of_routes(self, playbook, steps, is_told):
        given = virtual_service(f"http:\n{MAIN}"), rollout({"name": "app"}, managed=MANAGED, steps=steps)
        if is_told:
            what, remedy, _ = told(playbook, *given)
            assert "steps[1] sets a weight while a route made by a step is there" in what
            assert "`routes: [main]`" in remedy
        else:
            passes(playbook, *given)


class TestStreams:
    """Case 08: routes by tls and tcp, which Argo weighs too, meant or not."""

    OTHER = "- {match: [{port: 9000}], route: [{destination: {host: other}}]}"

    def test_anothers_tcp_route_is_told_with_its_line(self, playbook):
        what, remedy, line = told(playbook, virtual_service(f"http:\n{MAIN}\ntcp:\n{self.OTHER}"), rollout())
        assert "tcp[0] of VirtualService app leads to other, not to both stable and canary" in what
        assert "a VirtualService of its own, which the Rollout doesn't list" in remedy
        assert line == self.OTHER

    def test_anothers_tls_route_too(self, playbook):
        tls = "- {match: [{sniHosts: [a.test]}], route: [{destination: {host: other}}]}"
        what, _, line = told(playbook, virtual_service(f"hosts: [a.test]\nhttp:\n{MAIN}\ntls:\n{tls}"), rollout())
        assert "tls[0] of VirtualService app leads to other" in what
        assert line == tls

    @pytest.mark.parametrize(
        ("second", "remedy"),
        [
            ("{match: [{port: 9000}], route: [{destination: {host: other}}]}", "write `tcpRoutes: [{port: 9001}]`"),
            ("{match: [{port: 9001}], route: [{destination: {host: other}}]}", "Argo can't tell tcp[1] from tcp[0]"),
        ],
    )
    def test_of_several_the_rollouts_own_are_told_how_to_choose(self, playbook, second, remedy):
        ours = f"{{match: [{{port: 9001}}], route: [{STABLE}, {CANARY}]}}"
        told_ones = told(playbook, virtual_service(f"http:\n{MAIN}\ntcp:\n- {ours}\n- {second}"), rollout())
        assert "VirtualService app has 2 tcp routes, and none of them is chosen" in told_ones[0]
        assert remedy in told_ones[1]

    def test_one_with_several_ports_can_not_be_chosen(self, playbook):
        ours = f"{{match: [{{port: 9001}}, {{port: 9002}}], route: [{STABLE}, {CANARY}]}}"
        lists = {"name": "app", "tcpRoutes": [{"port": 9001}]}
        what, remedy, _ = told(playbook, virtual_service(f"tcp:\n- {ours}\n{self.OTHER}"), rollout(lists))
        assert "no tcp route that this chooses" in what
        assert "one route for each port" in remedy

    def test_none_of_several_is_the_rollouts(self, playbook):
        routes = f"http:\n{MAIN}\ntcp:\n{self.OTHER}\n{self.OTHER.replace('9000', '9001')}"
        _, remedy, _ = told(playbook, virtual_service(routes), rollout())
        assert "move them into a VirtualService of their own" in remedy

    @pytest.mark.parametrize("names", [["a.test", "b.test"], ["b.test", "a.test"]])
    def test_by_its_port_and_all_its_server_names_one_is_chosen(self, playbook, names):
        ours = f"{{match: [{{port: 443, sniHosts: [a.test, b.test]}}], route: [{STABLE}, {CANARY}]}}"
        other = "{match: [{port: 443, sniHosts: [c.test]}], route: [{destination: {host: other}}]}"
        routes = virtual_service(f"hosts: ['*.test']\ntls:\n- {ours}\n- {other}")
        passes(playbook, routes, rollout({"name": "app", "tlsRoutes": [{"port": 443, "sniHosts": names}]}))

    def test_by_some_of_its_server_names_none_is(self, playbook):
        ours = f"{{match: [{{port: 443, sniHosts: [a.test, '*.b.test']}}], route: [{STABLE}, {CANARY}]}}"
        lists = {"name": "app", "tlsRoutes": [{"port": 443, "sniHosts": ["a.test"]}]}
        what, remedy, _ = told(playbook, virtual_service(f"hosts: ['*.test']\ntls:\n- {ours}"), rollout(lists))
        assert "no tls route that this chooses" in what
        assert "write `tlsRoutes: [{port: 443, sniHosts: ['*.b.test', a.test]}]`" in remedy

    def test_a_list_with_nothing_in_it_breaks_the_controller(self, playbook):
        what, remedy, line = told(playbook, virtual_service(f"http:\n{MAIN}\ntcp: []"), rollout())
        assert "a list of tcp routes with nothing in it" in what
        assert "`tcp: []`" in remedy
        assert line == "tcp: []"


class TestElsewhere:
    """Case 02: the VirtualService in another namespace, or with a period in its name."""

    FULL = MAIN.replace("app-stable", "app-stable.shop.svc.cluster.local").replace("app-canary", "app-canary.shop")

    def test_it_is_found_in_the_manifests_whichever_stage_has_it(self, playbook):
        playbook.add("routes", virtual_service(f"http:\n{self.FULL}", name="web", namespace="edge"))
        passes(playbook, rollout({"name": "web.edge", "routes": ["main"]}))

    def test_it_is_found_in_the_cluster(self, playbook):
        playbook.cluster = FakeCluster(kinds=KINDS)
        found = yaml.safe_load(virtual_service(f"http:\n{self.FULL}", name="web", namespace="edge"))
        playbook.cluster.put(found)
        passes(playbook, rollout({"name": "web.edge", "routes": ["main"]}))

    def test_of_a_name_with_a_period_the_namespace_has_to_be_said(self, playbook):
        what, remedy, line = told(
            playbook, virtual_service(f"http:\n{MAIN}", name="web.v1"), rollout({"name": "web.v1", "routes": ["main"]})
        )
        assert "there is no VirtualService web in namespace v1" in what
        assert "write `web.v1.shop`" in remedy
        assert line == "name: web.v1"
        assert "known: none" not in remedy

    def test_with_its_namespace_it_is_found(self, playbook):
        lists = {"name": "web.v1.shop", "routes": ["main"]}
        passes(playbook, virtual_service(f"http:\n{MAIN}", name="web.v1"), rollout(lists))

    @pytest.mark.parametrize("written", ["web", "edge/web", "web.edge.svc.cluster.local", "web.edge.svc"])
    def test_one_of_another_namespace_is_told_how_to_write_it(self, playbook, written):
        elsewhere = virtual_service(f"http:\n{self.FULL}", name="web", namespace="edge")
        _, remedy, _ = told(playbook, elsewhere, rollout({"name": written, "routes": ["main"]}))
        assert "write `web.edge`: VirtualService web is in namespace edge" in remedy

    def test_one_of_the_cluster_is_told_too(self, playbook):
        playbook.cluster = FakeCluster(kinds=KINDS)
        playbook.cluster.put(in_namespace(yaml.safe_load(virtual_service(f"http:\n{MAIN}", name="web.v1")), "shop"))
        assert "write `web.v1.shop`" in told(playbook, rollout({"name": "web.v1", "routes": ["main"]}))[1]

    def test_a_host_without_a_namespace_means_another_service_there(self, playbook):
        elsewhere = virtual_service(f"http:\n{MAIN}", name="web", namespace="edge")
        what, remedy, _ = told(playbook, elsewhere, rollout({"name": "web.edge", "routes": ["main"]}))
        assert "leads to app-stable, for Istio Service app-stable in namespace edge, which isn't there" in what
        assert "`host: app-stable.shop.svc.cluster.local`" in remedy

    def both(self, **routes: str) -> tuple[str, str, str]:
        """Two of one name, each with a route; the Rollout lists them with these names of routes."""
        edge = virtual_service(f"http:\n{self.FULL.replace('main', 'other')}", name="web", namespace="edge")
        entries = [{"name": name.replace("_", "."), "routes": [route]} for name, route in routes.items()]
        own = virtual_service(f"http:\n{MAIN}", name="web")
        return own, edge, rollout(istio={"virtualService": None, "virtualServices": entries})

    def test_of_two_of_one_name_argo_judges_both_by_the_first_entry(self, playbook):
        what, remedy, line = told(playbook, *self.both(web="main", web_edge="other"))
        assert "web and web.edge have the same name, and the routes that are listed for web aren't in web.edge" in what
        assert remedy == "give one of the two VirtualServices another name, or both the same routes"
        assert line == "- name: web.edge"

    def test_with_the_same_routes_they_may_have_one_name(self, playbook):
        own, edge, wants = self.both(web="main", web_edge="main")
        passes(playbook, own, edge.replace("other", "main"), wants)

    def test_each_is_told_of_by_its_own_line(self, playbook):
        third = virtual_service(f"http:\n{self.FULL}", name="web", namespace="edge")
        third = third.replace("]}", ", {destination: {host: legacy}, weight: 5}]}")
        own = virtual_service(f"http:\n{MAIN}", name="web").replace(", namespace: shop", "")
        wants = rollout(istio={"virtualService": None, "virtualServices": [{"name": "web.edge", "routes": ["main"]}]})
        _, _, line = told(playbook, own, third, wants)
        assert "legacy" in line

    def test_unless_that_service_is_there(self, playbook):
        elsewhere = virtual_service(f"http:\n{MAIN}", name="web", namespace="edge")
        playbook.add("edge", services("app-stable", "app-canary", namespace="edge"))
        passes(playbook, elsewhere, rollout({"name": "web.edge", "routes": ["main"]}))

    def test_a_host_outside_the_cluster_is_no_services(self, playbook):
        outside = MAIN.replace("app-stable", "app-stable.example.com").replace("app-canary", "app-canary.example.com")
        passes(playbook, virtual_service(f"http:\n{outside}"), rollout())


class TestOthers:
    def test_a_destination_rule_of_another_namespace_is_not_looked_for_there(self, playbook):
        rule = TestSubsets.RULE.replace("name: app}", "name: app, namespace: edge}", 1)
        what, remedy, _ = told(playbook, virtual_service(TestSubsets.ROUTES), rule, rollout(istio=BY_SUBSETS))
        assert "there is no DestinationRule app in namespace shop" in what
        assert "there is one in namespace edge, where Argo doesn't look for it" in remedy

    ROUTES = virtual_service(f"http:\n{MAIN}")

    def test_a_service_of_two_rollouts(self, playbook):
        what, _, line = told(playbook, self.ROUTES, rollout(name="other"), rollout())
        assert "Service app-canary is Rollout app's, too" in what
        assert line == "canaryService: app-canary"

    def test_a_workload_that_is_not_there(self, playbook):
        reference = "workloadRef: {apiVersion: apps/v1, kind: Deployment, name: app}"
        text = rollout().replace("  template:\n    metadata:\n      labels:\n        app: app\n", f"  {reference}\n")
        what, _, line = told(playbook, self.ROUTES, text)
        assert "there is no Deployment app in namespace shop" in what
        assert line == reference

    def test_a_services_pods_are_those_of_the_workload(self, playbook):
        reference = "workloadRef: {apiVersion: apps/v1, kind: Deployment, name: app}"
        text = rollout().replace("  template:\n    metadata:\n      labels:\n        app: app\n", f"  {reference}\n")
        workload = (
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\n"
            "spec: {template: {metadata: {labels: {app: web}}}}\n"
        )
        assert (
            "selects app=app, and the Rollout's pods don't have that label"
            in told(playbook, self.ROUTES, workload, text)[0]
        )


class TestRolloutOfTheCluster:
    """One that a chart installed, say, which weighs a VirtualService of the manifests."""

    ROUTES = f"http: [{{name: main, route: [{STABLE}, {CANARY}, {{destination: {{host: legacy}}, weight: 5}}]}}]"

    @pytest.fixture
    def charted(self, playbook):
        playbook.cluster = FakeCluster(kinds=[*KINDS, ("argoproj.io/v1alpha1", "Rollout")])
        playbook.cluster.put(in_namespace(yaml.safe_load(rollout()), "shop"))
        return playbook

    def test_what_it_would_delete_is_told_with_the_files_line(self, charted):
        what, _, line = told(charted, virtual_service(self.ROUTES))
        assert "Argo will take legacy (weight 5) out of http route main" in what
        assert line.startswith("http:")

    def test_a_virtual_service_that_it_does_not_list_is_left_alone(self, charted):
        passes(charted, virtual_service(self.ROUTES, name="other"))

    def test_a_cluster_that_does_not_answer_is_no_obstacle(self, charted):
        charted.cluster.refused["list Rollout"] = ApiError("no answer", None, where="GET")
        passes(charted, virtual_service(self.ROUTES))

    def test_where_a_rollout_of_the_manifests_lists_it_the_cluster_is_not_asked(self, charted):
        charted.cluster.refused["list Rollout"] = ApiError("asked", None, where="GET")
        passes(charted, virtual_service(f"http: [{MAIN[2:]}]"), rollout())
        assert charted.cluster.refused
