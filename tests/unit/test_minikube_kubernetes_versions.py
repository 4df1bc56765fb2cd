"""Versions that fit each other are known beforehand; what isn't known is told to be unknown."""

from __future__ import annotations

import pytest
from mac_world import Mac, printed
from support.minikube_world import PROFILE, World, refusal
from support.runs import context_of
from support.there import there

from canarylab.contract.playbook import ClusterSpec
from canarylab.errors import CommandError, MachineError
from canarylab.events import Notice
from canarylab.pins import pins
from canarylab.providers.minikube import teardown
from canarylab.providers.minikube.kubernetes_versions import fit
from canarylab.providers.minikube.problems import failure
from canarylab.tools.minikube import parse_version


@pytest.mark.parametrize(
    ("kubernetes", "outcome"),
    [
        ("v1.36.3", "looked up"),
        ("1.36.0", "looked up"),
        ("v1.35.2", "looked up"),
        ("v1.36.0-alpha.2", "looked up"),
        ("v1.36.0-alpha.1", "started"),
        ("v1.35.1", "started"),
        ("1.35.1", "started"),
        ("v1.35.1-rc.0", "started"),
        ("v1.28.0", "started"),
        ("v1.28.0-rc.1", "refused"),
        ("v1.27.16", "refused"),
        ("v2.0.0", "refused"),
        ("stable", "started"),
        ("1.35", "started"),
        ("v1.28", "started"),
        ("1.36", "started"),  # it takes v1.36.0-alpha.1
        ("1.37", "refused"),  # MK_PATCH_NOT_FOUND
        ("1.27", "refused"),
    ],
)
def test_what_minikube_1_38_1_does_with_a_version(kubernetes, outcome):
    """Module k8s.io/minikube v1.38.1: start.go, constants.go, constants_kubernetes_versions.go."""
    assert fit("1.38.1", kubernetes).outcome == outcome


@pytest.mark.parametrize("minikube", ["1.39.0", "1.37.0", ""])
def test_of_a_minikube_that_is_not_known_nothing_is_claimed(minikube):
    found = fit(minikube, "v1.36.3")
    assert (found.outcome, found.instead) == ("unknown", "")
    assert "isn't known" in found.seen


def test_minikubes_version_is_read():
    assert parse_version('{"commit":"c93a4cb","minikubeVersion":"v1.38.1"}\n') == "1.38.1"
    assert parse_version("nonsense") == ""


# -- doctor -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def mac(tmp_path_factory, monkeypatch):
    made = Mac(tmp_path_factory.mktemp("m"), monkeypatch)
    yield made
    made.daemon.close()


def test_a_version_that_needs_github_at_each_start_is_told_with_one_that_does_not(mac):
    finding = mac.finding("Kubernetes version")
    assert (finding.ok, finding.fatal, finding.fix) == (False, False, ())
    said = printed(finding)
    assert f"{pins().kubernetes} is newer than minikube 1.38.1 knows (up to v1.35.1)" in said
    assert "K8S_FAIL_CONNECT" in said
    assert "cluster: {kubernetes: v1.35.1}" in finding.remedy
    assert "upgrade minikube" in finding.remedy
    assert "--recreate" not in finding.remedy


def test_for_a_minikube_that_is_not_known_the_version_is_neither_good_nor_bad(mac):
    mac.says("minikube version -o json", '{"minikubeVersion":"v1.99.0"}')
    finding = mac.finding("Kubernetes version")
    assert finding.ok
    assert "whether minikube 1.99.0 knows it isn't known" in finding.seen


# -- up ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def world():
    return World()


def apply(ctx):
    stage = ctx.provider.infrastructure.stages()[-1]
    stage.apply(ctx, stage.observe(ctx))


def lookups(world):
    return [event.message for event in world.heard if isinstance(event, Notice) and "GitHub" in event.message]


@pytest.mark.parametrize("there", [None, "stopped"])
def test_up_says_before_it_starts_a_cluster_that_minikube_will_ask_github(world, there):
    if there:
        world.have(there, KubernetesVersion="v1.36.3")
    apply(world.context())
    [said] = lookups(world)
    assert "`kubernetes: v1.35.1` in the playbook needs no internet" in said


def test_a_minikube_that_does_not_say_its_version_in_time_is_started_all_the_same(world):
    def slow():
        raise CommandError("minikube version -o json", None, "")

    world.hooks["version"] = slow
    apply(world.context())
    assert len(world.called("start")) == 1


def test_up_says_nothing_of_a_version_that_minikube_knows(world):
    apply(world.context(ClusterSpec(profile=PROFILE, driver="qemu", kubernetes="1.35.1")))
    assert lookups(world) == []


OFFLINE = 'error fetching Kubernetes version list from GitHub: Get "https://api.github.com/...": dial tcp: no such host'


def test_without_internet_the_reason_is_explained():
    error = failure(
        "start the cluster", refusal("K8S_FAIL_CONNECT", 40, OFFLINE).stdout, 40, context_of(profile="canary")
    )
    assert isinstance(error, MachineError)
    assert "doesn't know that version of Kubernetes" in there(error.why)
    assert "HTTPS_PROXY" in there(error.remedy)
    assert "`kubernetes` in the playbook's cluster" in there(error.remedy)


def test_a_stopped_cluster_is_not_started_offline_and_why_is_said(world):
    world.have("stopped", KubernetesVersion="v1.36.3")
    world.faults("no-github")
    with pytest.raises(MachineError, match="K8S_FAIL_CONNECT") as caught:
        apply(world.context())
    assert "also of a cluster that exists" in there(caught.value.why)


def test_a_stopped_cluster_that_minikube_knows_is_started_offline(world):
    world.have("stopped", KubernetesVersion="v1.35.1")
    world.faults("no-github")
    apply(world.context())
    assert len(world.called("start")) == 1


def test_a_half_made_cluster_is_not_deleted_because_the_internet_is_away(world):
    ctx = world.context()
    ctx.paths.create()
    teardown.half_made(ctx).touch()
    world.have("running")
    world.faults("no-github")
    with pytest.raises(MachineError, match="K8S_FAIL_CONNECT"):
        apply(ctx)
    assert not world.called("delete")
