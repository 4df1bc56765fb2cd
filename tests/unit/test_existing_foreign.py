"""What somebody else installed, on a cluster that isn't ours: used if it fits, refused if not, never changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from support.borrowed import BorrowedProvider
from support.fake_cluster import FakeCluster
from support.helm_records import record
from support.helm_world import HelmWorld
from support.runs import Heard, context_of

from canarylab.engine import bring_up
from canarylab.errors import StageError
from canarylab.kube.objects import OWNER_LABEL
from canarylab.ownership import foreign
from canarylab.ownership.foreign import ConflictError
from canarylab.ownership.helm_removal import found_label
from canarylab.removal import Removal
from canarylab.stages.kinds.argo_rollouts import ArgoRolloutsOptions, ArgoRolloutsStage
from canarylab.stages.kinds.helm_release import HelmReleaseOptions, HelmReleaseStage
from canarylab.stages.kinds.manifests import ManifestsOptions, ManifestsStage

ROLLOUT = ("argoproj.io/v1alpha1", "Rollout")
GATEWAY = ("networking.istio.io/v1", "Gateway")
MARKS = {"meta.helm.sh/release-name": "gateway", "meta.helm.sh/release-namespace": "ns"}
RENDERED = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: gateway, labels: {app: istiod}}
spec:
  selector: {matchLabels: {app: gateway}}
  template: {spec: {containers: [{name: a, image: "docker.io/istio/pilot:1.31.0"}]}}
---
apiVersion: v1
kind: Service
metadata: {name: gateway}
spec: {ports: [{port: 80}, {port: 3000}]}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
"""


def stage(chart="istio/gateway"):
    return HelmReleaseStage("gateway", HelmReleaseOptions(chart=chart, version="1.31.0", namespace="ns"))


@pytest.fixture
def world(tmp_path):
    """A Helm world whose cluster is somebody else's."""
    made = HelmWorld(tmp_path)
    charts = made.provider.charts
    made.provider = BorrowedProvider(made.cluster)
    made.provider.charts = charts
    made.runner.known["/programs/helm template gateway"] = RENDERED
    return made


def theirs(world, image="docker.io/istio/pilot:1.31.2", ports=(80, 3000), **status):
    """Have the chart's objects there, without Helm's marks."""
    rendered = {obj["kind"]: obj for obj in yaml.safe_load_all(RENDERED)}
    healthy = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, **status}
    for kind, change in (
        ("Deployment", {"status": healthy}),
        ("Service", {"spec": {"ports": [{"port": port} for port in ports]}}),
        ("CustomResourceDefinition", {}),
    ):
        obj = rendered[kind]
        place = {} if kind == "CustomResourceDefinition" else {"namespace": "ns"}
        world.cluster.put({**obj, "metadata": {**obj["metadata"], **place}, **change})
    deployment = world.cluster.objects[("apps/v1", "Deployment", "ns", "gateway")]
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = image
    world.cluster.put_pod("ns", {"app": "gateway"})


# -- versions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "fits"),
    [
        ("1.31.0", True),
        ("v1.31.5", True),
        ("1.32.0-rc.1", True),
        ("1.31.0-eed52ebb66ad", True),
        ("1.30.9", False),
        ("2.31.0", False),
        ("latest", False),
        ("", False),
    ],
)
def test_a_version_fits_from_the_playbooks_minor_on(found, fits):
    assert foreign.is_at_least(found, "1.31.0") == fits


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("docker.io/istio/pilot:1.31.0", "1.31.0"),
        ("registry:5000/pilot:v1.2.3", "1.2.3"),
        ("registry:5000/pilot", None),
        ("auto", None),
        ("x:latest", None),
        ("x:1.2@sha256:00", "1.2"),
    ],
)
def test_a_version_is_read_from_the_tag(image, version):
    assert foreign.version_of({"spec": {"template": {"spec": {"containers": [{"image": image}]}}}}) == version


# -- releases ---------------------------------------------------------------------------------------------------------


def test_our_release_carries_our_label_and_the_namespace_that_we_made_for_it_too(world):
    assert world.up(stage()).state == "changed"
    assert f"--labels {OWNER_LABEL}=unit-test" in world.runner.commands[-1]
    assert world.cluster.get("v1", "Namespace", "ns")["metadata"]["labels"] == {OWNER_LABEL: "unit-test"}


@pytest.mark.parametrize("is_theirs", [True, False])
def test_the_chart_is_rendered_once_a_run_however_often_it_is_looked_at(world, is_theirs):
    if is_theirs:
        theirs(world)
    world.up(stage())
    stage().health(world.context())
    assert len([line for line in world.runner.commands if " template " in line]) == 1


def test_somebody_elses_release_that_fits_is_used_and_left(world):
    world.cluster.put(record(version="1.32.1"))
    world.deploy()
    theirs(world)
    world.cluster.writes.clear()
    assert world.up(stage()).state == "unchanged"
    fits = "release ns/gateway (gateway 1.32.1) is somebody else's, and fits: it is used as it is"
    assert set(world.heard.progress) == {fits}
    assert stage().health(world.context()) is None
    assert stage().facts(world.context())["installed by"] == "somebody else"
    for looked in (stage().removals(world.context()), stage().remove(world.context())):
        assert [(removal.subject, removal.outcome) for removal in looked] == [("release ns/gateway", "left")]
    assert world.cluster.writes == []
    assert not [line for line in world.runner.commands if "upgrade" in line or "uninstall" in line]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"version": "1.30.0"}, "version 1.30.0"),
        ({"chart": {"metadata": {"name": "other", "version": "1.31.0"}}}, "chart is other"),
        ({"status": "failed"}, "it is failed"),
    ],
)
def test_somebody_elses_release_that_does_not_fit_is_a_conflict(world, content, reason):
    world.cluster.put(record(**content))
    world.deploy()
    with pytest.raises(ConflictError) as caught:
        stage().observe(world.context())
    assert "release ns/gateway " in caught.value.what
    assert reason in str(caught.value.why)
    assert caught.value.remedy


def test_a_release_that_is_not_in_health_does_not_fit(world):
    world.cluster.put(record())
    world.deploy(availableReplicas=0)
    with pytest.raises(ConflictError) as caught:
        stage().observe(world.context())
    assert (caught.value.where, caught.value.why) == ("stage gateway", "Deployment gateway: 0 of 1 pods available")


def test_a_release_without_the_ports_that_are_asked_for_does_not_fit(world):
    world.cluster.put(record())
    theirs(world, ports=(80,))
    account = {"name": "gateway", "namespace": "elsewhere"}
    world.cluster.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    with pytest.raises(ConflictError) as caught:
        stage().observe(world.context())
    assert str(caught.value.why).startswith("Service ns/gateway has no port 3000")


def test_a_release_of_another_profile_is_somebody_elses(world):
    secret = record()
    secret["metadata"]["labels"][OWNER_LABEL] = "another"
    world.cluster.put(secret)
    [removal] = stage().remove(world.context())
    assert (removal.outcome, removal.reason) == ("left", "it is profile another's")


def test_on_a_cluster_of_our_own_a_release_without_the_label_is_ours(tmp_path):
    """As an older version of this tool made it."""
    world = HelmWorld(tmp_path, record())
    world.deploy()
    assert world.up(stage()).state == "unchanged"
    assert stage().remove(world.context())[0].outcome == "removed"


# -- without Helm -----------------------------------------------------------------------------------------------------


def test_what_was_installed_without_helm_is_used_if_it_fits(world):
    theirs(world)
    world.cluster.writes.clear()
    assert world.up(stage()).state == "unchanged"
    [fits] = set(world.heard.progress)
    assert "installed without Helm, or by another release" in fits
    assert stage().health(world.context()) is None
    assert stage().remove(world.context()) == []
    assert world.cluster.writes == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"image": "docker.io/istio/pilot:1.20.0"}, "Deployment ns/gateway is version 1.20.0"),
        ({"image": "docker.io/istio/pilot"}, "Deployment ns/gateway doesn't say which version"),
        ({"ports": (80,)}, "Service ns/gateway has no port 3000"),
        ({"availableReplicas": 0}, "Deployment gateway: 0 of 1 pods available"),
    ],
)
def test_what_was_installed_without_helm_and_does_not_fit_is_a_conflict(world, change, reason):
    theirs(world, **change)
    with pytest.raises(ConflictError) as caught:
        stage().observe(world.context())
    assert str(caught.value.why).startswith(reason)


def test_a_name_that_is_taken_by_something_else_is_a_conflict(world):
    theirs(world)
    for key in [key for key in world.cluster.objects if key[1] in ("Deployment", "CustomResourceDefinition")]:
        del world.cluster.objects[key]
    with pytest.raises(ConflictError) as caught:
        stage().observe(world.context())
    assert caught.value.what.startswith("Service ns/gateway ")
    for lacking in ("Deployment ns/gateway", "CustomResourceDefinition things.example.org"):
        assert lacking in str(caught.value.why)


def test_what_helm_left_of_an_uninstalled_release_of_that_name_is_no_conflict(world):
    for obj in yaml.safe_load_all(RENDERED):
        if obj["kind"] == "CustomResourceDefinition":
            world.cluster.put({**obj, "metadata": {**obj["metadata"], "annotations": MARKS}})
    world.up(stage())
    assert f"--labels {found_label('things.example.org')}=true" in world.runner.commands[-1]


def test_a_second_control_plane_is_a_conflict(world):
    meta = {"name": "istiod-canary", "namespace": "mesh", "labels": {"app": "istiod"}}
    world.cluster.put({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {}})
    with pytest.raises(ConflictError) as caught:
        stage().observe(world.context())
    assert caught.value.what.startswith("Deployment mesh/istiod-canary ")


# -- Argo Rollouts ----------------------------------------------------------------------------------------------------


def controller(namespace="theirs", version="v1.10.4", labels=None, args=(), available=1):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "argo-rollouts",
            "namespace": namespace,
            "labels": {"app.kubernetes.io/name": "argo-rollouts", **(labels or {})},
        },
        "spec": {
            "selector": {"matchLabels": {"app": "argo"}},
            "template": {"spec": {"containers": [{"image": f"x/argo-rollouts:{version}", "args": list(args)}]}},
        },
        "status": {"replicas": 1, "updatedReplicas": 1, "availableReplicas": available},
    }


@pytest.fixture
def argo(tmp_path):
    """The stage and a context, for a cluster with these objects."""
    manifest = tmp_path / "install.json"
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "argo-rollouts"}}
    manifest.write_text(json.dumps([account]))
    wanted = ArgoRolloutsStage("argo-rollouts", ArgoRolloutsOptions(version="1.10.1"))

    def make(*objects):
        cluster = FakeCluster(*objects)
        cluster.put_pod("theirs", {"app": "argo"})
        provider = BorrowedProvider(cluster)
        provider.manifest = manifest
        return wanted, context_of(wanted, provider=provider), cluster

    return make


def test_somebody_elses_argo_rollouts_that_fits_is_used_and_left(argo):
    wanted, ctx, cluster = argo(controller())
    heard = Heard()
    ctx.emit = heard.append
    assert bring_up.up(ctx, [wanted]).outcomes["argo-rollouts"].state == "unchanged"
    fits = "Deployment theirs/argo-rollouts (1.10.4) is somebody else's, and fits: it is used as it is"
    assert set(heard.progress) == {fits}
    assert wanted.health(ctx) is None
    assert wanted.remove(ctx) == wanted.removals(ctx)
    assert wanted.remove(ctx) == [
        Removal("Argo Rollouts, Deployment theirs/argo-rollouts", "left", "somebody else installed it")
    ]
    assert cluster.writes == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": "v1.8.0"}, "version is 1.8.0"),
        ({"version": "latest"}, "version is unknown"),
        ({"args": ["--namespaced"]}, "its own namespace only"),
        ({"available": 0}, "0 of 1 pods available"),
    ],
)
def test_somebody_elses_argo_rollouts_that_does_not_fit_is_a_conflict(argo, change, reason):
    wanted, ctx, _ = argo(controller(**change))
    with pytest.raises(ConflictError) as caught:
        wanted.observe(ctx)
    assert "Deployment theirs/argo-rollouts" in caught.value.what
    assert reason in str(caught.value.why)


def test_our_own_argo_rollouts_is_no_strangers(argo):
    wanted, ctx, _ = argo(controller(labels={OWNER_LABEL: "unit-test"}))
    assert bring_up.up(ctx, [wanted]).outcomes["argo-rollouts"].state == "changed"


def test_its_namespace_may_be_there_already_and_stays(argo):
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argo-rollouts"}}
    wanted, ctx, cluster = argo(space)
    assert bring_up.up(ctx, [wanted]).outcomes["argo-rollouts"].state == "changed"
    assert cluster.get("v1", "Namespace", "argo-rollouts") == space
    wanted.remove(ctx)
    assert cluster.get("v1", "Namespace", "argo-rollouts") == space


# -- manifests --------------------------------------------------------------------------------------------------------


@pytest.fixture
def manifests(tmp_path):
    meta = {"name": "ours", "namespace": "default"}
    gateway = {"apiVersion": GATEWAY[0], "kind": "Gateway", "metadata": meta, "spec": {"selector": {"istio": "in"}}}
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(gateway))
    return ManifestsStage("app", ManifestsOptions(path="m.yaml"))


def workload(kind, labels, annotations=None):
    meta = {"name": "shop", "namespace": "ns", "annotations": annotations or {}}
    spec = {"template": {"metadata": {"labels": labels}}}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": spec}


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet"])
def test_a_gateway_that_would_open_somebody_elses_too_is_a_conflict(manifests, tmp_path, kind):
    cluster = FakeCluster(workload(kind, {"istio": "in", "app": "shop"}), kinds=[GATEWAY])
    with pytest.raises(ConflictError, match=f"Gateway default/ours .*{kind} ns/shop"):
        manifests.observe(context_of(manifests, provider=BorrowedProvider(cluster), base=tmp_path))


@pytest.mark.parametrize(("labels", "annotations"), [({"istio": "other"}, {}), ({"istio": "in"}, MARKS)])
def test_a_gateway_for_the_playbooks_own_release_is_fine(manifests, tmp_path, labels, annotations):
    cluster = FakeCluster(workload("Deployment", labels, annotations), kinds=[GATEWAY])
    ctx = context_of(manifests, stage(), provider=BorrowedProvider(cluster), base=tmp_path)
    assert manifests.observe(ctx)


def test_an_object_of_another_profile_is_neither_changed_nor_removed(manifests, tmp_path):
    meta: dict[str, Any] = {"name": "ours", "namespace": "default", "labels": {OWNER_LABEL: "another"}}
    meta["managedFields"] = [{"manager": "canarylab/app"}]
    cluster = FakeCluster({"apiVersion": GATEWAY[0], "kind": "Gateway", "metadata": meta, "spec": {}}, kinds=[GATEWAY])
    ctx = context_of(manifests, provider=BorrowedProvider(cluster), base=tmp_path)
    with pytest.raises(StageError, match="it is profile another's"):
        manifests.observe(ctx)
    assert [removal.outcome for removal in manifests.remove(ctx)] == ["left"]
