"""Up, and up again: what is there afterwards, and that the second time changes nothing."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import yaml
from scenario import APPLICATION
from tool import Ended, Tool

STAGES = {"programs", "machine", "cluster"} | APPLICATION


def test_the_first_up_brings_every_stage_up(first_up: Ended) -> None:
    summary = first_up.summary
    assert summary["ok"]
    assert set(summary["stage_seconds"]) == STAGES
    assert set(summary["changed"]) >= STAGES - {"programs"}, "only the programs may have been in the cache"


def test_no_time_is_wasted_beside_the_critical_path(first_up: Ended) -> None:
    summary = first_up.summary
    assert summary["critical_path"][0] == "programs"
    assert summary["seconds"] >= summary["critical_path_seconds"] * 0.99


def test_the_second_up_changes_nothing(first_up: Ended, tool: Tool) -> None:  # noqa: ARG001 - after it
    again = tool.run("up")
    assert again.code == 0, again.explain()
    assert again.summary["changed"] == []
    assert set(again.summary["unchanged"]) == STAGES
    assert again.of("stage-change") == []


def test_plan_finds_nothing_to_do(first_up: Ended, tool: Tool) -> None:  # noqa: ARG001
    plan = tool.run("plan")
    assert plan.code == 0
    assert plan.summary["changed"] == []
    assert "no changes" in plan.of("notice")[0]["message"]


def test_status_tells_every_stage_the_gateway_and_the_rollout(first_up: Ended, tool: Tool) -> None:  # noqa: ARG001
    done = tool.text("status", "--output", "json")
    status = json.loads(done.stdout)
    assert done.returncode == 0, status
    assert {stage["name"] for stage in status["stages"]} == STAGES
    assert all(stage["healthy"] and not stage["drifted"] for stage in status["stages"])
    assert status["context"] == "e2e"
    assert status["gateway"].startswith("10.")
    assert "Status:          ✔ Healthy" in status["rollout"]


def test_kubectl_works_by_context_in_the_users_own_shell(first_up: Ended, tool: Tool) -> None:  # noqa: ARG001
    assert "rollouts-demo" in tool.kubectl("get", "ro")


def test_the_users_current_context_is_what_it_was(first_up: Ended, tool: Tool) -> None:  # noqa: ARG001
    config = yaml.safe_load(tool.kubeconfig.read_text())
    assert config["current-context"] == "someone-elses"
    assert "someone-elses" in {cluster["name"] for cluster in config["clusters"]}


def test_secrets_are_readable_by_their_owner_only(first_up: Ended, tool: Tool) -> None:  # noqa: ARG001
    own = Path(tool.json("status")["kubeconfig"])
    for path in (own, tool.kubeconfig):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(own.parent.stat().st_mode) == 0o700


def test_the_sidecar_is_injected(first_up: Ended, tool: Tool) -> None:  # noqa: ARG001
    pods = json.loads(tool.kubectl("get", "pods", "-l", "app=rollouts-demo", "-o", "json"))["items"]
    assert pods
    for pod in pods:
        assert "istio-proxy" in {container["name"] for container in pod["spec"]["initContainers"]}


def test_it_is_a_real_kubernetes_with_its_addons(first_up: Ended, tool: Tool) -> None:  # noqa: ARG001
    pods = tool.kubectl("get", "pods", "-A")
    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns"):
        assert name in pods
    may = tool.kubectl("auth", "can-i", "create", "pods", "--as", "nobody", check=False)
    assert may.strip() == "no", "RBAC is on"


def test_images_have_the_hosts_architecture(first_up: Ended, tool: Tool) -> None:  # noqa: ARG001
    images = json.loads(tool.text("images", "--output", "json").stdout)
    assert {image["reference"] for image in images} == {
        "localhost/argoproj/rollouts-demo:blue",
        "localhost/argoproj/rollouts-demo:yellow",
    }
    wanted = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    assert all(image["architecture"] == image["program_architecture"] == wanted for image in images)


def test_doctor_finds_this_machine_able(first_up: Ended, tool: Tool) -> None:  # noqa: ARG001
    report = tool.json("doctor")
    assert report["ok"], report
