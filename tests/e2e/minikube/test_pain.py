"""What goes wrong on a laptop, produced, and what the user then reads: `invoke up` on a machine that has the fault."""

from __future__ import annotations

import pytest
from support.standins import Standins
from tool import Tool


@pytest.fixture(autouse=True)
def _well_again(laptop: Standins) -> None:
    laptop.faults()


def test_the_cluster_comes_up(tool: Tool) -> None:
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
    started = tool.text("tunnel", "start")
    told = started.stdout + started.stderr + tool.text("tunnel", "status").stdout
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
