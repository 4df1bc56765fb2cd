from __future__ import annotations

import json
import os
import stat

import pytest
from support.fake_time import FakeTime
from support.minikube_world import (
    PROFILE,
    World,
    config,
    event,
    recorded,
    refusal,
    user_kubeconfig,
    write_user_kubeconfig,
)

from canarylab.contract.playbook import ClusterSpec
from canarylab.contract.provider import Finding
from canarylab.errors import CanarylabError, CommandError, MachineError, StageError
from canarylab.events import StageProgress
from canarylab.kube import kubeconfig
from canarylab.providers.minikube import cluster, processes, teardown
from canarylab.providers.minikube.checks import host
from canarylab.providers.minikube.cluster_settings import condition_of, differences, start_options
from canarylab.providers.minikube.processes import Process
from canarylab.tools.minikube import NodeStatus, parse_profiles
from canarylab.tools.runner import Result


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(cluster, "_LOOK_AGAIN_SECONDS", 0.0)
    return World()


def stage_of(ctx):
    return ctx.provider.infrastructure.stages()[-1]


def changes(ctx):
    return stage_of(ctx).changes(stage_of(ctx).observe(ctx))


def apply(ctx):
    """As the engine does it."""
    stage_of(ctx).apply(ctx, stage_of(ctx).observe(ctx))


def actions(ctx):
    return [change.action for change in changes(ctx)]


def profile_of(**made):
    listed = json.dumps({"valid": [{"Name": PROFILE, "Config": config(**made)}]})
    return parse_profiles(listed)[PROFILE]


# -- from every state to a running cluster ----------------------------------------------------------------------------


def test_a_machine_that_cannot_do_it_is_reported_before_minikube_is_asked_to_start(world):
    world.findings = [
        Finding("socket_vmnet", False, "its daemon doesn't answer", "sudo brew services start socket_vmnet"),
        Finding("disk", True, "60 GiB free"),
    ]
    ctx = world.context()
    with pytest.raises(MachineError, match="socket_vmnet: its daemon doesn't answer") as caught:
        apply(ctx)
    assert caught.value.remedy == "sudo brew services start socket_vmnet"
    assert world.called("start") == []
    assert not ctx.paths.root.exists()


def test_what_is_missing_is_created_and_then_nothing_is_left_to_do(world):
    ctx = world.context()
    assert actions(ctx) == ["create"]
    apply(ctx)
    assert changes(ctx) == []
    [start] = world.called("start")
    assert f"-p {PROFILE} start" in start
    assert "--keep-context" in start


@pytest.mark.parametrize(
    ("state", "action", "command"),
    [
        ("stopped", "start", "start"),
        ("paused", "start", "unpause"),
        ("gone", "repair", "start"),
        ("API server stopped", "repair", "start"),
    ],
)
def test_what_is_there_but_not_up_is_brought_up(world, state, action, command):
    world.have(state)
    ctx = world.context()
    assert actions(ctx) == [action]
    apply(ctx)
    assert len(world.called(command)) == 1
    assert changes(ctx) == []


def overloaded(world, *looks):
    """What minikube says of a node whose processor is taken; then the truth."""
    said, left = json.loads(recorded("running").stdout), list(looks)

    def status():
        if not left:
            return None
        return Result(json.dumps({**said, "Name": PROFILE, **left.pop(0)}), "", 2, 0.0)

    world.hooks["status"] = status


@pytest.mark.parametrize("looks", [1, 2, 3])
def test_an_overloaded_api_server_is_not_started_again_for_looks_that_pass(world, looks):
    world.have("running")
    ctx = world.context()
    overloaded(world, *[{"APIServer": "Stopped"}] * looks)
    apply(ctx)
    assert world.called("start") == []
    assert changes(ctx) == []


def test_what_stays_broken_is_started_again(world):
    world.have("API server stopped")
    ctx = world.context()
    apply(ctx)
    assert len(world.called("start")) == 1
    assert len(world.called("status")) == 1 + 4
    assert [event.message for event in world.heard if isinstance(event, StageProgress)][:3] == [
        "looking again before it is started over: its API server is Stopped"
    ] * 3


def test_what_turns_out_to_be_paused_is_unpaused(world):
    world.have("paused")
    ctx = world.context()
    overloaded(world, {"APIServer": "Error"})
    apply(ctx)
    assert len(world.called("unpause")) == 1
    assert world.called("start") == []


def test_a_half_made_cluster_is_not_deleted_for_one_look_at_an_overloaded_node(world):
    ctx = world.context()
    ctx.paths.create()
    teardown.half_made(ctx).touch()
    world.have("running")

    def start():
        overloaded(world, {"APIServer": "Stopped"})
        return refusal("GUEST_START", 80, "wait 6m0s for node: timed out")

    world.hooks["start"] = start
    with pytest.raises(StageError, match="timed out"):
        apply(ctx)
    assert not world.called("delete")


def test_a_running_cluster_only_gets_our_kubeconfig(world):
    world.have("running")
    ctx = world.context()
    assert actions(ctx) == ["update"]
    apply(ctx)
    assert changes(ctx) == []
    assert not world.called("start")


def test_a_context_that_somebody_deleted_comes_back_by_start(world):
    world.have("running")
    write_user_kubeconfig({"contexts": [], "clusters": [], "users": []})
    ctx = world.context()
    assert actions(ctx) == ["repair"]
    apply(ctx)
    assert changes(ctx) == []


def test_our_kubeconfig_has_one_context_and_is_its_owners_alone(world):
    write_user_kubeconfig({"contexts": [{"name": "work", "context": {"cluster": "work"}}], "current-context": "work"})
    ctx = world.context()
    apply(ctx)
    own = kubeconfig.load(ctx.paths.kubeconfig)
    assert [context["name"] for context in own["contexts"]] == [PROFILE]
    assert own["current-context"] == PROFILE
    assert stat.S_IMODE(ctx.paths.kubeconfig.stat().st_mode) == 0o600
    assert user_kubeconfig()["current-context"] == "work"


def test_minikube_is_asked_for_plain_english(world):
    ctx = world.context()
    apply(ctx)
    assert all(environment["LC_ALL"] == "C" for environment in world.environments)


# -- interrupted starts -----------------------------------------------------------------------------------------------


def killed():
    raise KeyboardInterrupt


def test_a_start_that_was_killed_is_finished_the_next_time(world):
    ctx = world.context()
    world.hooks["start"] = killed
    with pytest.raises(KeyboardInterrupt):
        apply(ctx)
    world.have("API server stopped")
    world.hooks.clear()
    assert actions(ctx) == ["create"]
    apply(ctx)
    assert changes(ctx) == []
    assert not world.called("delete")


def test_a_half_made_cluster_that_cannot_be_finished_is_made_anew(world):
    ctx = world.context()
    ctx.paths.create()
    teardown.half_made(ctx).touch()
    world.have("gone")
    refused = [refusal("GUEST_PROVISION", 80, "disk.qcow2: No such file or directory")]
    world.hooks["start"] = lambda: refused.pop() if refused else None
    apply(ctx)
    assert len(world.called("delete")) == 1
    assert len(world.called("start")) == 2
    assert changes(ctx) == []


def test_a_half_made_cluster_that_runs_after_all_is_not_deleted(world):
    ctx = world.context()
    ctx.paths.create()
    teardown.half_made(ctx).touch()
    world.have("running")
    world.hooks["start"] = lambda: refusal("GUEST_START", 80, "wait 6m0s for node: timed out")
    with pytest.raises(StageError, match="timed out"):
        apply(ctx)
    assert not world.called("delete")


def test_a_half_made_cluster_that_is_wanted_otherwise_by_now_is_made_anew(world):
    ctx = world.context()
    ctx.paths.create()
    teardown.half_made(ctx).touch()
    world.have("gone", Memory=4096)
    apply(ctx)
    assert world.profiles[PROFILE]["Memory"] == 8192
    assert changes(ctx) == []


def test_what_the_machine_lacks_is_no_reason_to_delete_a_half_made_cluster(world):
    ctx = world.context()
    world.hooks["start"] = lambda: refusal("NOT_FOUND_SOCKET_VMNET", 15, "")
    for _ in range(2):
        with pytest.raises(MachineError, match="NOT_FOUND_SOCKET_VMNET"):
            apply(ctx)
    assert not world.called("delete")


def test_an_older_cluster_that_cannot_be_started_is_not_deleted_unasked(world):
    world.have("stopped")
    world.hooks["start"] = lambda: refusal("GUEST_PROVISION", 80, "something else")
    with pytest.raises(StageError) as caught:
        apply(world.context())
    assert "something else" in str(caught.value.why)
    assert "--recreate" in str(caught.value.remedy)
    assert not world.called("delete")


def test_a_broken_cluster_that_cannot_be_started_is_made_anew_with_consent(world):
    world.have("gone")
    refused = [refusal("GUEST_PROVISION", 80, "something else")]
    world.hooks["start"] = lambda: refused.pop() if refused else None
    ctx = world.context(recreate=True)
    apply(ctx)
    assert len(world.called("delete")) == 1
    assert changes(ctx) == []


def test_another_minikube_that_still_starts_the_cluster_is_waited_for(world, monkeypatch):
    words = ("/opt/homebrew/bin/minikube", "-p", PROFILE, "start", "--driver=qemu")
    looks = [[Process(4711, "1", "now", words)], [Process(4711, "1", "now", words)], []]
    monkeypatch.setattr(processes, "running", lambda _runner: looks.pop(0) if looks else [])
    world.cancel = FakeTime()
    ctx = world.context()
    apply(ctx)
    assert looks == []
    waited = [heard.message for heard in world.heard.of(StageProgress) if "4711" in heard.message]
    assert len(waited) == 1


# -- made otherwise ---------------------------------------------------------------------------------------------------

SPEC = ClusterSpec(profile=PROFILE, driver="qemu", network="socket_vmnet")


@pytest.mark.parametrize(
    ("made", "wanted", "words"),
    [
        ({"Driver": "docker"}, {}, "driver docker, not qemu2"),
        ({"Network": "builtin"}, {}, "network builtin, not socket_vmnet"),
        ({"Nodes": [{"IP": "10.0.2.15"}]}, {}, "its machine is still at 10.0.2.15"),
        ({"Memory": 4096}, {}, "memory 4096 MiB, not 8192 MiB"),
        ({"CPUs": 2}, {}, "2 processors, not 4"),
        ({"KubernetesVersion": "v1.35.1"}, {"kubernetes": "1.36.3"}, "Kubernetes v1.35.1, not 1.36.3"),
        ({"ContainerRuntime": "docker"}, {"container_runtime": "containerd"}, "runtime docker, not containerd"),
        (
            {"ServiceCIDR": "10.96.0.0/12"},
            {"service_cluster_ip_range": "10.112.0.0/12"},
            "Services at 10.96.0.0/12, not 10.112.0.0/12",
        ),
    ],
)
def test_what_was_made_otherwise_is_said_plainly(made, wanted, words):
    spec = SPEC.model_copy(update=wanted)
    [said] = differences(profile_of(**made), spec, "Darwin")
    assert words in said


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        ({}, {}),
        ({"KubernetesVersion": "v1.35.1"}, {}),
        ({"KubernetesVersion": "v1.36.3"}, {"kubernetes": "v1.36"}),
        ({"KubernetesVersion": "v1.36.3"}, {"kubernetes": "stable"}),
        ({"Network": "builtin"}, {"network": "user"}),
        ({"Network": "builtin"}, {"network": None}),
        ({"Driver": "kvm2", "Network": ""}, {"driver": "kvm", "network": None}),
        ({"Driver": "none", "Memory": 2048, "CPUs": 2}, {"driver": "none"}),
        ({}, {"memory": "8g"}),
    ],
)
def test_what_fits_or_is_left_open_makes_no_difference(made, wanted):
    assert differences(profile_of(**made), SPEC.model_copy(update=wanted), "Darwin") == []


def test_another_minor_version_is_not_taken_for_a_longer_one():
    assert differences(profile_of(KubernetesVersion="v1.30.1"), SPEC.model_copy(update={"kubernetes": "1.3"}), "Darwin")


def test_macos_networks_are_nothing_elsewhere():
    assert differences(profile_of(Network=""), SPEC, "Linux") == []


def test_a_cluster_made_otherwise_is_left_alone_without_consent(world):
    world.have("running", Memory=4096)
    ctx = world.context()
    [change] = changes(ctx)
    assert (change.action, "memory 4096 MiB" in change.reason) == ("update", True)
    with pytest.raises(StageError) as caught:
        apply(ctx)
    assert "memory 4096 MiB, not 8192 MiB" in caught.value.what
    assert "`invoke up --recreate`" in str(caught.value.remedy)
    assert not world.called("start")
    assert not world.called("delete")


def test_with_consent_it_is_deleted_and_made_anew(world):
    world.have("running", Memory=4096)
    ctx = world.context(recreate=True)
    apply(ctx)
    assert world.profiles[PROFILE]["Memory"] == 8192
    assert changes(ctx) == []


def test_consent_alone_recreates_nothing(world):
    world.have("stopped")
    apply(world.context(recreate=True))
    assert not world.called("delete")


# -- what minikube is told --------------------------------------------------------------------------------------------


def test_a_new_cluster_gets_the_pinned_kubernetes_and_containerd():
    options = start_options(SPEC, None, [], "Darwin")
    assert options.kubernetes.startswith("v1.")
    assert (options.container_runtime, options.network, options.service_range) == ("containerd", "socket_vmnet", None)


def test_a_playbooks_version_is_written_as_minikube_wants_it():
    assert start_options(SPEC.model_copy(update={"kubernetes": "1.35.1"}), None, [], "Darwin").kubernetes == "v1.35.1"


def test_a_cluster_that_exists_is_started_with_what_it_was_made_with():
    existing = profile_of(KubernetesVersion="v1.34.0", ContainerRuntime="docker")
    options = start_options(SPEC, existing, [], "Darwin")
    assert (options.kubernetes, options.container_runtime, options.driver) == ("v1.34.0", "docker", "qemu2")


def test_a_second_profile_gets_services_of_its_own():
    assert start_options(SPEC, None, [profile_of()], "Darwin").service_range == "10.112.0.0/12"


def test_off_macos_the_macs_network_is_left_out():
    assert start_options(SPEC, None, [], "Linux").network is None
    other = SPEC.model_copy(update={"driver": "docker", "network": "mine"})
    assert start_options(other, None, [], "Linux").network == "mine"


# -- minikube's words -------------------------------------------------------------------------------------------------


def test_events_become_progress(world):
    ctx = world.context()
    lines = [
        "OUTPUT: ",
        event("info", message="MINIKUBE_HOME=/home/user"),
        event("download.progress", artifact="preload.tar", currentstep="2", totalsteps="19", progress="0.42"),
        event("warning", message="kubectl is old"),
    ]
    world.hooks["start"] = lambda: Result("\n".join([*lines, recorded("start").stdout]), "", 80, 0.0)
    with pytest.raises(StageError):
        apply(ctx)
    seen = [(heard.message, heard.done, heard.total) for heard in world.heard.of(StageProgress)]
    assert ("downloading preload.tar", 42, 100) in seen
    assert ("minikube warns: kubectl is old", None, None) in seen
    assert ("Preparing Kubernetes v1.36.3 on containerd 1.6.20 ...", 11, 19) in seen
    assert not [message for message, _, _ in seen if "MINIKUBE_HOME" in message]


def test_a_start_that_takes_too_long_says_where_it_was(world):
    def hang():
        raise CommandError("minikube start", None, "")

    world.hooks["start"] = hang
    with pytest.raises(StageError, match="its last step was"):
        apply(world.context())


def test_the_machines_address_helps_to_explain_a_failed_start(world):
    world.have("stopped", Nodes=[{"IP": "10.0.2.15"}])
    with pytest.raises(StageError, match="builtin network"):
        apply(world.context())


def test_the_daemons_log_helps_to_explain_a_failed_start(world, monkeypatch, tmp_path):
    """A stopped cluster is started without doctor's checks: minikube only knows that nobody answered."""
    world.have("stopped")
    said = 'Failed to connect to "/opt/homebrew/var/run/socket_vmnet": Connection refused: exit status 1'
    world.hooks["start"] = lambda: refusal("GUEST_PROVISION", 80, said)
    with pytest.raises(MachineError) as caught:
        apply(world.context())
    assert "its daemon isn't running" in str(caught.value.why)
    monkeypatch.setattr(host, "ROOT", tmp_path)
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    for path, text in {
        "run/socket_vmnet": "",
        "log/socket_vmnet/stderr": "start(): vmnet_return_t VMNET_FAILURE",
    }.items():
        file = tmp_path / "opt/homebrew/var" / path
        file.parent.mkdir(parents=True)
        file.write_text(text)
    with pytest.raises(MachineError) as caught:
        apply(world.context())
    assert "macOS refused the virtual network" in str(caught.value.why)
    assert "restart the Mac" in str(caught.value.remedy)


def test_under_sudo_minikube_is_not_run_at_all(world, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "somebody")
    with pytest.raises(MachineError) as caught:
        stage_of(world.context()).observe(world.context())
    assert "as somebody, without sudo" in str(caught.value.remedy)
    assert world.commands == []


def test_a_context_of_somebody_elses_is_not_overwritten(world):
    foreign = {"name": PROFILE, "cluster": {"server": "https://production"}}
    write_user_kubeconfig({"clusters": [foreign], "contexts": [{"name": PROFILE, "context": {}}]})
    with pytest.raises(CanarylabError) as caught:
        stage_of(world.context()).observe(world.context())
    assert str(caught.value.where) == os.environ["KUBECONFIG"]
    assert f"named {PROFILE!r}" in caught.value.what


# -- conditions -------------------------------------------------------------------------------------------------------


def node(host="Running", kubelet="Running", apiserver="Running", config_="Configured", *, worker=False):
    return NodeStatus("n", host, kubelet, apiserver, config_, worker)


@pytest.mark.parametrize(
    ("nodes", "condition", "words"),
    [
        ([node()], "running", ""),
        ([], "broken", "its machine is gone"),
        ([node("Stopped", "Stopped", "Stopped")], "stopped", "stopped"),
        ([node(apiserver="Paused")], "paused", "paused"),
        ([node(kubelet="Stopped")], "broken", "its kubelet is Stopped"),
        ([node(apiserver="Error")], "broken", "its API server is Error"),
        ([node("Error", "Nonexistent", "")], "broken", "its machine is Error"),
        ([node(config_="Misconfigured")], "broken", "leads elsewhere"),
        ([node(), node(apiserver="Irrelevant", config_="Irrelevant", worker=True)], "running", ""),
        ([node(), node("Stopped", "Stopped", "Irrelevant", worker=True)], "stopped", "stopped"),
    ],
)
def test_how_a_cluster_is_follows_from_its_nodes(nodes, condition, words):
    found = condition_of(nodes)
    assert found[0] == condition
    assert words in found[1]
