"""The stand-in for minikube, held against what a real one printed; no cluster is needed for these.

Those that need one are in tests/e2e/minikube/test_standin_recorded.py.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest
from minikube_standin.faults import KNOWN
from support.minikube_recorded import WITH_CLUSTER, WITHOUT_CLUSTER, Case, cases, normal, select
from support.standins import BIN, Standins, standins

Answers = dict[int, subprocess.CompletedProcess[str]]


@pytest.fixture
def machine() -> Iterator[Standins]:
    with standins(STANDIN_SYSTEM="linux/amd64") as made:
        yield made


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    """Each case asked of the stand-in, the ones after the deletion in a home of their own."""
    said: Answers = {}
    for numbers in (range(25), (64, 65)):
        with standins(STANDIN_SYSTEM="linux/amd64", STANDIN_CPUS="2") as made:
            said |= {case.number: made.minikube(*case.argv[1:]) for case in select(numbers)}
    yield said


@pytest.mark.parametrize("case", select(WITHOUT_CLUSTER), ids=str)
def test_it_ends_as_the_real_one_did(case: Case, answers: Answers) -> None:
    assert answers[case.number].returncode == case.exit, answers[case.number].stderr


@pytest.mark.parametrize(
    "argv", [("version", "-o", "json"), ("status", "-p", "x"), ("start", "--nope"), ("dashboard",)]
)
def test_the_program_does_what_the_call_does(machine: Standins, argv: tuple[str, ...]) -> None:
    program, call = machine.run("minikube", *argv), machine.minikube(*argv)
    assert (program.returncode, program.stdout) == (call.returncode, call.stdout)
    assert program.stderr.splitlines()[-1:] == call.stderr.splitlines()[-1:]


@pytest.mark.parametrize("case", select(WITHOUT_CLUSTER), ids=str)
def test_it_prints_what_the_real_one_did(case: Case, answers: Answers) -> None:
    assert normal(answers[case.number].stdout) == normal(case.stdout)
    assert normal(answers[case.number].stderr) == normal(case.stderr)


@pytest.mark.parametrize("case", [case for case in select(WITHOUT_CLUSTER) if "-o" in case.argv], ids=str)
def test_its_output_ends_as_the_real_one_s(case: Case, answers: Answers) -> None:
    """A status and a list of profiles have no final newline, events and the version have one."""
    assert answers[case.number].stdout[-1:] == case.stdout[-1:]


def test_every_case_is_compared_somewhere() -> None:
    assert {*WITHOUT_CLUSTER, *WITH_CLUSTER} == set(cases())


@pytest.mark.parametrize(
    "argv",
    [
        ("dashboard",),
        ("image", "tag", "a", "b"),
        ("start", "--driver", "qemu", "--nodes", "2"),
        ("start", "--kubernetes-version", "latest", "--driver", "qemu"),
        ("start",),
        ("profile", "list"),
        ("addons", "disable", "istio"),
    ],
    ids=" ".join,
)
def test_what_it_does_not_know_is_loud(machine: Standins, argv: tuple[str, ...]) -> None:
    done = machine.minikube(*argv)
    assert done.returncode == 99
    assert "StandinError" in done.stderr


_VMNET = ("start", "-p", "laptop", "--driver", "qemu", "--network", "socket_vmnet", "--container-runtime=containerd")
_EVENTS = (*_VMNET, "--output=json", "--interactive=false", "--keep-context", "--kubernetes-version=v1.36.3")


@pytest.mark.parametrize(
    ("fault", "code", "name", "sign"),
    [
        ("socket-vmnet-missing", 15, "NOT_FOUND_SOCKET_VMNET", ""),
        ("socket-vmnet-refused", 80, "GUEST_PROVISION", '"/opt/homebrew/var/run/socket_vmnet": Connection refused'),
        ("socket-vmnet-denied", 80, "GUEST_PROVISION", '"/opt/homebrew/var/run/socket_vmnet": Permission denied'),
        ("socket-vmnet-denied-var-run", 60, "PR_QEMU_SOCKET_VMNET_DENIED", '"/var/run/socket_vmnet": Permission'),
        ("no-ip-for-mac", 80, "GUEST_PROVISION", "could not find an IP address for "),
        ("bootpd-firewall", 70, "IF_BOOTPD_FIREWALL", "could not find an IP address for "),
        ("no-route-to-host", 80, "GUEST_PROVISION", "no route to host"),
        ("hvf-unknown", 80, "GUEST_PROVISION", "qemu-system-x86_64: -accel hvf: Unknown Error"),
        ("hvf-invalid", 80, "GUEST_PROVISION", "-accel hvf: invalid accelerator hvf"),
        ("qemu-missing", 65, "PROVIDER_QEMU2_NOT_FOUND", "executable file not found"),
    ],
)
def test_a_fault_of_the_machine_ends_the_start_with_its_reason(fault: str, code: int, name: str, sign: str) -> None:
    with standins(STANDIN_SYSTEM="darwin/arm64") as mac:
        mac.faults(fault)
        done = mac.minikube(*_EVENTS)
    assert done.returncode == code
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["type"] == "io.k8s.sigs.minikube.error"
    assert (last["data"]["name"], last["data"]["exitcode"]) == (name, str(code))
    assert sign in last["data"]["message"]


def test_what_qemu_prints_stands_between_the_events() -> None:
    with standins(STANDIN_SYSTEM="darwin/arm64") as mac:
        mac.faults("socket-vmnet-refused")
        lines = mac.minikube(*_EVENTS).stdout.splitlines()
    printed = 'ERROR: Failed to connect to "/opt/homebrew/var/run/socket_vmnet": Connection refused'
    assert lines.count(printed) == 2, "it is tried twice"


def test_a_failed_start_leaves_a_profile_without_a_machine() -> None:
    with standins(STANDIN_SYSTEM="darwin/arm64") as mac:
        mac.faults("hvf-unknown")
        mac.minikube(*_EVENTS)
        status = mac.minikube("-p", "laptop", "status", "-o", "json")
        listed = json.loads(mac.minikube("profile", "list", "-o", "json").stdout)
    assert (status.returncode, status.stdout) == (7, "null")
    assert [profile["Status"] for profile in listed["valid"]] == ["Unknown"]


def test_a_start_that_is_killed_leaves_a_half_created_profile() -> None:
    with standins(STANDIN_SYSTEM="darwin/arm64") as mac:
        mac.faults("half-created")
        done = mac.run("minikube", *_EVENTS)
        assert done.returncode == -9
        assert mac.profiles() == ["laptop"]
        assert mac.vm_processes() == []


def test_another_driver_is_refused_and_the_same_one_keeps_its_size() -> None:
    with standins(STANDIN_SYSTEM="darwin/arm64") as mac:
        mac.faults("hvf-unknown")
        mac.minikube(*_EVENTS)
        other = mac.minikube(*_EVENTS, "--driver", "vfkit")
        larger = mac.minikube(*_EVENTS, "--memory=6000", "--dry-run")
    reason = json.loads(other.stdout.splitlines()[-1])["data"]
    assert other.returncode == 81
    assert reason["name"] == "GUEST_DRIVER_MISMATCH"
    assert "You cannot change the memory size for an existing minikube cluster" in larger.stdout


def test_an_older_kubernetes_is_refused_for_an_existing_profile() -> None:
    with standins(STANDIN_SYSTEM="darwin/arm64") as mac:
        mac.faults("hvf-unknown")
        mac.minikube(*_EVENTS)
        done = mac.minikube(*_EVENTS, "--kubernetes-version=v1.35.1")
    reason = json.loads(done.stdout.splitlines()[-1])["data"]
    assert done.returncode == 106
    assert reason["name"] == "K8S_DOWNGRADE_UNSUPPORTED"
    assert "{{.profile}}" in reason["advice"], "its advice isn't filled in with --output=json"


def test_crio_is_not_implemented_on_an_arm64_machine() -> None:
    with standins(STANDIN_SYSTEM="darwin/arm64") as mac:
        assert mac.minikube(*_EVENTS, "--container-runtime=crio").returncode == 16


def test_more_memory_than_there_is_ends_the_start() -> None:
    with standins(STANDIN_SYSTEM="darwin/arm64", STANDIN_MEMORY="8192") as mac:
        assert mac.minikube(*_EVENTS, "--memory=9000").returncode == 10


def test_sudo_s_root_is_refused() -> None:
    with standins(STANDIN_SYSTEM="darwin/arm64") as mac:
        done = mac.run("sudo", "minikube", *_EVENTS)
        assert done.returncode == 57
        assert [call["sudo"] for call in mac.calls("minikube")] == [True]


def test_a_delete_unsets_the_profile_setting_even_of_another(machine: Standins) -> None:
    machine.minikube("config", "set", "profile", "another")
    assert machine.minikube("config", "get", "profile").stdout == "another\n"
    machine.minikube("-p", "laptop", "delete")
    assert machine.minikube("config", "get", "profile").returncode == 14


def test_the_profile_setting_is_the_default(machine: Standins) -> None:
    machine.minikube("config", "set", "profile", "another")
    assert 'Profile "another" not found' in machine.minikube("ip").stdout
    assert 'Profile "laptop" not found' in machine.minikube("-p", "laptop", "ip").stdout


def test_sudo_wants_a_password_once(machine: Standins) -> None:
    machine.faults("sudo-password")
    refused = machine.run("sudo", "-n", "true")
    assert (refused.returncode, refused.stderr) == (1, "sudo: a password is required\n")
    assert machine.run("sudo", "-S", "-v", stdin="secret\n").returncode == 0
    assert machine.run("sudo", "-n", "true").returncode == 0
    machine.run("sudo", "-k")
    assert machine.run("sudo", "-n", "true").returncode == 1


def test_sudo_refuses_who_may_not(machine: Standins) -> None:
    machine.faults("sudo-denied")
    done = machine.run("sudo", "-n", "true")
    assert done.returncode == 1
    assert "is not in the sudoers file" in done.stderr


def test_every_fault_is_in_the_readme() -> None:
    text = (BIN.parent / "README.md").read_text()
    assert [name for name in KNOWN if f"`{name}`" not in text] == []
