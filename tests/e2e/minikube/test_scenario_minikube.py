"""The scenario of every provider on minikube, and what is only minikube's."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from scenario import Ending, Life, healthy
from support.standins import Standins
from tool import Tool


class TestLife(Life):
    infrastructure = frozenset({"cluster"})


class TestMinikube:
    """What is only minikube's."""

    def test_the_images_were_built_in_the_cluster_and_read(self, tool: Tool, laptop: Standins) -> None:
        images = tool.json("images")
        assert {image["reference"].rsplit(":", 1)[-1] for image in images} == {"blue", "yellow"}
        wanted = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
        assert all(image["architecture"] == image["program_architecture"] == wanted for image in images)
        assert [call for call in laptop.calls("minikube") if call["argv"][:1] == ["image"] or "image" in call["argv"]]

    def test_the_tunnel_shows_minikubes_own_status(self, tool: Tool) -> None:
        status = tool.json("tunnel", "status")
        assert status["running"]
        assert status["problems"] == []
        assert Path(f"/proc/{status['pid']}/cmdline").read_bytes().split(b"\0").count(b"tunnel") >= 1

    def test_a_killed_tunnel_comes_back(self, tool: Tool) -> None:
        pid = tool.json("tunnel", "status")["pid"]
        os.kill(pid, signal.SIGKILL)
        _wait_for_another(tool, pid)
        assert healthy(tool).summary["failed"] == []

    def test_a_lost_route_is_put_back(self, tool: Tool) -> None:
        """As after the laptop slept."""
        import subprocess

        route = tool.json("tunnel", "status")["route"].split(" -> ")[0]
        subprocess.run(["ip", "route", "delete", route], check=True, timeout=10)
        deadline = time.monotonic() + 60
        while (
            route
            not in subprocess.run(
                ["ip", "route", "show", route], capture_output=True, text=True, check=True, timeout=10
            ).stdout
        ):
            assert time.monotonic() < deadline, "the route did not come back"
            time.sleep(0.2)
        assert healthy(tool).summary["failed"] == []

    def test_the_tunnel_stops_and_starts(self, tool: Tool) -> None:
        stopped = tool.json("tunnel", "stop")
        assert not stopped["running"]
        assert healthy(tool).summary["changed"] == ["tunnel"]

    def test_a_stopped_cluster_is_started_with_its_objects(self, tool: Tool, laptop: Standins) -> None:
        tool.kubectl("create", "configmap", "kept", "--from-literal=a=b")
        stopped = laptop.run("minikube", "-p", tool.profile, "stop")
        assert stopped.returncode == 0, stopped.stderr
        assert "cluster" in healthy(tool).summary["changed"]
        assert tool.kubectl("get", "configmap", "kept", "-o", "jsonpath={.data.a}") == "b"
        assert tool.text("status").returncode == 0

    def test_a_paused_cluster_is_unpaused(self, tool: Tool, laptop: Standins) -> None:
        paused = laptop.run("minikube", "-p", tool.profile, "pause")
        assert paused.returncode == 0, paused.stderr
        assert "cluster" in healthy(tool).summary["changed"]

    def test_another_size_is_reported_and_only_recreated_where_that_is_allowed(
        self, tool: Tool, playbook: Path
    ) -> None:
        written = playbook.read_text()
        playbook.write_text(written.replace("memory: 8192mb", "memory: 6144mb"))
        try:
            refused = tool.run("up")
            assert refused.code == 1
            [finished] = [event for event in refused.of("stage-finished") if event["stage"] == "cluster"]
            assert "8192" in finished["reason"]
            assert "--recreate" in finished["reason"]
        finally:
            playbook.write_text(written)
        assert healthy(tool).summary["changed"] == []


@pytest.fixture(scope="module")
def setting(laptop: Standins) -> None:
    """Another profile in minikube's own."""
    laptop.run("minikube", "config", "set", "profile", "someone-elses")


@pytest.mark.usefixtures("setting")
class TestEnding(Ending):
    pass


class TestAfterwards:
    def test_minikubes_own_setting_is_what_it_was(self, laptop: Standins) -> None:
        assert laptop.run("minikube", "config", "get", "profile").stdout.strip() == "someone-elses"

    def test_nothing_of_the_cluster_is_left(self, tool: Tool, laptop: Standins) -> None:
        assert laptop.vm_processes() == []
        assert tool.profile not in laptop.profiles()
        assert not json.loads((laptop.minikube_home / "tunnels.json").read_text() or "[]")


def _wait_for_another(tool: Tool, pid: int) -> None:
    deadline = time.monotonic() + 60
    while (new := tool.json("tunnel", "status")["pid"]) in (None, pid):
        assert time.monotonic() < deadline, "the tunnel did not come back"
        time.sleep(0.2)
    assert new != pid
