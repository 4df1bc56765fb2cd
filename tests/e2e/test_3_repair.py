"""Whatever happens to a running cluster, the next `up` puts it right."""

from __future__ import annotations

import base64
import gzip
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tool import Ended, Tool

pytestmark = pytest.mark.usefixtures("first_up")


def _healthy(tool: Tool) -> Ended:
    ended = tool.run("up")
    assert ended.code == 0, ended.explain()
    return ended


def _pids(tool: Tool, program: str) -> list[int]:
    """Processes of the machine with that name, told by its network namespace."""
    listed = subprocess.run(
        ["ip", "netns", "pids", f"canarylab-{tool.profile}"], capture_output=True, text=True, check=True, timeout=10
    )
    return [pid for pid in map(int, listed.stdout.split()) if _name(pid) == program]


def _name(pid: int) -> str:
    """Nothing for a process that has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _comes_back(tool: Tool, program: str, seconds: float = 30.0) -> None:
    old = _pids(tool, program)
    assert old, f"{program} doesn't run"
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + seconds
    while not set(_pids(tool, program)) - set(old):
        assert time.monotonic() < deadline, f"{program} did not come back"
        time.sleep(0.1)


def test_a_drifted_object_is_put_back(tool: Tool) -> None:
    patch = '{"spec":{"hosts":["*.elsewhere.example"]}}'
    tool.kubectl("patch", "virtualservice", "rollouts-demo-vsvc2", "--type=merge", "-p", '{"spec":{"tls":[]}}')
    tool.kubectl("patch", "virtualservice", "rollouts-demo-vsvc2", "--type=merge", "-p", patch)
    status = tool.json("status")
    drifted = {stage["name"] for stage in status["stages"] if stage["drifted"]}
    assert drifted == {"rollouts-demo"}
    assert _healthy(tool).summary["changed"] == ["rollouts-demo"]
    assert "bookinfo.com" in tool.kubectl("get", "virtualservice", "rollouts-demo-vsvc2", "-o", "yaml")


def test_an_object_of_a_chart_is_put_back(tool: Tool) -> None:
    tool.kubectl("-n", "istio-system", "patch", "configmap", "istio", "--type=merge", "-p", '{"data":{"mesh":"{}"}}')
    assert _healthy(tool).summary["changed"] == ["istiod"]
    assert "discoveryAddress" in tool.kubectl("-n", "istio-system", "get", "configmap", "istio", "-o", "yaml")


def test_a_release_left_pending_is_repaired(tool: Tool) -> None:
    """As a Helm leaves it that was killed in the middle of an upgrade: a newer revision, pending."""
    secrets = tool.kubectl(
        "-n", "istio-ingress", "get", "secret", "-l", "owner=helm,name=istio-ingressgateway", "-o", "json"
    )
    newest = max(json.loads(secrets)["items"], key=lambda secret: int(secret["metadata"]["labels"]["version"]))
    release = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(newest["data"]["release"]))))
    release["version"] += 1
    release["info"]["status"] = "pending-upgrade"
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(release).encode()))).decode()
    name = f"sh.helm.release.v1.istio-ingressgateway.v{release['version']}"
    labels = {**newest["metadata"]["labels"], "status": "pending-upgrade", "version": str(release["version"])}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": newest["type"],
        "metadata": {"name": name, "namespace": "istio-ingress", "labels": labels},
        "data": {"release": packed},
    }
    file = tool.kubeconfig.with_name("pending.json")
    file.write_text(json.dumps(secret))
    tool.kubectl("create", "-f", str(file))
    repaired = _healthy(tool)
    assert repaired.summary["changed"] == ["istio-ingressgateway"]
    assert repaired.of("stage-change")[0]["action"] == "repair"


def test_a_release_whose_last_record_helm_3_wrote_is_repaired(tool: Tool) -> None:
    """The same record is made by Helm 4: what isn't applied on the server is what a record of Helm 3 stands for."""

    name = "istio-ingressgateway"

    def helm(*words: str) -> str:
        argv = [tool.program("helm"), *words, "-n", "istio-ingress", "--kube-context", tool.profile]
        return subprocess.run(argv, env=tool.env, capture_output=True, text=True, check=True, timeout=60).stdout

    now = json.loads(helm("history", name, "-o", "json"))[-1]["revision"]
    helm("rollback", name, str(now), "--server-side=false")
    assert json.loads(helm("get", "metadata", name, "-o", "json"))["applyMethod"] == "csa"
    tool.kubectl("-n", "istio-ingress", "delete", "serviceaccount", name)
    assert _healthy(tool).summary["changed"] == [name]
    assert f"serviceaccount/{name}\n" in tool.kubectl("-n", "istio-ingress", "get", "serviceaccount", "-o", "name")
    assert json.loads(helm("get", "metadata", name, "-o", "json"))["applyMethod"] == "ssa"


def test_a_killed_kubelet_comes_back(tool: Tool) -> None:
    _comes_back(tool, "kubelet")
    _healthy(tool)


def test_a_killed_containerd_comes_back(tool: Tool) -> None:
    _comes_back(tool, "containerd")
    _healthy(tool)


def test_a_killed_tunnel_comes_back(tool: Tool) -> None:
    pid = tool.json("tunnel", "status")["pid"]
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while (new := tool.json("tunnel", "status")["pid"]) in (None, pid):
        assert time.monotonic() < deadline, "the tunnel did not come back"
        time.sleep(0.2)
    assert new != pid
    _healthy(tool)


def test_the_tunnel_stops_and_starts(tool: Tool) -> None:
    stopped = tool.json("tunnel", "stop")
    assert not stopped["running"]
    assert stopped["addresses"] == {"istio-ingress/istio-ingressgateway": "pending"}
    assert _healthy(tool).summary["changed"] == ["tunnel"]
    assert tool.json("tunnel", "status")["addresses"]["istio-ingress/istio-ingressgateway"].startswith("10.")


def test_after_a_reboot_up_brings_it_back_with_its_objects(tool: Tool) -> None:
    """A reboot ends every process and takes namespaces, links, routes and rules away; the files stay."""
    tool.kubectl("create", "configmap", "kept", "--from-literal=a=b")
    folder = Path(tool.json("status")["kubeconfig"]).parent
    os.kill(int((folder / "supervisord.pid").read_text()), signal.SIGKILL)
    deadline = time.monotonic() + 20
    while _in_machine(tool):
        assert time.monotonic() < deadline, "the machine outlived its supervisor"
        time.sleep(0.1)
    for argv in (
        ["ip", "netns", "delete", f"canarylab-{tool.profile}"],
        ["nft", "delete", "table", "inet", f"canarylab-{tool.profile}"],
    ):
        subprocess.run(argv, check=True, timeout=10)
    back = _healthy(tool)
    assert "machine" in back.summary["changed"]
    assert "cluster" not in back.summary["changed"], "it is the same cluster"
    status = tool.text("status")
    assert status.returncode == 0, status.stdout
    assert tool.kubectl("get", "configmap", "kept", "-o", "jsonpath={.data.a}") == "b"


def _in_machine(tool: Tool) -> list[str]:
    done = subprocess.run(
        ["ip", "netns", "pids", f"canarylab-{tool.profile}"], capture_output=True, text=True, check=False, timeout=10
    )
    return done.stdout.split()


def test_a_second_run_says_who_holds_the_profile(tool: Tool) -> None:
    with tool.started("up") as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.send_signal(signal.SIGSTOP)  # else it may be done before the second one looks
        second = tool.run("up")
        running.send_signal(signal.SIGCONT)
        assert second.code == 4
        message = second.of("failure")[0]["message"]
        assert f"process {running.pid}" in message
        assert "since" in message
        assert running.wait(120) == 0


def test_teardown_of_istio_alone_leaves_the_rest(tool: Tool) -> None:
    removed = tool.run("teardown", "--only", "istio-ingressgateway")
    assert removed.code == 0, removed.explain()
    assert "istio-ingressgateway" in removed.summary["changed"]
    assert "argo-rollouts" in tool.kubectl("get", "pods", "-A")
    assert set(_healthy(tool).summary["changed"]) == {"istio-ingressgateway"}


def test_two_profiles_live_side_by_side(tool: Tool, tmp_path: Path) -> None:
    other = Tool("e2e-two", tmp_path / "config")
    try:
        up = other.run("up", "--only", "cluster")
        assert up.code == 0, up.explain()
        assert "e2e-two" in other.kubectl("get", "nodes")
        facts = {one.profile: _node(one) for one in (tool, other)}
        assert len(set(facts.values())) == 2, "each has a range of its own"
    finally:
        down = other.run("teardown")
    assert down.code == 0, down.explain()
    assert tool.text("status").returncode == 0, "the other one is untouched"


def _node(tool: Tool) -> str:
    machine = next(stage for stage in tool.json("status")["stages"] if stage["name"] == "machine")
    return str(machine["facts"]["node"])


def test_the_machine_has_no_way_out(tool: Tool) -> None:
    """A server on this host, at the host's end of the link: the host reaches it, the machine doesn't."""
    import socket

    node = _node(tool)
    host = node.rsplit(".", 1)[0] + ".1"
    with socket.create_server((host, 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((host, port), timeout=5):
            pass
        script = f"exec 3<>/dev/tcp/{host}/{port}"
        enter = ["ip", "netns", "exec", f"canarylab-{tool.profile}", "timeout", "5", "bash", "-c", script]
        assert subprocess.run(enter, capture_output=True, check=False, timeout=20).returncode != 0
