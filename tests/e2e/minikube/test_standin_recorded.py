"""The stand-in for minikube on a whole life of a cluster, held against what a real one printed in the same situations.

The recording is of the driver `none`; here it is kvm2, so what only that driver says is left out of the comparison.
The cases that aren't compared at all, and why, are in tests/support/minikube_recorded.py.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.minikube_recorded import WITH_CLUSTER, Case, cases, messages, normal, select
from support.standins import Standins, standins

Answer = subprocess.CompletedProcess[str]
_START = (
    "--driver=kvm2",
    "--container-runtime=containerd",
    "--kubernetes-version=v1.36.3",
    "--memory=4096",
    "--cpus=2",
)


@pytest.fixture(scope="module")
def machine() -> Iterator[Standins]:
    with standins(STANDIN_TUNNEL_SECONDS="0.5", STANDIN_CPUS="2") as made:
        yield made


@pytest.fixture(scope="module")
def life(machine: Standins) -> dict[int, Answer]:
    """Every case, asked in the state that its context names."""
    said: dict[int, Answer] = {}

    def ask(*numbers: int) -> None:
        for number in numbers:
            said[number] = machine.run(*cases()[number].argv)

    said[66] = machine.run("minikube", "start", *_START, "--output=json", "--preload=false", "--wait=apiserver")
    assert said[66].returncode == 0, said[66].stderr
    for name, port in (("demo", "80"), ("demo2", "81")):
        machine.run("kubectl", "create", "service", "loadbalancer", name, f"--tcp={port}")
    ask(25, 26, 27, 28, 31, 32, 34, 36, 37, 38, 41, 42, 43)
    archive = str(machine.folder / "pause.tar")
    machine.run("minikube", "image", "save", "registry.k8s.io/pause:3.10", archive)
    said[33] = machine.run("minikube", "image", "load", archive)
    ask(47, 48, 49, 50, 51, 52, 53, 54)
    with machine.started("minikube", "tunnel") as first:
        printed = _block(first)
        ask(55)
        said[67] = _ended(first, signal.SIGINT, printed)
    with machine.started("minikube", "tunnel") as second:
        said[68] = _ended(second, signal.SIGTERM, _block(second))
    with machine.started("minikube", "tunnel", "--cleanup") as third:
        said[56] = _ended(third, signal.SIGINT, _block(third))
    machine.faults("apiserver-stopped")
    ask(58, 59, 60, 61, 62)
    machine.faults()
    said[57] = machine.run("minikube", "stop", "-o", "json")
    ask(63)
    return said


def _block(process: subprocess.Popen[str]) -> str:
    """The first status block."""
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or "loadbalancer emulator" not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], "it ended before it had printed a status"
    return "".join(lines)


def _ended(process: subprocess.Popen[str], number: signal.Signals, printed: str) -> Answer:
    process.send_signal(number)
    process.wait(30)
    assert process.stdout is not None
    return subprocess.CompletedProcess([], process.returncode, printed + process.stdout.read(), "")


_CUT_OFF = 124
_BY_SIGNAL = {67: 0, 68: -signal.SIGTERM}
"""Exit codes of a process that got a signal, as Python has them."""
_PROFILES = (26, 27, 62)
_IMAGES = (31, 32, 61)
_ADDONS = (37, 50)
_EVENTS = (57, 63, 66)
_PAUSED = 52
_OTHERWISE = {*_PROFILES, *_IMAGES, *_ADDONS, *_EVENTS, 43, _PAUSED}


@pytest.mark.parametrize("case", select(sorted({*WITH_CLUSTER} - {64, 65})), ids=str)
def test_it_ends_as_the_real_one_did(case: Case, life: dict[int, Answer]) -> None:
    if case.exit != _CUT_OFF:  # the recorder's own
        assert life[case.number].returncode == _BY_SIGNAL.get(case.number, case.exit), life[case.number].stderr


@pytest.mark.parametrize("case", select(sorted({*WITH_CLUSTER} - _OTHERWISE)), ids=str)
def test_it_prints_what_the_real_one_did(case: Case, life: dict[int, Answer]) -> None:
    assert normal(_local(life[case.number].stdout)) == normal(_local(case.stdout))
    assert normal(_local(life[case.number].stderr)) == normal(_local(case.stderr))


def _local(text: str) -> str:
    """Without the node's address, and without process ids."""
    return re.sub(r"pid: \d+", "pid: N", re.sub(r"\b10\.\d+\.0\.2\b", "NODE", text))


@pytest.mark.parametrize("number", _PROFILES)
def test_profiles_are_listed_with_the_same_fields(number: int, life: dict[int, Answer]) -> None:
    seen, real = json.loads(life[number].stdout), json.loads(cases()[number].stdout)
    [ours], [theirs] = seen["valid"], real["valid"]
    assert seen["invalid"] == real["invalid"]
    assert (ours["Status"], ours["Active"]) == (theirs["Status"], theirs["Active"])
    assert list(ours["Config"]) == list(theirs["Config"])
    assert list(ours["Config"]["KubernetesConfig"]) == list(theirs["Config"]["KubernetesConfig"])
    assert set(ours["Config"]["Nodes"][0]) == set(theirs["Config"]["Nodes"][0])
    for key in ("Memory", "CPUs", "DiskSize"):
        assert ours["Config"][key] == theirs["Config"][key]
    for key in ("KubernetesVersion", "ContainerRuntime", "ServiceCIDR", "Namespace"):
        assert ours["Config"]["KubernetesConfig"][key] == theirs["Config"]["KubernetesConfig"][key]


@pytest.mark.parametrize("number", [31, 61])
def test_images_are_listed_with_the_same_fields(number: int, life: dict[int, Answer]) -> None:
    ours, theirs = json.loads(life[number].stdout), json.loads(cases()[number].stdout)
    assert {tuple(row) for row in ours} == {tuple(row) for row in theirs}
    assert all(row["id"].startswith("sha256:") and row["size"].isdigit() for row in ours)
    assert {"registry.k8s.io/kube-apiserver:v1.36.3"} <= {tag for row in ours for tag in row["repoTags"]}


def test_images_are_named_one_a_line_in_descending_order(life: dict[int, Answer]) -> None:
    ours, theirs = life[32].stdout.splitlines(), cases()[32].stdout.splitlines()
    assert theirs == sorted(theirs, reverse=True)
    assert ours == sorted(ours, reverse=True)


@pytest.mark.parametrize("number", _ADDONS)
def test_addons_are_those_of_the_real_one(number: int, life: dict[int, Answer]) -> None:
    """The two that every machine but that of `none` has from the start are enabled here."""
    ours, theirs = json.loads(life[number].stdout), json.loads(cases()[number].stdout)
    for name in ("default-storageclass", "storage-provisioner"):
        assert (ours.pop(name)["Status"], theirs.pop(name)["Status"]) == ("enabled", "disabled")
    assert ours == theirs


def test_a_paused_cluster_s_kubelet_is_stopped(life: dict[int, Answer]) -> None:
    """On a machine with systemd: the one of the recording had none, so its kubelet couldn't be stopped."""
    ours, theirs = json.loads(life[_PAUSED].stdout), json.loads(cases()[_PAUSED].stdout)
    assert (ours.pop("Kubelet"), theirs.pop("Kubelet")) == ("Stopped", "Running")
    assert ours == theirs


def test_kubectl_is_the_cluster_s(life: dict[int, Answer]) -> None:
    def columns(text: str) -> list[list[str]]:
        return [line.split()[:3] for line in text.splitlines()]

    assert columns(life[43].stdout) == columns(cases()[43].stdout)


def test_a_start_s_events_have_the_real_one_s_numbers_and_words(life: dict[int, Answer]) -> None:
    """What doesn't depend on the driver, or on a first start being one of a machine that was there before."""
    own: tuple[str, ...] = (
        "based on",
        "Updating the running",
        "OS release",
        "registry.k8s.io",
        "pull new external images",
        "kubectl",
    )
    own += ("fail-cgroupv1", "ignore-preflight-errors", "conntrack", "Configuring local host", "does not respect")
    own += ("Configuring bridge CNI",)  # of a restart there; `test_a_machine_whose_process_was_killed...` has both
    ours = [_versions(row) for row in messages(life[66].stdout)]
    theirs = [_versions(row) for row in messages(cases()[66].stdout)]
    expected = [row for row in theirs if row[2] and not (any(word in row[2] for word in own) and row[1] != "19")]
    missing = [row for row in expected if row not in ours and not row[2].startswith(("KUBECONFIG", "MINIKUBE"))]
    assert missing == []
    assert len(expected) > 8


_CNI = "Configuring bridge CNI (Container Networking Interface) ..."


def _versions(row: tuple[str, str, str]) -> tuple[str, str, str]:
    return row[0], row[1], re.sub(r"containerd [\d.]+", "containerd N", row[2])


def test_a_stop_and_a_delete_begin_and_end_with_the_real_one_s_events(life: dict[int, Answer]) -> None:
    assert messages(life[57].stdout)[0] == messages(cases()[57].stdout)[0]
    assert messages(life[63].stdout)[-1] == messages(cases()[63].stdout)[-1]
    ours, theirs = (_step(text, "Deleting") for text in (life[63].stdout, cases()[63].stdout))
    assert ours["message"].replace("kvm2", "none") == theirs["message"]
    assert (ours["currentstep"], ours["totalsteps"]) == (theirs["currentstep"], theirs["totalsteps"])


def _step(text: str, name: str) -> dict[str, Any]:
    data = [json.loads(line)["data"] for line in text.splitlines()]
    return next(one for one in data if one.get("name") == name)


def test_nothing_is_left_of_it(machine: Standins, life: dict[int, Answer]) -> None:
    assert life[63].returncode == 0
    assert machine.profiles() == []
    assert machine.vm_processes() == []
    assert "minikube" not in machine.kubeconfig.read_text()


def test_a_start_that_was_killed_in_the_middle_is_finished_by_the_next_one() -> None:
    with standins(STANDIN_SLOW_SECONDS="0.2") as machine:
        machine.faults("slow-start")
        argv = ("minikube", "-p", "killed", "start", *_START[:3], "--output=json")
        with machine.started(*argv) as process:
            assert process.stdout is not None
            while '"Booting control plane"' not in process.stdout.readline():
                assert process.poll() is None
            time.sleep(1)
            process.kill()
        machine.faults()
        status = machine.run("minikube", "-p", "killed", "status", "-o", "json")
        assert status.returncode != 0
        again = machine.run(*argv)
        assert again.returncode == 0, again.stderr
        assert machine.run("minikube", "-p", "killed", "status", "-o", "json").returncode == 0


def test_a_machine_whose_process_was_killed_is_stopped_and_starts_again() -> None:
    with standins() as machine:
        argv = ("minikube", "-p", "crashed", "start", *_START[:3], "--output=json")
        first = messages(machine.run(*argv).stdout)
        assert ("step", "15", _CNI) in first  # as the real one did with its driver qemu2
        addons = first.index(("step", "18", "Enabled addons: default-storageclass, storage-provisioner"))
        assert first[addons - 1][::2] == ("info", "Using image gcr.io/k8s-minikube/storage-provisioner:v5")
        machine.faults("vm-gone")
        assert machine.run("minikube", "-p", "crashed", "status", "-o", "json").returncode == 7
        machine.faults()
        again = machine.run(*argv)
        assert again.returncode == 0
        assert [row[0] for row in messages(again.stdout) if row[2] == _CNI] == ["info"]
        assert machine.run("minikube", "-p", "crashed", "status", "-o", "json").returncode == 0


def test_the_faults_of_a_running_cluster_show_their_signs() -> None:
    with standins(STANDIN_TUNNEL_SECONDS="0.2", STANDIN_CPUS="4") as machine:
        at = ("minikube", "-p", "faulty")
        assert machine.run(*at, "start", *_START, "--output=json").returncode == 0

        with machine.started(*at, "tunnel") as tunnel:
            assert "loadbalancer emulator: no errors" in _block(tunnel)
            machine.faults("apiserver-stopped")
            assert "net/http: TLS handshake timeout" in _block(tunnel)
            assert machine.run(*at, "tunnel").returncode == 103
            tunnel.send_signal(signal.SIGINT)
            tunnel.wait(30)
        machine.faults("tunnel-already-running")
        assert machine.run(*at, "tunnel").returncode == 111
        machine.faults("tunnel-registered")
        registered = machine.run(*at, "tunnel")
        assert (registered.returncode, "another tunnel is already running" in registered.stderr) == (110, True)
        machine.faults("tunnel-conflicting-route", "tunnel-ends")
        assert "router: conflicting route: 10.96.0.0/12" in machine.run(*at, "tunnel").stdout
        machine.faults("sudo-password", "tunnel-ends")
        assert "router: error adding Route: sudo: a terminal is required" in machine.run(*at, "tunnel").stdout

        folder = machine.folder / "context"
        folder.mkdir()
        (folder / "program-amd64").write_bytes(b"\x7fELF" + bytes(16))
        (folder / "program-arm64").write_bytes(b"\x7fELF" + bytes(16))
        (folder / "Containerfile").write_text("FROM scratch\nARG TARGETARCH\nCOPY program-${TARGETARCH} /program\n")
        build = (*at, "image", "build", "-t", "localhost/x:y", "-f", "Containerfile", str(folder))
        for faults, built in (("image-build-fails", False), ("image-build-keeps-old", True)):
            machine.faults(faults)
            assert machine.run(*build).returncode == 0
            assert ("localhost/x:y" in machine.run(*at, "image", "ls").stdout) is built

        archive = machine.folder / "image.tar"
        machine.faults("image-save-fails")
        machine.run(*at, "image", "save", "localhost/x:y", str(archive))
        assert not archive.exists()
        machine.faults("image-load-keeps-old")
        machine.run(*at, "image", "save", "localhost/x:y", str(archive))
        machine.run(*at, "image", "rm", "localhost/x:y")
        assert machine.run(*at, "image", "load", str(archive)).returncode == 0
        assert "localhost/x:y" not in machine.run(*at, "image", "ls").stdout

        machine.faults("delete-leaves-vm")
        assert machine.run(*at, "delete").returncode == 0
        assert machine.profiles() == []
        assert len(machine.vm_processes()) == 1
