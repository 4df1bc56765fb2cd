"""Why an embedded node doesn't answer, and which pods went over what they may take."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from canarylab.providers.embedded import unresponsive_node
from canarylab.providers.embedded.over_limits import overran

GIB = 1 << 30
ALL = ("s6-svscan", "containerd", "kubelet", "etcd", "kube-apiserver")


@pytest.fixture
def node(tmp_path):
    """What is found of a node with these programs, which takes so much, on a host with so much memory left."""

    def look(names=ALL, memory=(GIB, 8 * GIB), tasks=200, available=4096, init=7):
        (tmp_path / "sys/kernel").mkdir(parents=True, exist_ok=True)
        (tmp_path / "meminfo").write_text(f"MemTotal: 8192 kB\nMemAvailable: {available} kB\n")
        for name in ("pid_max", "threads-max"):
            (tmp_path / "sys/kernel" / name).write_text("32768")
        for pid, name in enumerate(names, 100):
            (tmp_path / str(pid)).mkdir(exist_ok=True)
            (tmp_path / str(pid) / "comm").write_text(f"{name}\n")
        pids = {*range(100, 100 + len(names)), 99}  # one ended meanwhile
        groups = SimpleNamespace(processes=lambda: pids, memory=lambda: memory, tasks=lambda: tasks)
        path = lambda inside: f"/state/{inside}"  # noqa: E731
        machine = SimpleNamespace(init=lambda: init, groups=groups, path=path, command="invoke {}".format)
        return unresponsive_node.found(machine, tmp_path)

    return look


def test_where_all_of_it_runs_nothing_is_found(node):
    assert node() == []


@pytest.mark.parametrize(
    ("running", "said"),
    [
        ((), "containerd isn't running in the node; /state/var/log/containerd/current says why"),
        (("containerd",), "kubelet isn't running in the node; /state/var/log/kubelet/current says why"),
        (("containerd", "kubelet"), "etcd isn't running in the node; /state/var/log/pods says why"),
        (("containerd", "kubelet", "etcd"), "kube-apiserver isn't running in the node; /state/var/log/pods says why"),
    ],
)
def test_the_first_program_that_is_missing_is_named_and_where_it_logs(node, running, said):
    assert node(names=running) == [said]


def test_a_machine_that_does_not_run_is_all_there_is_to_say(node):
    [said] = node(init=None, names=())
    assert said.startswith("its machine isn't running; `invoke up` starts it")


def test_memory_and_processes_that_are_used_up_are_told(node):
    assert node(memory=(8 * GIB, 8 * GIB)) == ["it uses 8.0 GiB of the 8.0 GiB of memory that it may take"]
    assert node(tasks=8190) == ["it has 8190 processes and threads of the 8192 that it may have"]
    assert node(available=10) == ["this host has 0.0 GiB of its 0.0 GiB of memory left"]
    assert node(memory=None, tasks=None) == [], "a host without these groups"


# -- which pods -------------------------------------------------------------------------------------------------------


def pod(name, uid="u", **status):
    return {"metadata": {"namespace": "default", "name": name, "uid": uid}, "status": status}


def test_a_pod_that_was_killed_for_memory_is_named_with_its_container():
    killed = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-11-27T09:00:00Z"}}
    statuses = [{"name": "eat", "restartCount": 3, "state": {"waiting": {}}, "lastState": killed}]
    assert overran({}, [pod("eater", containerStatuses=statuses), pod("other")], {}) == [
        "Pod default/eater: container eat was killed for memory at 2026-11-27T09:00:00Z, restarted 3 times"
    ]
    once = [{"name": "eat", "restartCount": 0, "state": killed, "lastState": {}}]
    assert overran({}, [pod("eater", initContainerStatuses=once)], {}) == [
        "Pod default/eater: container eat was killed for memory at 2026-11-27T09:00:00Z"
    ]


def test_a_pod_that_ended_otherwise_is_not():
    other = {"terminated": {"reason": "Error", "exitCode": 137, "finishedAt": "x"}}
    statuses = [{"name": "c", "restartCount": 1, "state": {"running": {}}, "lastState": other}]
    assert overran({}, [pod("p", containerStatuses=statuses)], {}) == []


def test_an_evicted_pod_is_named_with_the_kubelets_words():
    evicted = pod("eater", reason="Evicted", message="The node was low on resource: memory.")
    assert overran({}, [evicted], {}) == ["Pod default/eater was evicted: The node was low on resource: memory."]


@pytest.mark.parametrize(("has", "told"), [(1024, True), (1000, True), (800, False)])
def test_a_pod_that_forks_without_end_is_named(has, told):
    said = overran({}, [pod("forker", uid="a-b")], {"a-b": (has, 1024), "c": (1024, 1024)})
    words = f"Pod default/forker has {has} processes and threads of the 1024 that it may have"
    assert said == ([words] if told else [])


def test_what_the_node_says_of_itself_is_told():
    node = {
        "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "MemoryPressure", "status": "True"}]}
    }
    assert overran(node, [], {}) == ["the node has MemoryPressure, and takes no pods without requests meanwhile"]
