from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from support.helm_records import record
from support.helm_world import UPGRADE, HelmWorld

from canarylab.commands.status import look_at
from canarylab.errors import StageError
from canarylab.events import StageChange
from canarylab.kube.objects import dig
from canarylab.kube.watch import Watch
from canarylab.stages import certificates
from canarylab.stages.kinds.helm_release import HelmReleaseOptions, HelmReleaseStage

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gateways.example.org}
spec: {}
"""


def stage(base=Path(), **options):
    written = HelmReleaseOptions(chart="istio/gateway", version="1.31.0", namespace="ns", **options)
    return HelmReleaseStage("gateway", written, base=base)


@pytest.fixture
def world(tmp_path):
    return HelmWorld(tmp_path)


def test_a_release_is_installed_and_the_second_time_there_is_nothing_to_do(world):
    assert world.up(stage()).state == "changed"
    assert world.up(stage()).state == "unchanged"
    assert sum(line.startswith(UPGRADE) for line in world.runner.commands) == 1


def test_helm_works_in_folders_of_the_profile(world, isolated_home):
    world.up(stage())
    environment = world.runner.given[-1]["env"]
    assert environment["NO_PROXY"] == "*", "a proxy must not get what is meant for the cluster"
    folders = {name: value for name, value in environment.items() if name.startswith("HELM_")}
    assert set(folders) == {"HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"}
    assert all(value.startswith(str(isolated_home / "state")) for value in folders.values())


def test_the_providers_values_are_laid_over_the_playbooks(world, tmp_path):
    (tmp_path / "v.yaml").write_text("{a: 1, b: 1}")
    (tmp_path / "v.fake.yaml").write_text("{b: 2}")
    assert world.up(stage(values="v.yaml")).state == "changed"
    assert f"--values {tmp_path}/v.yaml --values {tmp_path}/v.fake.yaml" in world.runner.commands[-1]
    assert world.up(stage(values="v.yaml")).state == "unchanged"


def test_changed_values_are_an_upgrade(world, tmp_path):
    (tmp_path / "v.yaml").write_text("a: 1")
    world.up(stage(values="v.yaml"))
    (tmp_path / "v.yaml").write_text("a: 2")
    assert world.up(stage(values="v.yaml")).state == "changed"
    assert "-a: 1\n+a: 2" in world.heard.of(StageChange)[-1].diff


def test_values_that_look_like_dates_are_text_as_for_helm(world, tmp_path):
    (tmp_path / "v.yaml").write_text("day: 2024-01-31")
    found = stage(tmp_path, values="v.yaml").observe(world.context())
    assert found.values == {"day": "2024-01-31"}


@pytest.mark.parametrize("status", ["pending-install", "pending-upgrade", "pending-rollback", "failed", "uninstalling"])
def test_an_interrupted_release_loses_its_unfinished_record_before_helm_runs(world, status):
    world.cluster.put(record(revision=1))
    world.cluster.put(record(revision=2, status=status))
    world.deploy()
    world.cluster.writes.clear()
    assert world.up(stage()).state == "changed"
    assert world.cluster.writes[0] == "delete Secret sh.helm.release.v1.gateway.v2"
    assert [secret["metadata"]["name"][-2:] for secret in world.records()] == ["v1", "v2"]


def test_a_drifted_object_is_seen_and_put_back(world):
    world.up(stage())
    world.cluster.objects[("apps/v1", "Deployment", "ns", "gateway")]["metadata"]["labels"]["app"] = "drifted"
    outcome = world.up(stage())
    assert (outcome.state, outcome.reason) == ("changed", "it was changed or deleted")
    assert "-    app: drifted\n+    app: gateway" in world.heard.of(StageChange)[-1].diff


def test_a_deleted_object_is_put_back(world):
    world.up(stage())
    world.cluster.delete("v1", "ServiceAccount", "gateway", "elsewhere")
    assert world.up(stage()).state == "changed"
    assert world.heard.of(StageChange)[-1].subject == "ServiceAccount elsewhere/gateway"


def test_definitions_and_webhooks_are_only_looked_for(world):
    world.cluster.put(record(manifest=CRD))
    [drift] = stage().observe(world.context()).drift
    assert "gateways.example.org" in drift.subject
    world.cluster.put(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "gateways.example.org"},
        }
    )
    assert stage().observe(world.context()).drift == ()


def test_other_releases_in_the_namespace_are_none_of_its_business(world):
    world.cluster.put(record(name="other", status="failed"))
    assert stage().observe(world.context()).newest is None


# -- health -----------------------------------------------------------------------------------------------------------


def test_health_is_that_of_its_deployments_with_the_cause(world):
    world.cluster.put(record())
    world.deploy(availableReplicas=0)
    world.cluster.put(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "gateway-1", "namespace": "ns", "labels": {"app": "gateway"}},
            "status": {
                "containerStatuses": [
                    {
                        "name": "istio-proxy",
                        "state": {"waiting": {"reason": "ErrImageNeverPull", "message": "not present"}},
                    }
                ]
            },
        }
    )
    assert stage().health(world.context()) == (
        "Deployment gateway: 0 of 1 pods available; "
        "Pod gateway-1, container istio-proxy: ErrImageNeverPull: not present"
    )


def _refused(world, message):
    """The chart's Deployment gets no pod."""
    world.cluster.put(record())
    world.deploy(availableReplicas=0)
    live = world.cluster.objects["apps/v1", "Deployment", "ns", "gateway"]
    live["status"]["conditions"] = [{"type": "ReplicaFailure", "status": "True", "message": message}]
    for key in [key for key in world.cluster.objects if key[1] == "Pod"]:
        del world.cluster.objects[key]


def test_pods_that_the_namespace_s_level_refuses_have_both_ways_out(world):
    _refused(
        world,
        'pods "gateway-1" is forbidden: violates PodSecurity "baseline:latest": non-default capabilities (container '
        '"istio-init" must not include "NET_ADMIN", "NET_RAW" in securityContext.capabilities.add)',
    )
    label = {"pod-security.kubernetes.io/enforce": "baseline"}
    world.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns", "labels": label}})
    ctx = world.context()
    assert "violates PodSecurity" in stage().health(ctx)
    found = stage().cause(ctx)
    assert found.permanent
    assert "which the level `baseline` of namespace ns forbids" in found.why
    assert "install Istio's CNI plugin" in found.remedy
    assert "label namespace ns pod-security.kubernetes.io/enforce=privileged --overwrite`" in found.remedy
    assert "demo --reset" not in found.remedy
    (seen,) = look_at(world.context(stage()), [stage()])
    assert seen["reason"].startswith(f"{found.why}; next: install Istio's CNI plugin")


def test_of_an_application_s_own_fault_its_template_is_named(world):
    _refused(world, 'pods "x" is forbidden: violates PodSecurity "restricted:v1.30": runAsNonRoot != true (pod "x")')
    assert "change Deployment gateway's template so that it meets `restricted`" in stage().cause(world.context()).remedy


def test_a_quota_that_pods_are_leaving_is_waited_for(world):
    said = 'pods "x" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1'
    _refused(world, said)
    world.cluster.kinds.add(("v1", "ResourceQuota"))
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": "ns"}}
    world.cluster.put({**quota, "spec": {"hard": {"pods": "1"}}})
    assert stage().cause(world.context()).permanent
    going = {"name": "old", "namespace": "ns", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    world.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": going})
    assert not stage().cause(world.context()).permanent


def test_where_nothing_is_refused_there_is_no_such_cause(world):
    world.cluster.put(record())
    world.deploy()
    assert stage().cause(world.context()) is None


@pytest.mark.parametrize(
    ("secrets", "reason"),
    [([], "release gateway isn't installed"), ([record(status="failed")], "release gateway is failed")],
)
def test_without_a_deployed_release_there_is_no_health(tmp_path, secrets, reason):
    assert stage().health(HelmWorld(tmp_path, *secrets).context()) == reason


def test_it_watches_the_workloads_of_its_namespace():
    assert {Watch("apps/v1", "Deployment", "ns"), Watch("v1", "Pod", "ns")} <= set(stage().watches())


# -- removal ----------------------------------------------------------------------------------------------------------


def test_it_is_uninstalled_by_helm_and_reported_with_the_number_of_its_objects(world):
    world.up(stage())
    [removal] = stage().remove(world.context())
    assert (removal.subject, removal.outcome) == ("release ns/gateway with 2 objects", "removed")
    assert stage().remove(world.context()) == []


def test_status_shows_chart_and_revision(world):
    assert stage().facts(world.context()) == {}
    world.up(stage())
    assert stage().facts(world.context()) == {"chart": "gateway 1.31.0", "revision": 1}


# -- the playbook -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no "),
        (b"a: [1", "not YAML: "),
        (b"- 1", "values must be one mapping"),
        (b"a: 1\n---\nb: 1", "values must be one mapping"),
        (b"\xff\xfe\x00", "can't be read as YAML"),
        (b"a: \x07", "can't be read as YAML"),
    ],
)
def test_wrong_values_are_refused_before_anything_is_changed(tmp_path, content, said):
    if content is not None:
        (tmp_path / "v.yaml").write_bytes(content)
    with pytest.raises(StageError) as caught:
        stage(tmp_path, values="v.yaml").check()
    assert said in str(caught.value)
    assert str(tmp_path / "v.yaml") in str(caught.value)
    assert "next: fix the " in str(caught.value)


@pytest.mark.parametrize("content", ["", "# nothing yet\n", "null\n"])
def test_a_file_without_values_is_fine(tmp_path, content):
    (tmp_path / "v.yaml").write_text(content)
    stage(tmp_path, values="v.yaml").check()


def test_chart_version_and_namespace_are_required():
    with pytest.raises(ValidationError) as caught:
        HelmReleaseOptions.model_validate({"charts": "istio/base"})
    assert {error["loc"][0] for error in caught.value.errors()} == {"chart", "version", "namespace", "charts"}


class TestAnEarlierAuthority:
    """Namespace istio-system was deleted and brought back: the gateway's proxies trust another root than istiod's."""

    RESTARTED = ("spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt")

    @pytest.fixture
    def world(self, world, monkeypatch):
        world.up(stage())

        def is_outdated(ctx, obj):
            live = ctx.cluster.get(obj["apiVersion"], obj["kind"], "gateway", "ns")
            return obj["kind"] == "Deployment" and not dig(live, *self.RESTARTED)

        monkeypatch.setattr(certificates, "is_outdated", is_outdated)
        return world

    def test_its_pods_are_made_anew_and_helm_is_not_called(self, world):
        done = len(world.runner.commands)
        observed = stage().observe(world.context())
        [change] = stage().changes(observed)
        assert change.subject == "Deployment ns/gateway"
        assert change.reason.startswith("its pods still have certificates of the authority before istiod's present one")
        stage().apply(world.context(), observed)
        assert not any(line.startswith(UPGRADE) for line in world.runner.commands[done:])
        assert dig(world.cluster.objects["apps/v1", "Deployment", "ns", "gateway"], *self.RESTARTED)
        assert not stage().observe(world.context()).outdated
