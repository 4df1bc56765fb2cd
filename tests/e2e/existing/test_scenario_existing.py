"""The scenario of every provider on somebody else's cluster, and what only matters there."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from existing import strangers
from scenario import Ending, Life, healthy
from support.foreign_cluster import CONTEXT, REGISTRY, ForeignCluster
from tool import Tool

pytestmark = pytest.mark.usefixtures("before")

_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "their-shop", "namespace": "default"},
    "spec": {"containers": [{"name": "pause", "image": "localhost/k8s/pause:3.10"}]},
}


def _said(done: Any) -> str:
    return done.events[-1]["message"] if done.events else done.errors


class TestBeforeTheFirstChange:
    """Each is refused, and nothing is changed."""

    def test_without_a_context_every_command_names_those_there_are(self, tool: Tool) -> None:
        flags = tuple(flag for flag in tool.flags if flag not in ("--context", CONTEXT))
        unnamed = dataclasses.replace(tool, flags=flags)
        for command in ("plan", "up", "demo", "status", "teardown", "doctor"):
            refused = unnamed.text(command)
            assert refused.returncode == 2, refused.stdout
            assert f"someone-elses, {CONTEXT}" in refused.stdout

    def test_doctor_finds_the_cluster_able(self, tool: Tool) -> None:
        report = tool.json("doctor")
        assert report["ok"], report

    def test_a_namespace_with_others_pods_is_not_injected_unasked(self, tool: Tool, foreign: ForeignCluster) -> None:
        foreign.apply(_POD)
        try:
            refused = tool.run("up")
            assert refused.code == 2
            assert "namespace default would get istio-injection=enabled" in _said(refused)
            assert "their-shop" in _said(refused)
            assert "--yes" in _said(refused)
            assert tool.run("plan").code == 0, "plan never asks"
        finally:
            foreign.kubectl("delete", "pod", "their-shop", "--now")

    def test_a_cluster_that_looks_like_production_is_asked_about(self, tool: Tool, foreign: ForeignCluster) -> None:
        names = [f"shop-{number}" for number in range(11)]
        foreign.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names))
        try:
            for command in ("up", "demo", "teardown"):
                refused = tool.run(command)
                assert refused.code == 2
                assert "namespaces of others" in _said(refused)
                assert "--yes" in _said(refused)
            assert tool.run("plan").code == 0
            assert tool.run("up", "--only", "cluster", "--yes").code == 0
            assert tool.run("teardown", "--yes").code == 0
        finally:
            foreign.kubectl("delete", "namespace", *names)

    def test_an_object_of_that_name_stops_it(self, tool: Tool, foreign: ForeignCluster) -> None:
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "rollouts-demo", "namespace": "default"}}
        foreign.apply({**service, "spec": {"ports": [{"port": 80}]}})
        try:
            refused = tool.run("up")
            assert refused.code == 1
            assert "Service default/rollouts-demo is there already" in _said(refused)
            assert refused.of("stage-started") == [], "nothing was begun"
        finally:
            foreign.kubectl("delete", "service", "rollouts-demo")

    def test_somebody_elses_image_of_that_name_stops_it(self, tool: Tool) -> None:
        """The registry has one that carries no label of ours."""
        _push_unlabelled("team/argoproj/rollouts-demo", "blue")
        refused = tool.run("up")
        assert refused.code == 1
        assert f"image {REGISTRY}/team/argoproj/rollouts-demo:blue is there already" in _said(refused)
        _delete("team/argoproj/rollouts-demo", "blue")

    def test_nothing_was_changed_by_all_that(self, tool: Tool, foreign: ForeignCluster, before: dict[str, Any]) -> None:
        assert strangers.everything(foreign) == before["there"]
        assert strangers.difference(before["others"], strangers.to_the_byte(foreign)) == ""
        assert not (Path(tool.environment["XDG_STATE_HOME"]) / "canarylab" / tool.profile).exists()


class TestLife(Life):
    infrastructure = frozenset({"cluster"})


class TestOnTheCluster:
    """What is there once it is up."""

    def test_commands_name_the_users_context(self, tool: Tool) -> None:
        status = tool.json("status")
        assert (status["profile"], status["context"]) == ("e2e-existing", CONTEXT)
        assert f"kubectl --context {CONTEXT} " in tool.text("env").stdout

    def test_the_own_kubeconfig_holds_that_context_only_and_no_relative_path(self, tool: Tool) -> None:
        own = yaml.safe_load(Path(tool.json("status")["kubeconfig"]).read_text())
        assert [entry["name"] for entry in own["contexts"]] == [CONTEXT]
        assert len(own["clusters"]) == len(own["users"]) == 1
        files = [*own["clusters"][0]["cluster"].values(), *own["users"][0]["user"].values()]
        assert all(Path(file).exists() for file in files if not file.startswith("https://")), files

    def test_the_gateway_is_our_service_and_not_the_first_that_has_an_address(
        self, tool: Tool, foreign: ForeignCluster
    ) -> None:
        jsonpath = "jsonpath={.status.loadBalancer.ingress[0].ip}"
        words = ("-n", "istio-ingress", "get", "service", "istio-ingressgateway", "-o", jsonpath)
        assert tool.json("status")["gateway"] == foreign.kubectl(*words)
        tunnel = tool.json("tunnel", "status")
        assert list(tunnel["addresses"]) == ["istio-ingress/istio-ingressgateway"]
        assert "no tunnel is needed" in tunnel["note"]

    def test_there_is_no_tunnel_to_start_or_stop(self, tool: Tool) -> None:
        for action in ("start", "stop"):
            refused = tool.text("tunnel", action)
            assert refused.returncode == 2
            assert "load balancer" in refused.stdout

    def test_images_are_in_the_registry_and_the_pods_run_them(self, tool: Tool, foreign: ForeignCluster) -> None:
        references = {image["reference"] for image in tool.json("images")}
        assert references == {f"{REGISTRY}/team/argoproj/rollouts-demo:{colour}" for colour in ("blue", "yellow")}
        jsonpath = "jsonpath={.items[0].spec.containers[0].image}"
        assert foreign.kubectl("get", "pods", "-l", "app=rollouts-demo", "-o", jsonpath) in references

    def test_a_cluster_of_two_architectures_gets_one_image_for_both(self, tool: Tool, foreign: ForeignCluster) -> None:
        built = tool.run("images", "--platform", "linux/arm64", timeout=900)  # now, so that the node needn't wait
        assert built.code == 0, built.explain()
        with _node(foreign, "arm64"):
            ended = tool.run("up", "--only", "image-blue")
            assert ended.code == 0, ended.explain()
            found = {
                (image["architecture"], image["program_architecture"])
                for image in tool.json("images")
                if image["reference"].endswith(":blue")
            }
        assert found == {("amd64", "amd64"), ("arm64", "arm64")}
        assert set(healthy(tool).summary["changed"]) == {"image-blue"}, "the node is gone"

    def test_a_node_that_no_image_can_be_built_for_is_refused_with_both_named(
        self, tool: Tool, foreign: ForeignCluster
    ) -> None:
        with _node(foreign, "riscv64"):
            refused = tool.run("up")
        assert refused.code == 1
        assert "riscv64" in _said(refused)
        assert "amd64" in _said(refused)

    def test_a_service_without_an_address_is_explained(self, tool: Tool, foreign: ForeignCluster) -> None:
        with foreign.balancer_paused():
            _set_load_balancer(foreign, None)
            status = tool.json("tunnel", "status")
        assert status["addresses"] == {"istio-ingress/istio-ingressgateway": "pending"}
        assert "kubectl -n istio-ingress describe service istio-ingressgateway" in status["problems"][0]
        healthy(tool)

    def test_an_address_that_never_leads_anywhere_ends_a_demonstration_at_once(
        self, tool: Tool, foreign: ForeignCluster
    ) -> None:
        with foreign.balancer_paused():
            _set_load_balancer(foreign, {"ingress": [{"hostname": "not-yet.elb.example.invalid"}]})
            refused = tool.run("demo")
            _set_load_balancer(foreign, None)
        assert refused.code == 1
        said = next(event["message"] for event in refused.of("failure"))
        assert "not-yet.elb.example.invalid, the address of Service istio-ingress/istio-ingressgateway" in said
        assert "isn't resolvable on this machine" in said
        assert "tunnel" not in said
        healthy(tool)

    def test_a_namespace_that_is_being_deleted_is_waited_for_and_made_again(
        self, tool: Tool, foreign: ForeignCluster
    ) -> None:
        foreign.kubectl("delete", "namespace", "istio-ingress", "--wait=false")
        assert "istio-ingressgateway" in healthy(tool).summary["changed"]
        assert tool.run("up").summary["changed"] == []

    def test_others_have_noticed_nothing(self, foreign: ForeignCluster, before: dict[str, Any]) -> None:
        assert strangers.difference(before["others"], strangers.to_the_byte(foreign)) == ""


class TestTeardown:
    def test_it_shows_what_it_will_remove_before_it_does_and_what_is_others_stays(
        self, tool: Tool, foreign: ForeignCluster
    ) -> None:
        """Somebody has come to rely on a namespace of ours, and on a definition of ours."""
        account = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late", "namespace": "istio-ingress"}}
        entry = {
            "apiVersion": "networking.istio.io/v1",
            "kind": "ServiceEntry",
            "metadata": {"name": "late", "namespace": "team-b"},
            "spec": {"hosts": ["example.org"], "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}]},
        }
        foreign.apply(account, entry)
        done = tool.run("teardown")
        assert done.code == 0, done.explain()
        order = [event["event"] for event in done.events]
        shown = {event["subject"] for event in done.of("stage-change")}
        assert order.index("removed") > max(place for place, name in enumerate(order) if name == "stage-change")
        outcome = {event["subject"]: event["outcome"] for event in done.of("removed")}
        surprises = {"Namespace istio-ingress", "Namespace istio-system"}
        assert {subject for subject, what in outcome.items() if what == "removed"} - shown <= {
            f"files in {tool.environment['XDG_STATE_HOME']}/canarylab/{tool.profile}",
            f"ConfigMap kube-system/canarylab-{tool.profile}",
        } | surprises
        assert outcome["Namespace istio-ingress"] == "left"
        assert outcome["CustomResourceDefinition serviceentries.networking.istio.io"] == "left"
        assert foreign.kubectl("-n", "team-b", "get", "serviceentry", "late", "-o", "name")

    def test_what_was_left_of_definitions_is_used_and_left_again(self, tool: Tool, foreign: ForeignCluster) -> None:
        """They are nobody's release now: Helm adopts them, and they were there before us."""
        assert tool.run("up", "--only", "istio-base").code == 0
        done = tool.run("teardown")
        outcome = {event["subject"]: event["outcome"] for event in done.of("removed")}
        assert outcome["CustomResourceDefinition serviceentries.networking.istio.io"] == "left"
        assert outcome["CustomResourceDefinition gateways.networking.istio.io"] == "removed"
        foreign.kubectl("delete", "-n", "team-b", "serviceentry", "late")
        foreign.kubectl("delete", "crd", "serviceentries.networking.istio.io")
        foreign.kubectl("delete", "-n", "istio-ingress", "configmap", "late")

    def test_killed_in_the_middle_of_it_the_next_one_goes_on(self, tool: Tool) -> None:
        healthy(tool)
        for stage in ("argo-rollouts", "istio-ingressgateway", "istiod", "istio-base"):
            with tool.started("teardown") as running:
                assert running.stdout is not None
                for line in running.stdout:
                    event = json.loads(line)
                    if event["event"] == "stage-started" and event["stage"] == stage:
                        break
                running.send_signal(signal.SIGKILL)
                running.wait(30)


class TestEnding(Ending):
    """Of the rest."""


class TestAfterwards:
    def test_nothing_of_ours_is_left_and_others_have_what_they_had(
        self, tool: Tool, foreign: ForeignCluster, before: dict[str, Any]
    ) -> None:
        assert strangers.everything(foreign) == before["there"]
        assert strangers.difference(before["others"], strangers.to_the_byte(foreign)) == ""
        assert not Path(tool.environment["XDG_STATE_HOME"]).exists()

    def test_no_field_of_any_object_is_still_ours(self, foreign: ForeignCluster) -> None:
        managed = foreign.every("namespaces,configmaps,services,customresourcedefinitions")
        entries = [entry for obj in managed for entry in obj["metadata"].get("managedFields", [])]
        # The tests' load balancer writes statuses by the tool's client, and so under its name.
        ours = [entry for entry in entries if entry["manager"].startswith("canarylab") and "subresource" not in entry]
        assert ours == []

    def test_the_registry_has_no_image_of_ours(self) -> None:
        for colour in ("blue", "yellow"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"http://{REGISTRY}/v2/team/argoproj/rollouts-demo/manifests/{colour}")


def _set_load_balancer(cluster: ForeignCluster, status: dict[str, Any] | None) -> None:
    """What a load balancer says of the gateway's Service."""
    patch = ("-n", "istio-ingress", "patch", "service", "istio-ingressgateway", "--subresource=status")
    cluster.kubectl(*patch, "--type=merge", "-p", json.dumps({"status": {"loadBalancer": status}}))


class _node:  # noqa: N801 - used as a word of a with statement
    """A node that exists in the API only, Ready for as long as nobody misses its heartbeat."""

    def __init__(self, cluster: ForeignCluster, architecture: str) -> None:
        self._cluster = cluster
        self._architecture = architecture

    def __enter__(self) -> None:
        self._cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "paper"}})
        ready = {"type": "Ready", "status": "True", "reason": "Paper", "message": "it only exists on paper"}
        info = {"architecture": self._architecture, "operatingSystem": "linux"}
        status = json.dumps({"status": {"conditions": [ready], "nodeInfo": info}})
        self._cluster.kubectl("patch", "node", "paper", "--subresource=status", "--type=merge", "-p", status)
        self._cluster.kubectl("patch", "node", "paper", "--type=merge", "-p", '{"spec": {"taints": null}}')

    def __exit__(self, *_: object) -> None:
        self._cluster.kubectl("delete", "node", "paper")


def _push_unlabelled(repository: str, tag: str) -> None:
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    with _ask("POST", f"{repository}/blobs/uploads/") as begun:
        place = begun.headers["Location"]
    separator = "&" if "?" in place else "?"
    _ask("PUT", f"{place}{separator}digest={digest}", config, "application/octet-stream").close()
    kind = "application/vnd.oci.image.manifest.v1+json"
    entry = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(config)}
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": entry, "layers": []}
    _ask("PUT", f"{repository}/manifests/{tag}", json.dumps(manifest).encode(), kind).close()


def _delete(repository: str, tag: str) -> None:
    accept = "application/vnd.oci.image.manifest.v1+json"
    request = urllib.request.Request(f"http://{REGISTRY}/v2/{repository}/manifests/{tag}", headers={"Accept": accept})
    with urllib.request.urlopen(request) as found:
        digest = found.headers["Docker-Content-Digest"]
    _ask("DELETE", f"{repository}/manifests/{digest}").close()


def _ask(method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Any:
    url = path if path.startswith("http://") else f"http://{REGISTRY}/v2/{path}"
    request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": kind})
    return urllib.request.urlopen(request, timeout=30)
