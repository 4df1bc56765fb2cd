"""What goes wrong on a laptop, produced, and what the user then reads: `invoke up` on a machine that has the fault."""

from __future__ import annotations

import pytest
from support.standins import Standins
from tool import Tool

MACHINE = 3
SIGNS = {
    "socket-vmnet-missing": ("isn't installed where minikube looks", "brew install socket_vmnet", "16342"),
    "socket-vmnet-refused": ("nobody answers at it: its daemon isn't running", "services start socket_vmnet", "19745"),
    "socket-vmnet-denied": ("belongs to somebody else", "shows the owner", "17615"),
    "socket-vmnet-denied-var-run": ("belongs to somebody else", "shows the owner", "17615"),
    "no-ip-for-mac": ("the firewall keeps bootpd", "socketfilterfw --unblock /usr/libexec/bootpd", "15960"),
    "bootpd-firewall": ("the firewall keeps bootpd", "socketfilterfw --unblock /usr/libexec/bootpd", "19014"),
    "no-route-to-host": ("this terminal may not reach it", "Privacy & Security > Local Network", "23691"),
    "hvf-unknown": ("runs translated by Rosetta", "must say arm64", "17020"),
    "hvf-invalid": ("runs translated by Rosetta", "must say arm64", "18712"),
    "qemu-missing": ("there is no qemu on the PATH", "brew install qemu", ""),
    "as-root": ("minikube refuses to make a virtual machine as root", "without sudo", "5146"),
}
"""By fault: what is told of its cause, what to do, and minikube's issue."""


@pytest.fixture(autouse=True)
def _well_again(laptop: Standins) -> None:
    laptop.faults()


@pytest.mark.parametrize("fault", SIGNS)
def test_a_start_that_fails_is_explained(fault: str, tool: Tool, laptop: Standins) -> None:
    laptop.faults(fault)
    ended = tool.run("up", "--only", "cluster")
    assert ended.code == MACHINE, ended.explain()
    [told] = [event["reason"] for event in ended.of("stage-finished") if event["stage"] == "cluster"]
    cause, remedy, issue = SIGNS[fault]
    assert cause.replace("the firewall", "firewall") in told
    assert remedy in told
    assert issue in told
    assert "Traceback" not in ended.errors


def test_once_the_fault_is_gone_the_next_up_goes_on(tool: Tool) -> None:
    ended = tool.run("up", "--only", "cluster")
    assert ended.code == 0, ended.explain()


def test_a_tunnel_in_another_terminal_is_named_and_left_alone(tool: Tool, laptop: Standins) -> None:
    with laptop.started("minikube", "-p", tool.profile, "tunnel") as foreign:
        assert foreign.stdout is not None
        while "errors" not in foreign.stdout.readline():
            pass
        status = tool.json("tunnel", "status")
        assert str(foreign.pid) in str(status)
        tool.text("tunnel", "stop")
        assert foreign.poll() is None, "somebody else's tunnel isn't ended"


def test_a_conflicting_route_names_its_cause(tool: Tool, laptop: Standins) -> None:
    laptop.faults("tunnel-conflicting-route")
    tool.text("tunnel", "start")
    told = tool.text("tunnel", "status").stdout
    assert "conflicting route" in told
    assert "by another profile's tunnel with the same range" in told.replace("\n", " ")


def test_an_image_build_that_fails_with_exit_0_is_found_out(tool: Tool, laptop: Standins) -> None:
    laptop.faults("image-build-fails")
    ended = tool.run("up", "--only", "image-blue")
    assert ended.code == 1
    [told] = [event["reason"] for event in ended.of("stage-finished") if event["stage"] == "image-blue"]
    assert "localhost/argoproj/rollouts-demo:blue" in told


def test_an_image_of_the_wrong_architecture_is_refused_with_both_named(tool: Tool, laptop: Standins) -> None:
    laptop.faults("image-build-wrong-architecture")
    ended = tool.run("up", "--only", "image-blue")
    assert ended.code == 1
    [told] = [event["reason"] for event in ended.of("stage-finished") if event["stage"] == "image-blue"]
    assert "amd64" in told
    assert "arm64" in told


def test_a_machine_that_minikube_forgot_is_found_and_ended(tool: Tool, laptop: Standins) -> None:
    laptop.faults("delete-leaves-vm")
    down = tool.run("teardown")
    assert down.code == 0, down.explain()
    assert any("virtual machine that minikube has forgotten" in event["subject"] for event in down.of("removed"))
    assert laptop.vm_processes() == []
