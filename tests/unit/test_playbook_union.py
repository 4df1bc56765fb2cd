"""`--all`: the playbooks that share a cluster, as one."""

from __future__ import annotations

import pytest
from playbook_samples import EXTENSIONS, infrastructure, written

from canarylab.errors import PlaybookError, UsageError
from canarylab.playbook.infrastructure import with_infrastructure
from canarylab.playbook.loader import PLAYBOOKS
from canarylab.playbook.union import load_all, union

CLUSTER = "{profile: shared, memory: 4096mb}"
DEMO = "demo: [promote: {}]\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "basic", "  istio: {kind: inert}\n  app: {kind: inert, needs: [istio]}\n")
    return tmp_path


def put(folder, name, stages, cluster=CLUSTER, demo=DEMO):
    return written(folder, f"name: {name}\ncluster: {cluster}\nstages:\n{stages}{demo}", f"{name}.yaml")


def loaded(folder, **given):
    return load_all("basic", folder, extensions=EXTENSIONS, **given)


def whole(folder):
    return union([with_infrastructure(playbook, infrastructure()) for playbook in loaded(folder)])


def test_the_playbooks_are_those_with_a_demonstration_and_the_same_cluster(folder):
    put(folder, "another", "  a: {kind: inert}\n")
    put(folder, "elsewhere", "  a: {kind: inert}\n", cluster="{profile: other, memory: 4096mb}")
    put(folder, "larger", "  a: {kind: inert}\n", cluster="{profile: shared, memory: 8192mb}")
    put(folder, "silent", "  a: {kind: inert}\n", demo="")
    assert [playbook.name for playbook in loaded(folder)] == ["another", "basic"]


def test_a_profile_from_the_command_line_makes_no_playbook_share_the_cluster(folder):
    put(folder, "elsewhere", "  a: {kind: inert}\n", cluster="{profile: other, memory: 4096mb}")
    [playbook] = loaded(folder, profile="lab", provider="minikube")
    assert (playbook.name, playbook.profile, playbook.cluster.provider) == ("basic", "lab", "minikube")


def test_a_provider_that_is_not_there_is_a_usage_error(folder):
    with pytest.raises(UsageError, match="there is no provider 'nobodys'"):
        loaded(folder, provider="nobodys")


def test_a_broken_playbook_beside_the_others_is_told_with_its_file(folder):
    written(folder, "name: [", "broken.yaml")
    with pytest.raises(PlaybookError, match=r"^broken\.yaml:1: "):
        loaded(folder)


def test_the_union_has_each_stage_once_the_providers_first(folder):
    put(folder, "more", "  istio: {kind: inert}\n  mine: {kind: inert, needs: [istio], deadline: 7s}\n")
    playbook = whole(folder)
    names = [stage.name for stage in playbook.stages]
    assert names == ["programs", "machine", "cluster", "istio", "app", "mine"]
    assert playbook.limits["mine"].deadline == 7.0
    assert [member.name for member in playbook.members] == ["basic", "more"]
    assert [member.name for member in playbook.performances] == ["basic", "more"]
    assert (playbook.name, playbook.demo, playbook.profile) == ("all", (), "shared")


@pytest.mark.parametrize(
    "istio",
    ["{kind: helm-release, chart: c, version: v}", "{kind: inert, deadline: 1s}", "{kind: inert, needs: [mine]}"],
)
def test_a_name_that_means_two_stages_is_an_error_that_names_both_places(folder, istio):
    put(folder, "more", f"  mine: {{kind: inert}}\n  istio: {istio}\n")
    with pytest.raises(PlaybookError) as caught:
        whole(folder)
    assert str(caught.value).startswith(
        "more.yaml:5: stages.istio: playbook more means another stage by 'istio' than playbook basic in basic.yaml:4\n"
    )
    assert "\nnext: " in str(caught.value)


def test_the_playbooks_of_this_repository_go_together_and_the_addons_stay_out():
    playbooks = load_all("istio-canary")
    union([with_infrastructure(playbook, infrastructure()) for playbook in playbooks])
    names = {playbook.name for playbook in playbooks}
    assert "istio-canary" in names
    assert "istio-addon" not in names
    assert all((PLAYBOOKS / f"{name}.yaml").exists() for name in names)
