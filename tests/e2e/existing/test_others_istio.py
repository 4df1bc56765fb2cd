"""An Istio and an Argo Rollouts that somebody else installed: used where they fit, refused where they don't."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from scenario import healthy
from support.foreign_cluster import ForeignCluster
from tool import Ended, Tool

from canarylab.files import extract

_RELEASES = {
    "istio-base": ("base", "istio-system", ""),
    "istiod": ("istiod", "istio-system", "istiod.yaml"),
    "istio-ingressgateway": ("gateway", "istio-ingress", "istio-ingressgateway.yaml"),
}
_WATCHED = "deployments,services,configmaps,secrets,serviceaccounts,customresourcedefinitions"
"""Kinds in which something of Istio's or Argo's would have to change if it were upgraded."""


def _charts(tool: Tool) -> Path:
    return Path(tool.environment["XDG_CACHE_HOME"]) / "canarylab" / "charts"


def _laboratory(tool: Tool) -> Path:
    return Path(tool.flags[-1]).parents[1]


def _install(tool: Tool, cluster: ForeignCluster, release: str, chart: Path | None = None) -> None:
    """As its owner would, with what a playbook's values say."""
    name, namespace, values = _RELEASES[release]
    files = [_laboratory(tool) / "charts-values" / values] if values else []
    files += [overlay] if values and (overlay := files[0].with_suffix(".existing.yaml")).exists() else []
    words = [word for file in files for word in ("--values", str(file))]
    packaged = chart or next(_charts(tool).glob(f"{name}-*.tgz"))
    where = ("--namespace", namespace, "--create-namespace")
    cluster.helm("upgrade", "--install", release, str(packaged), *where, *words)


@pytest.fixture(scope="module", autouse=True)
def istio(tool: Tool, foreign: ForeignCluster) -> Iterator[None]:
    """All three releases, by the charts that a plan has fetched."""
    assert tool.run("plan").code == 0
    for release in _RELEASES:
        _install(tool, foreign, release)
    for namespace in ("istio-system", "istio-ingress"):
        foreign.kubectl("-n", namespace, "rollout", "status", "deployment", "--timeout=180s")
    yield
    tool.text("teardown")


def _state(cluster: ForeignCluster, *namespaces: str) -> dict[str, Any]:
    """What is wanted of everything in some namespaces and of Istio's definitions: versions of the specifications."""
    return {
        f"{obj['kind']} {obj['metadata'].get('namespace')}/{obj['metadata']['name']}": (
            obj["metadata"]["uid"],
            obj["metadata"].get("generation", obj["metadata"]["resourceVersion"]),
            obj["metadata"].get("labels"),
        )
        for obj in cluster.every(_WATCHED)
        if obj["metadata"].get("namespace") in namespaces or "istio.io" in obj["metadata"]["name"]
        if "control-plane.alpha.kubernetes.io/leader" not in obj["metadata"].get("annotations", {})
    }


def _refused(tool: Tool, cluster: ForeignCluster) -> str:
    """What `up` said before it changed anything."""
    before = _state(cluster, "istio-system", "istio-ingress", "default")
    refused: Ended = tool.run("up")
    assert refused.code == 1, refused.explain()
    assert refused.of("stage-started") == []
    assert _state(cluster, "istio-system", "istio-ingress", "default") == before
    return str(refused.events[-1]["message"])


def test_an_istio_that_fits_is_used_and_neither_upgraded_nor_removed(tool: Tool, foreign: ForeignCluster) -> None:
    before = _state(foreign, "istio-system", "istio-ingress")
    up = healthy(tool)
    assert set(up.summary["unchanged"]) >= set(_RELEASES)
    assert tool.text("status").returncode == 0
    assert tool.run("demo", timeout=600).code == 0
    done = tool.run("teardown")
    assert done.code == 0, done.explain()
    left = {event["subject"]: event["reason"] for event in done.of("removed") if event["outcome"] == "left"}
    for release, (_, namespace, _) in _RELEASES.items():
        assert "somebody else installed it" in left[f"release {namespace}/{release}"]
    assert _state(foreign, "istio-system", "istio-ingress") == before


def test_a_gateway_without_the_port_that_the_demo_needs_does_not_fit(tool: Tool, foreign: ForeignCluster) -> None:
    patch = '[{"op": "remove", "path": "/spec/ports/3"}]'
    words = ("-n", "istio-ingress", "patch", "service", "istio-ingressgateway")
    foreign.kubectl(*words, "--type=json", "-p", patch)
    assert "has no port 3000" in _refused(tool, foreign)
    _install(tool, foreign, "istio-ingressgateway")
    foreign.kubectl("-n", "istio-ingress", "rollout", "status", "deployment", "--timeout=180s")


def test_a_second_gateway_of_the_same_labels_is_not_opened_along_with_ours(tool: Tool, foreign: ForeignCluster) -> None:
    foreign.apply(_paused("shop-gateway", {"istio": "ingressgateway", "app": "shop-gateway"}))
    said = _refused(tool, foreign)
    assert "Gateway default/rollouts-demo-gateway would open its ports on somebody else's gateway" in said
    assert "Deployment team-a/shop-gateway" in said
    foreign.kubectl("-n", "team-a", "delete", "deployment", "shop-gateway")


def test_an_istio_that_is_too_old_does_not_fit(tool: Tool, foreign: ForeignCluster, tmp_path: Path) -> None:
    old = _renumbered(next(_charts(tool).glob("istiod-*.tgz")), "1.20.3", tmp_path)
    _install(tool, foreign, "istiod", old)
    foreign.kubectl("-n", "istio-system", "rollout", "status", "deployment", "--timeout=180s")
    said = _refused(tool, foreign)
    assert "release istio-system/istiod is there already, and doesn't fit" in said
    assert "version 1.20.3" in said
    assert tool.run("plan").code == 1, "a plan says so, too"


def test_an_istio_without_helm_is_used_as_well(tool: Tool, foreign: ForeignCluster) -> None:
    """istioctl and others apply objects that carry no mark of Helm's."""
    foreign.helm("uninstall", "istiod", "--namespace", "istio-system", "--wait")
    rendered = _rendered(tool, foreign)
    foreign.apply(*rendered)
    foreign.kubectl("-n", "istio-system", "rollout", "status", "deployment/istiod", "--timeout=180s")
    ended = tool.run("up", "--only", "istiod")
    assert ended.code == 0, ended.explain()
    assert "istiod" in ended.summary["unchanged"]
    tool.run("teardown")
    assert foreign.kubectl("-n", "istio-system", "get", "deployment", "istiod", "-o", "name")
    foreign.kubectl("delete", "-f", "-", stdin=yaml.safe_dump_all(rendered))


def _rendered(tool: Tool, cluster: ForeignCluster) -> list[dict[str, Any]]:
    chart = next(_charts(tool).glob("istiod-*.tgz"))
    values = _laboratory(tool) / "charts-values" / "istiod.yaml"
    words = ("template", "istiod", str(chart), "--namespace", "istio-system", "--values", str(values))
    return [obj for obj in yaml.safe_load_all(cluster.helm(*words)) if obj]


def test_another_istio_beside_ours_is_a_conflict(tool: Tool, foreign: ForeignCluster) -> None:
    """Under another name, of which none of the chart's objects would be in the way."""
    labels = {"app": "istiod", "istio.io/rev": "canary"}
    foreign.apply(_paused("istiod-canary", labels))
    assert "Deployment team-a/istiod-canary is another Istio" in _refused(tool, foreign)
    foreign.kubectl("-n", "team-a", "delete", "deployment", "istiod-canary")


def test_an_argo_rollouts_that_fits_is_used_and_left(tool: Tool, foreign: ForeignCluster) -> None:
    manifest = next(_charts(tool).glob("argo-rollouts-*.json"))
    objects = [_placed(obj) for obj in json.loads(manifest.read_text())]
    foreign.kubectl("create", "namespace", "their-argo")
    foreign.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(objects))
    foreign.kubectl("-n", "their-argo", "rollout", "status", "deployment", "--timeout=120s")
    before = _state(foreign, "their-argo")
    ended = tool.run("up", "--only", "argo-rollouts")
    assert ended.code == 0, ended.explain()
    assert "argo-rollouts" in ended.summary["unchanged"]
    done = tool.run("teardown", "--only", "argo-rollouts")
    left = [event for event in done.of("removed") if event["outcome"] == "left"]
    assert "Deployment their-argo/argo-rollouts" in left[0]["subject"]
    assert _state(foreign, "their-argo") == before


def test_an_argo_rollouts_of_one_namespace_does_not_fit(tool: Tool, foreign: ForeignCluster) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "argo-rollouts", "args": ["--namespaced"]}]}}}}
    foreign.kubectl("-n", "their-argo", "patch", "deployment", "argo-rollouts", "-p", json.dumps(patch))
    refused = tool.run("up", "--only", "argo-rollouts")
    assert refused.code == 1
    assert "its own namespace only" in refused.events[-1]["message"]


def _paused(name: str, labels: dict[str, str]) -> dict[str, Any]:
    """A Deployment of somebody's with these labels, which does nothing."""
    pod = {"containers": [{"name": "pause", "image": "localhost/k8s/pause:3.10"}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    meta = {"name": name, "namespace": "team-a", "labels": labels}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def _placed(obj: dict[str, Any]) -> dict[str, Any]:
    cluster_wide = obj["kind"] in ("CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding")
    meta = obj["metadata"] if cluster_wide else {**obj["metadata"], "namespace": "their-argo"}
    for container in obj.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
        container["imagePullPolicy"] = "IfNotPresent"  # it is there, and can't be looked up
    subjects = [{**subject, "namespace": "their-argo"} for subject in obj.get("subjects", [])]
    return {**obj, "metadata": meta, **({"subjects": subjects} if subjects else {})}


def _renumbered(packaged: Path, version: str, folder: Path) -> Path:
    """The same chart under another version."""
    extract(packaged, folder)
    name = packaged.name.split("-", 1)[0]
    file = folder / name / "Chart.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "version": version}))
    made = shutil.make_archive(str(folder / f"{name}-{version}"), "gztar", folder, name)
    return Path(made)
