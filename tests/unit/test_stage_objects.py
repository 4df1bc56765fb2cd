"""The kinds that apply Kubernetes objects: manifests and argo-rollouts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.fake_time import FakeTime
from support.runs import Heard, context_of

from canarylab.engine import bring_up
from canarylab.errors import PlaybookError, StageError
from canarylab.events import StageChange, StageProgress
from canarylab.kube.client import ApiError
from canarylab.kube.objects import OWNER_LABEL
from canarylab.kube.watch import Watch
from canarylab.playbook.reading import read_playbook
from canarylab.removal import Removal
from canarylab.stages import unknown_kind
from canarylab.stages.kinds.argo_rollouts import ArgoRolloutsOptions, ArgoRolloutsStage
from canarylab.stages.kinds.manifests import ManifestsOptions, ManifestsStage

ROLLOUT = ("argoproj.io/v1alpha1", "Rollout")
OBJECTS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: blue}
---
apiVersion: v1
kind: Namespace
metadata: {name: extra}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "objects.yaml").write_text(OBJECTS)
    return tmp_path


@pytest.fixture
def cluster():
    return FakeCluster(kinds=[ROLLOUT])


def stage(base=Path(), **options):
    return ManifestsStage("app", ManifestsOptions.model_validate({"path": "m", **options}), base=base)


def up(wanted, cluster, base, heard=None, provider=None):
    ctx = context_of(
        wanted,
        provider=provider or FakeProvider(cluster),
        base=base,
        emit=(heard if heard is not None else Heard()).append,
        cancel=FakeTime(),
    )
    return bring_up.up(ctx, [wanted]).outcomes[wanted.name]


def config_map(cluster):
    return cluster.get("v1", "ConfigMap", "settings", "default")


# -- manifests --------------------------------------------------------------------------------------------------------


def test_objects_are_applied_with_our_label_in_the_stages_namespace_and_only_once(folder, cluster):
    assert up(stage(), cluster, folder).state == "changed"
    live = config_map(cluster)
    assert live["metadata"]["labels"] == {OWNER_LABEL: "unit-test"}
    assert "namespace" not in cluster.get("v1", "Namespace", "extra")["metadata"]
    assert up(stage(), cluster, folder).state == "unchanged"
    assert cluster.writes == ["apply Namespace extra as canarylab/app", "apply ConfigMap settings as canarylab/app"]


def test_a_namespace_that_an_object_names_itself_is_kept(folder, cluster):
    (folder / "m" / "objects.yaml").write_text(
        OBJECTS.replace("{name: settings}", "{name: settings, namespace: other}")
    )
    up(stage(namespace="mine"), cluster, folder)
    assert cluster.get("v1", "ConfigMap", "settings", "other")
    assert not cluster.get("v1", "ConfigMap", "settings", "mine")


def test_a_drifted_field_is_shown_and_put_back(folder, cluster):
    up(stage(), cluster, folder)
    cluster.objects[("v1", "ConfigMap", "default", "settings")]["data"]["color"] = "drifted"
    heard = Heard()
    assert up(stage(), cluster, folder, heard).state == "changed"
    [change] = heard.of(StageChange)
    assert (change.action, change.subject) == ("update", "ConfigMap default/settings")
    assert "-  color: drifted\n+  color: blue" in change.diff
    assert config_map(cluster)["data"] == {"color": "blue"}


def test_a_field_that_is_no_longer_wanted_is_taken_back(folder, cluster):
    up(stage(), cluster, folder)
    (folder / "m" / "objects.yaml").write_text(OBJECTS.replace("color: blue", "size: big"))
    assert up(stage(), cluster, folder).state == "changed"
    assert config_map(cluster)["data"] == {"size": "big"}


def test_fields_of_others_stay(folder, cluster):
    up(stage(), cluster, folder)
    cluster.objects[("v1", "ConfigMap", "default", "settings")]["data"]["theirs"] = "x"
    assert up(stage(), cluster, folder).state == "unchanged"
    assert config_map(cluster)["data"]["theirs"] == "x"


def test_fields_that_are_left_to_others_are_set_once(folder, cluster):
    wanted = stage(**{"ignore-differences": [{"kind": "ConfigMap", "fields": ["data.color"]}]})
    up(wanted, cluster, folder)
    assert config_map(cluster)["data"] == {"color": "blue"}
    cluster.objects[("v1", "ConfigMap", "default", "settings")]["data"]["color"] = "yellow"
    assert up(wanted, cluster, folder).state == "unchanged"
    (folder / "m" / "objects.yaml").write_text(OBJECTS.replace("{color: blue}", "{color: blue, size: big}"))
    assert up(wanted, cluster, folder).state == "changed"
    assert config_map(cluster)["data"] == {"color": "yellow", "size": "big"}


def test_what_somebody_sets_between_observing_and_applying_is_kept(folder, cluster):
    wanted = stage(**{"ignore-differences": [{"kind": "ConfigMap", "fields": ["data.color"]}]})
    up(wanted, cluster, folder)
    (folder / "m" / "objects.yaml").write_text(OBJECTS.replace("{color: blue}", "{color: blue, size: big}"))
    ctx = context_of(wanted, provider=FakeProvider(cluster), base=folder)
    observed = wanted.observe(ctx)
    cluster.objects[("v1", "ConfigMap", "default", "settings")]["data"]["color"] = "yellow"
    wanted.apply(ctx, observed)
    assert config_map(cluster)["data"] == {"color": "yellow", "size": "big"}


def test_what_somebody_else_made_is_neither_changed_nor_deleted(folder, cluster):
    foreign = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "default"},
        "data": {},
    }
    cluster.put(foreign)
    outcome = up(stage(), cluster, folder)
    assert outcome.state == "failed"
    assert "ConfigMap default/settings is there already, and this tool didn't make it" in outcome.reason
    assert cluster.writes == []
    removals = stage(folder).remove(context_of(cluster=cluster, base=folder))
    assert [removal.outcome for removal in removals] == ["left"]
    assert cluster.objects[("v1", "ConfigMap", "default", "settings")] == foreign


def test_a_kind_whose_definition_comes_with_it_is_waited_for(folder, cluster):
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.org"},
        "spec": {"group": "example.org", "names": {"kind": "Thing"}, "versions": [{"name": "v1"}]},
    }
    thing = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "t"}}
    (folder / "m" / "objects.yaml").write_text(yaml.safe_dump_all([thing, definition]))
    assert up(stage(), cluster, folder).state == "changed"
    assert [line.split()[1] for line in cluster.writes] == ["CustomResourceDefinition", "Thing"]


POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: shell, namespace: extra}\nspec: {containers: []}\n"


def test_a_pod_waits_for_the_service_account_of_a_namespace_made_a_moment_ago(folder, cluster):
    (folder / "m" / "pod.yaml").write_text(POD)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "extra"}}
    pod_before = []

    def controller_makes_it():
        pod_before.append(cluster.get("v1", "Pod", "shell", "extra"))
        cluster.put(account)

    cluster.pending.append(controller_makes_it)

    up(stage(), cluster, folder)

    assert pod_before == [None]
    assert cluster.get("v1", "Pod", "shell", "extra") is not None


def test_a_namespace_without_a_service_account_ends_at_the_deadline_and_says_what_is_missing(folder, cluster):
    (folder / "m" / "pod.yaml").write_text(POD)

    error = up(stage(), cluster, folder).error

    assert error.what == "no pod can be made in Namespace extra"
    assert "service account `default`" in error.why


def test_a_pod_that_names_its_service_account_waits_for_no_other(folder, cluster):
    (folder / "m" / "pod.yaml").write_text(POD.replace("containers", "serviceAccountName: mine, containers"))

    up(stage(), cluster, folder)

    assert cluster.get("v1", "Pod", "shell", "extra") is not None


def test_whether_a_kind_lives_in_namespaces_is_what_the_api_says(folder, cluster):
    spec = {"group": "example.org", "names": {"kind": "Thing"}, "scope": "Cluster", "versions": [{"name": "v1"}]}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.org"},
        "spec": spec,
    }
    thing = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "t"}}
    (folder / "m" / "objects.yaml").write_text(yaml.safe_dump_all([thing, definition]))
    assert up(stage(), cluster, folder).state == "changed", "its kind is known only once its definition was applied"
    assert "namespace" not in cluster.get("example.org/v1", "Thing", "t")["metadata"]
    assert up(stage(), cluster, folder).state == "unchanged"


UNKNOWN = "{apiVersion: %s, kind: Bar, metadata: {name: x}}"


@pytest.mark.parametrize(
    ("api_version", "why"),
    [
        (
            "foo.example/v1",
            "no CustomResourceDefinition of group foo.example is in the cluster, and none in this stage",
        ),
        ("apps/v1", "apps/v1 is Kubernetes' own, and has no such kind"),
    ],
)
def test_a_kind_that_nothing_defines_is_given_up_early_with_its_file(folder, cluster, api_version, why):
    (folder / "m" / "bar.yaml").write_text(UNKNOWN % api_version)
    heard = Heard()
    outcome = up(stage(), cluster, folder, heard)
    assert f"waiting for the definition of Bar in {api_version}" in [event.message for event in heard.of(StageProgress)]
    assert outcome.error.where == f"{folder}/m/bar.yaml"
    assert outcome.error.what.startswith("Bar default/x ")
    assert outcome.error.why.startswith(why)
    assert "kind and apiVersion" in outcome.error.remedy


def test_a_kind_whose_group_has_definitions_is_waited_for_until_the_deadline(folder, cluster):
    spec = {"group": "foo.example", "names": {"kind": "Baz"}, "versions": [{"name": "v1"}]}
    meta = {"name": "bazzes.foo.example"}
    api_version = "apiextensions.k8s.io/v1"
    cluster.put({"apiVersion": api_version, "kind": "CustomResourceDefinition", "metadata": meta, "spec": spec})
    body = {"apiVersion": "foo.example/v1", "kind": "Bar", "metadata": {"name": "x"}}
    cancel = FakeTime()
    ctx = context_of(cluster=cluster, base=folder, cancel=cancel).for_stage("app", cancel.now() + 300)
    with pytest.raises(StageError, match=r"the definitions of group foo.example are those of Baz \(v1\)"):
        unknown_kind.await_definition(ctx, body, "here")
    assert cancel.slept == pytest.approx(300, abs=0.5)  # the last of its short sleeps may go beyond
    cluster.kinds.add(("foo.example/v1", "Bar"))
    unknown_kind.await_definition(ctx, body, "here")


def test_objects_are_removed_last_first_and_a_second_time_there_is_nothing(folder, cluster):
    up(stage(), cluster, folder)
    ctx = context_of(cluster=cluster, base=folder)
    assert stage(folder).remove(ctx) == [
        Removal("ConfigMap default/settings", "removed"),
        Removal("Namespace extra", "removed"),
    ]
    assert stage(folder).remove(ctx) == []


def test_what_cannot_be_deleted_is_reported_and_the_rest_goes_on(folder, cluster):
    up(stage(), cluster, folder)
    cluster.refused["delete ConfigMap settings"] = ApiError("forbidden", 403, where="DELETE")
    outcomes = {
        removal.subject: removal.outcome for removal in stage(folder).remove(context_of(cluster=cluster, base=folder))
    }
    assert outcomes == {"ConfigMap default/settings": "failed", "Namespace extra": "removed"}


def test_objects_of_kinds_that_are_gone_are_gone_too(folder):
    (folder / "m" / "objects.yaml").write_text("{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: r}}")
    assert stage(folder).remove(context_of(cluster=FakeCluster(), base=folder)) == []


def test_a_date_in_a_manifest_is_text(folder, cluster):
    (folder / "m" / "objects.yaml").write_text(OBJECTS.replace("color: blue", "day: 2024-01-31"))
    up(stage(), cluster, folder)
    assert config_map(cluster)["data"] == {"day": "2024-01-31"}


def test_a_single_file_and_both_endings_are_read_and_nothing_else(folder, cluster):
    (folder / "m" / "b.yml").write_text(OBJECTS.replace("settings", "other"))
    (folder / "m" / "notes.txt").write_text("{not yaml")
    up(stage(), cluster, folder)
    assert len(cluster.list("v1", "ConfigMap")) == 2
    assert up(stage(path="m/b.yml"), cluster, folder).state == "unchanged"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [", "not YAML"),
        (b"\n\nhosts: [*.a.com]", "objects.yaml:3: not YAML"),
        (b"a: \x00", "can't be read as YAML"),
        (b"\xff\xfe\x00", "can't be read as YAML"),
        (b"- 1", "document 1 isn't a Kubernetes object"),
        (b"{apiVersion: v1, kind: X, metadata: {name: x}}\n---\njust text", "document 2 isn't a Kubernetes object"),
        (b"{apiVersion: v1, kind: X}", "lacks apiVersion, kind or metadata.name"),
        (b"{apiVersion: v1, kind: X, metadata: null}", "lacks apiVersion, kind or metadata.name"),
        (b"{apiVersion: v1, kind: X, metadata: {labels: {}}}", "lacks apiVersion, kind or metadata.name"),
    ],
)
def test_what_is_no_manifest_is_refused_before_anything_is_changed(folder, content, said):
    (folder / "m" / "objects.yaml").write_bytes(content)
    with pytest.raises(StageError) as caught:
        stage(folder).check()
    assert said in str(caught.value)
    assert "objects.yaml" in str(caught.value)


@pytest.mark.parametrize("content", [None, "# nothing yet\n---\n"])
def test_a_folder_without_a_manifest_is_refused(tmp_path, content):
    (tmp_path / "m").mkdir()
    if content:
        (tmp_path / "m" / "objects.yaml").write_text(content)
    with pytest.raises(StageError, match=f"manifest in {tmp_path}/m") as caught:
        stage(tmp_path).check()
    assert caught.value.where == "stage app, path"


def test_what_is_wrong_with_a_path_names_the_playbooks_line_and_no_detours(tmp_path):
    playbook = tmp_path / "p.yaml"
    playbook.write_text("name: p\nstages:\n  app:\n    kind: manifests\n    path: x/../m\n")
    document = read_playbook(playbook).below("stages", "app")
    written = ManifestsStage("app", ManifestsOptions(path="x/../m"), document=document, base=tmp_path)
    with pytest.raises(PlaybookError) as caught:
        written.check()
    assert caught.value.where == f"{playbook}:5: stages.app.path"
    assert caught.value.what.endswith(f" {tmp_path}/m")
    assert caught.value.remedy


def test_a_path_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(StageError) as caught:
        stage(tmp_path).check()
    assert caught.value.where == "stage app, path"
    assert caught.value.what.endswith(f" {tmp_path}/m")


@pytest.mark.parametrize("field", ["", "a..b", "a[", ".a"])
def test_a_field_that_could_lead_nowhere_is_refused_in_the_playbook(field):
    with pytest.raises(ValidationError):
        ManifestsOptions.model_validate({"path": "m", "ignore-differences": [{"kind": "Rollout", "fields": [field]}]})


# -- health -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [("apps/v1", "Deployment"), ROLLOUT])
def test_what_runs_pods_is_healthy_once_they_are_and_else_names_the_cause(folder, cluster, kind):
    workload = {
        "apiVersion": kind[0],
        "kind": kind[1],
        "metadata": {"name": "w", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "w"}}},
    }
    (folder / "m" / "objects.yaml").write_text(yaml.safe_dump(workload))
    ctx = context_of(cluster=cluster, base=folder)
    assert stage(folder).health(ctx) == f"{kind[1]} w isn't there"
    cluster.put(workload)
    waiting = {"waiting": {"reason": "ErrImageNeverPull", "message": "no such image"}}
    cluster.put_pod("default", {"app": "w"}, ready=False, containerStatuses=[{"name": "c", "state": waiting}])
    assert str(stage(folder).health(ctx)).endswith("; Pod default-pod, container c: ErrImageNeverPull: no such image")
    up_to_date = {"phase": "Healthy", "observedGeneration": "None", "updatedReplicas": 1, "availableReplicas": 1}
    if kind[1] == "Deployment":
        del up_to_date["observedGeneration"]
    workload["status"] = up_to_date
    said = f"{kind[1]} w: 0 of 1 pods ready"
    assert str(stage(folder).health(ctx)).startswith(said), "its controller hasn't noticed yet that the pod is gone"
    cluster.put_pod("default", {"app": "w"})
    assert stage(folder).health(ctx) is None


def test_everything_that_changes_its_health_is_watched(folder):
    assert {watch.kind for watch in stage(folder).watches()} >= {"Deployment", "StatefulSet", "Pod"}
    assert Watch(*ROLLOUT) in stage(folder).watches()


def test_a_kind_of_the_gateway_api_is_watched_where_the_files_have_one(folder):
    route = ("gateway.networking.k8s.io/v1", "HTTPRoute")
    assert Watch(*route) not in stage(folder).watches()
    (folder / "m" / "route.yaml").write_text(f"{{apiVersion: {route[0]}, kind: HTTPRoute, metadata: {{name: r}}}}")
    assert Watch(*route) in stage(folder).watches()


# -- argo-rollouts ----------------------------------------------------------------------------------------------------

INSTALL = [
    {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rollouts.argoproj.io"},
        "spec": {"group": "argoproj.io", "names": {"kind": "Rollout"}, "versions": [{"name": "v1alpha1"}]},
    },
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "argo-rollouts"}},
    {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "argo-rollouts"}},
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "argo-rollouts"},
        "subjects": [{"kind": "ServiceAccount", "name": "argo-rollouts", "namespace": "argo-rollouts"}],
    },
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "argo-rollouts"},
        "spec": {
            "selector": {"matchLabels": {"app": "argo-rollouts"}},
            "template": {"spec": {"containers": [{"name": "c", "image": "quay.io/argoproj/argo-rollouts:latest"}]}},
        },
    },
]


@pytest.fixture
def provider(tmp_path):
    made = FakeProvider(FakeCluster())
    made.manifest = tmp_path / "install.json"
    made.manifest.write_text(json.dumps(INSTALL))
    return made


def objects(provider, **options):
    wanted = ArgoRolloutsStage("argo", ArgoRolloutsOptions(version="1.10.1", **options))
    return {obj["kind"]: obj for obj in wanted.objects(context_of(provider=provider))}


def test_the_install_manifest_goes_into_its_namespace_with_the_providers_image(provider):
    found = objects(provider, namespace="rollouts")
    assert found["Namespace"]["metadata"] == {"name": "rollouts"}
    assert found["ServiceAccount"]["metadata"]["namespace"] == "rollouts"
    assert found["ClusterRoleBinding"]["subjects"][0]["namespace"] == "rollouts"
    for kind in ("CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"):
        assert "namespace" not in found[kind]["metadata"]
    [container] = found["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "localhost/argoproj/argo-rollouts:v1.10.1"
    assert container["imagePullPolicy"] == "IfNotPresent"


def test_argo_rollouts_is_installed_once_and_removed_whole(provider, tmp_path):
    wanted = ArgoRolloutsStage("argo", ArgoRolloutsOptions(version="1.10.1"))
    cluster = provider.there

    def available():
        deployment = cluster.objects[("apps/v1", "Deployment", "argo-rollouts", "argo-rollouts")]
        deployment["status"] = {"updatedReplicas": 1, "availableReplicas": 1}
        cluster.put_pod("argo-rollouts", deployment["spec"]["selector"]["matchLabels"])

    cluster.pending.append(available)
    assert up(wanted, cluster, tmp_path, provider=provider).state == "changed"
    assert up(wanted, cluster, tmp_path, provider=provider).state == "unchanged"
    assert len(wanted.remove(context_of(provider=provider))) == 6
    assert {kind for _, kind, *_ in cluster.objects} <= {"Pod"}, "those go with their ReplicaSets"
