"""Provider existing as a whole: what it wants of a cluster, its session, its images, the way to Services."""

from __future__ import annotations

import dataclasses
import stat

import pytest
import yaml
from support.fake_cluster import FakeCluster
from support.fake_runner import FakeRunner
from support.runs import context_of

from canarylab.contract.context import Consent
from canarylab.contract.playbook import ClusterSpec
from canarylab.errors import CanarylabError, StageError, UsageError
from canarylab.images.image import Image
from canarylab.kube import kubeconfig
from canarylab.ownership.foreign import ConflictError
from canarylab.providers.existing import ExistingProvider, doctor, requirements, user_kubeconfig
from canarylab.removal import Removal
from canarylab.stages.kinds.image import ImageOptions, ImageStage

CONFIG = {
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:9"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
    "contexts": [{"name": "mine", "context": {"cluster": "c", "user": "u"}}],
}
HELM = {"meta.helm.sh/release-name": "gateway", "meta.helm.sh/release-namespace": "ns"}


def node(name="one", architecture="amd64", ready="True", **spec):
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": spec,
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "nodeInfo": {"architecture": architecture},
        },
    }


def service(name, ingress=None, **meta):
    status = {"loadBalancer": {"ingress": [ingress]}} if ingress else {}
    place = {"name": name, "namespace": "ns", **meta}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": place,
        "spec": {"type": "LoadBalancer"},
        "status": status,
    }


@pytest.fixture
def config(isolated_home):
    path = isolated_home / "kube" / "config"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(CONFIG))
    return path


@pytest.fixture
def made(config, monkeypatch):  # noqa: ARG001 - the kubeconfig has to be there
    """A provider and a context, for a cluster with these objects."""

    def make(*objects, registry="127.0.0.1:9/team", stages=()):
        provider = ExistingProvider(ClusterSpec(profile="unit-test", context="mine", registry=registry))
        cluster = FakeCluster(*(objects or [node()]))
        cluster.context = "mine"
        monkeypatch.setattr(provider.access, "_client", cluster)
        return (
            provider,
            context_of(*provider.infrastructure.stages(), *stages, provider=provider, runner=FakeRunner()),
            cluster,
        )

    return make


# -- what it wants ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "found"),
    [
        ([node()], ("amd64",)),
        ([node(), node("two", "arm64")], ("amd64", "arm64")),
        ([node(), node("two", "arm64", unschedulable=True)], ("amd64",)),
        ([node(), node("two", "arm64", taints=[{"effect": "NoSchedule"}])], ("amd64",)),
        ([node(), node("two", "arm64", taints=[{"effect": "PreferNoSchedule"}])], ("amd64", "arm64")),
    ],
)
def test_architectures_are_those_that_a_pod_may_land_on(nodes, found):
    assert requirements.architectures(FakeCluster(*nodes)) == found


def test_an_architecture_that_nothing_is_built_for_is_refused_with_all_named():
    with pytest.raises(StageError) as caught:
        requirements.architectures(FakeCluster(node(), node("two", "s390x")))
    assert "node two has architecture s390x" in str(caught.value)
    assert "amd64, s390x" in str(caught.value)
    assert caught.value.remedy


def test_a_cluster_without_a_node_for_pods_is_refused():
    with pytest.raises(CanarylabError, match="no node takes ordinary pods"):
        requirements.architectures(FakeCluster(node(unschedulable=True)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"unready": "the API server doesn't answer"}, "doesn't answer"),
        ({"kubernetes": (1, 21)}, "1.22 is the oldest"),
        ({"objects": {}}, "no node is Ready"),
        ({"forbidden": {"create customresourcedefinitions"}}, "may not create customresourcedefinitions"),
    ],
)
def test_a_cluster_that_a_playbook_cannot_run_on_is_refused_before_the_first_change(change, reason):
    cluster = FakeCluster(node())
    for key, value in change.items():
        setattr(cluster, key, value)
    with pytest.raises(StageError, match=reason) as caught:
        requirements.require(context_of(cluster=cluster))
    assert caught.value.remedy


def test_a_node_that_is_not_ready_is_none():
    assert "no node is Ready" in str(requirements.trouble(FakeCluster(node(ready="False"))))


# -- sessions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["tunnel start", "tunnel stop"])
def test_there_is_no_tunnel_to_start_or_stop(made, command):
    provider, ctx, _ = made()
    with pytest.raises(UsageError, match=f"`{command}`"), provider.infrastructure.session(ctx, command):
        pytest.fail("it went on")


@pytest.mark.parametrize("command", ["up", "demo", "teardown"])
def test_a_cluster_that_does_not_answer_is_reported_before_anything_is_done(made, command):
    provider, ctx, cluster = made()
    cluster.unready = "the API server doesn't answer"
    with pytest.raises(CanarylabError) as caught, provider.infrastructure.session(ctx, command):
        pytest.fail("it went on")
    assert (caught.value.where, caught.value.what) == ("context mine", cluster.unready)
    assert caught.value.remedy


def test_a_teardown_of_a_profile_that_is_not_there_leaves_no_folder(made):
    provider, ctx, _ = made()
    with provider.infrastructure.session(ctx, "teardown"):
        assert stat.S_IMODE(ctx.paths.kubeconfig.stat().st_mode) == 0o600, "Helm needs it meanwhile"
        assert provider.infrastructure.stages()[0].remove(ctx) == []
        assert provider.infrastructure.leftovers(ctx) == []
    assert not ctx.paths.root.exists()


def test_the_own_kubeconfig_follows_the_users(made, config):
    provider, ctx, _ = made()
    [stage] = provider.infrastructure.stages()
    stage.apply(ctx, stage.observe(ctx))
    assert stage.changes(stage.observe(ctx)) == []
    config.write_text(yaml.safe_dump({**CONFIG, "users": [{"name": "u", "user": {"token": "new"}}]}))
    assert [change.action for change in stage.changes(stage.observe(ctx))] == ["update"]
    with provider.infrastructure.session(ctx, "demo"):
        assert kubeconfig.load(ctx.paths.kubeconfig) == user_kubeconfig.single("mine")
    assert ctx.paths.kubeconfig.exists()


def test_its_stage_removes_the_copy_and_leaves_the_cluster(made, config):
    provider, ctx, _ = made()
    [stage] = provider.infrastructure.stages()
    before = config.read_bytes()
    stage.apply(ctx, stage.observe(ctx))
    assert [(removal.subject, removal.outcome) for removal in stage.remove(ctx)] == [
        (f"kubeconfig {ctx.paths.kubeconfig}", "removed"),
        ("cluster of context mine", "left"),
    ]
    assert config.read_bytes() == before


def test_with_yes_a_production_cluster_is_worked_on(made):
    provider, ctx, _ = made(*(node(f"n{number}") for number in range(9)))
    with pytest.raises(UsageError, match="9 nodes"), provider.infrastructure.session(ctx, "up"):
        pytest.fail("it went on")
    with provider.infrastructure.session(dataclasses.replace(ctx, consent=Consent(yes=True)), "up"):
        pass


# -- images -----------------------------------------------------------------------------------------------------------


class Shelf:
    """A registry in memory."""

    def __init__(self, image=None, refused=None, conflict=None):
        self.image, self.refused, self.conflict = image, refused, conflict

    def images(self, _reference, _label):
        if self.conflict:
            raise self.conflict
        return (self.image,) if self.image else ()

    def delete(self, _reference):
        return self.refused


BLUE = "127.0.0.1:9/team/app:blue"


@pytest.mark.parametrize(
    ("shelf", "outcome"),
    [
        (Shelf(), "absent"),
        (Shelf(Image(BLUE, "amd64", {}, "")), "removed"),
        (
            Shelf(Image(BLUE, "amd64", {}, ""), refused="the registry doesn't allow deletion"),
            Removal(f"image {BLUE}", "left", "the registry doesn't allow deletion"),
        ),
        (Shelf(conflict=ConflictError("x", why="no label")), Removal(f"image {BLUE}", "left", "no label")),
    ],
)
def test_removing_an_image_says_what_became_of_it(made, monkeypatch, shelf, outcome):
    provider, ctx, _ = made()
    monkeypatch.setattr(provider.images, "_registry", shelf)
    assert provider.images.remove(ctx, BLUE) == outcome
    stage = ImageStage("blue", ImageOptions(path="app", image="localhost/app:blue"))
    told = stage.remove(ctx)
    assert [removal.outcome for removal in told] == {"absent": [], "removed": ["removed"]}.get(str(outcome), ["left"])


def test_a_playbook_that_builds_images_needs_a_registry(made):
    stage = ImageStage("blue", ImageOptions(path="app", image="localhost/app:blue"))
    provider, ctx, _ = made(registry=None, stages=[stage])
    with pytest.raises(UsageError) as caught:
        provider.images.ours(ctx)
    assert "`registry" in str(caught.value.remedy)


def test_a_playbook_that_builds_none_does_not(made):
    provider, ctx, _ = made(registry=None)
    assert provider.images.ours(ctx) == []
    assert provider.images.reference("localhost/app:blue") == "localhost/app:blue"


# -- the way to Services ----------------------------------------------------------------------------------------------


def test_only_addresses_of_the_clusters_own_services_are_asked(made):
    provider, ctx, _ = made(service("ip", {"ip": "10.9.0.1"}), service("host", {"hostname": "lb.example.com"}))
    provider.access.check_route(ctx, "10.9.0.1")
    provider.access.check_route(ctx, "lb.example.com")
    with pytest.raises(CanarylabError, match=r"10\.9\.0\.2.* context mine"):
        provider.access.check_route(ctx, "10.9.0.2")


def test_others_services_are_none_of_the_playbooks(made):
    labelled = service("ours", {"ip": "10.9.0.1"}, labels={"canarylab.dev/profile": "unit-test"})
    provider, ctx, _ = made(labelled, service("theirs"))
    status = provider.access.tunnel_status(ctx)
    assert (status.running, status.addresses, status.problems) == (True, {"ns/ours": "10.9.0.1"}, ())
    assert "no tunnel is needed" in status.note


def test_a_service_that_waits_for_an_address_is_explained(made):
    provider, ctx, _ = made(service("ours", labels={"canarylab.dev/profile": "unit-test"}))
    [problem] = provider.access.tunnel_status(ctx).problems
    assert "Service ns/ours " in problem
    assert "kubectl -n ns describe service ours" in problem


# -- programs ---------------------------------------------------------------------------------------------------------


def test_programs_come_from_the_path_if_they_are_all_there(made, tmp_path, monkeypatch):
    provider, ctx, _ = made()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provider.sources.programs(ctx) is None, "nothing is built either"
    built = tmp_path / "built"
    monkeypatch.setattr(doctor, "built_programs", lambda: built)
    assert provider.sources.programs(ctx) == built
    for name in doctor.CLIENTS:
        (tmp_path / name).touch(mode=0o755)
    assert provider.sources.programs(ctx) is None
