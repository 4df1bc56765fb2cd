"""The host survives: a pod that eats memory, one that forks without end, a disk that fills while `up` runs.

Each has a watchdog of its own: what would run away on a host without the ceiling is ended from outside.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tool import UP_SECONDS, Ended, Tool, parse, read_until

from canarylab.providers.embedded.cgroups import ControlGroups
from canarylab.providers.embedded.network import name_of

MIB = 1 << 20
MEMORY = 3 * 1024
"""MiB that the node may take: small, so that a ceiling that doesn't hold is noticed early."""
PLAYBOOK = f"""\
name: laptop
cluster: {{profile: laptop, memory: {MEMORY}mb, cpus: 1}}
stages: {{}}
"""


def available() -> int:
    """MiB that this host has left."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return next(int(words[1]) for words in lines if words[0] == "MemAvailable:") // 1024


@contextlib.contextmanager
def watchdog(groups: ControlGroups, least: int) -> Iterator[list[str]]:
    """Kill every process of the node, by id, where the host has less than so many MiB left, or the node too many."""
    over, barked = threading.Event(), []

    def watch() -> None:
        while not over.wait(0.2):
            if available() < least or (groups.tasks() or 0) > 9000:
                barked.append(f"{available()} MiB left, {groups.tasks()} tasks")
                for pid in groups.processes():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield barked
    finally:
        over.set()
        thread.join()


def until(ready: Callable[[], object], seconds: float) -> float:
    """Wait for it; how long that took."""
    started = time.monotonic()
    while not ready():
        assert time.monotonic() - started < seconds, "it didn't come true in time"
        time.sleep(0.5)
    return time.monotonic() - started


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tool]:
    """A small cluster of its own."""
    folder = tmp_path_factory.mktemp("laptop")
    (folder / "laptop.yaml").write_text(PLAYBOOK)
    made = Tool("e2e-laptop", folder / "config", flags=("--playbook", str(folder / "laptop.yaml")))
    up = made.run("up", timeout=UP_SECONDS)
    assert up.code == 0, up.explain()
    made.kubectl(
        "wait", "--for=create", "serviceaccount/default", "--timeout=60s"
    )  # a bare node is up some seconds sooner
    yield made
    made.text("teardown")


@pytest.fixture(scope="module")
def groups(node: Tool) -> ControlGroups:
    return ControlGroups(name_of(node.profile))


def image_of_the_node(node: Tool) -> str:
    """One that has what a shell is linked with; the shell itself is the node's."""
    found = json.loads(node.kubectl("get", "node", node.profile, "-o", "json"))["status"]["images"]
    return next(name for image in found for name in image["names"] if "proxyv2" in name and "@" not in name)


def run_pod(node: Tool, name: str, script: str) -> None:
    spec = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "shell",
                    "image": image_of_the_node(node),
                    "imagePullPolicy": "Never",
                    "command": ["/node/dash", "-c", script],
                    "env": [{"name": "PATH", "value": "/node"}],
                    "securityContext": {"runAsUser": 0},
                    "volumeMounts": [{"name": "node", "mountPath": "/node", "readOnly": True}],
                }
            ],
            "volumes": [{"name": "node", "hostPath": {"path": "/usr/bin"}}],
        },
    }
    done = subprocess.run(
        [node.program("kubectl"), "--context", node.profile, "apply", "-f", "-"],
        input=json.dumps(spec),
        env=node.env,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def cluster_stage(node: Tool) -> dict[str, object]:
    report = node.json("status")
    return next(stage for stage in report["stages"] if stage["name"] == "cluster")


def test_the_node_has_what_the_playbook_asks_for_and_no_more(node: Tool, groups: ControlGroups) -> None:
    memory = groups.memory()
    assert memory is not None
    assert memory[1] == MEMORY * MIB
    processes = groups.processes()
    names = {Path(f"/proc/{pid}/comm").read_text().strip() for pid in processes if Path(f"/proc/{pid}").exists()}
    assert {"containerd", "kubelet", "kube-apiserver", "etcd"} <= names, "all of the node is below the ceiling"
    allocatable = json.loads(node.kubectl("get", "node", node.profile, "-o", "json"))["status"]["allocatable"]
    assert allocatable["cpu"] == "1"
    units = {"Ki": 1 << 10, "Mi": MIB}
    size = int(allocatable["memory"][:-2]) * units[allocatable["memory"][-2:]]
    assert MEMORY * 0.8 < size / MIB < MEMORY


def test_up_and_doctor_say_what_there_is_and_what_is_asked_for(node: Tool) -> None:
    again = node.run("up")
    assert again.summary["changed"] == [], again.explain()
    findings = {finding["subject"]: finding for finding in node.json("doctor")["findings"]}
    assert findings["memory"]["seen"].startswith("3.0 GiB for this cluster, of which it uses ")
    assert "the playbook asks for 1" in findings["processors"]["seen"]


def test_a_pod_that_eats_memory_dies_inside_and_the_node_recovers(node: Tool, groups: ControlGroups) -> None:
    before = available()
    with watchdog(groups, least=before - MEMORY - 1024) as barked:
        run_pod(node, "eater", "exec tail /dev/zero")  # it keeps the last line, which has no end
        until(lambda: "eater" in str(cluster_stage(node)["facts"]), 120)
        facts = cluster_stage(node)["facts"]
        assert "Pod default/eater" in str(facts)
        assert "kill" in str(facts) or "evicted" in str(facts)
        node.kubectl("delete", "pod", "eater", "--wait=true")
        assert barked == [], "the host had to defend itself"
    until(lambda: cluster_stage(node)["healthy"], 120)


def test_a_pod_that_forks_without_end_stays_inside_and_the_host_responds(node: Tool, groups: ControlGroups) -> None:
    with watchdog(groups, least=1024) as barked:
        # Each of these ends with its first fork that fails, what it started stays.
        run_pod(node, "forker", "for i in 1 2 3; do (while :; do sleep 1000 & done) & done; exec sleep 100000")
        slowest = 0.0
        deadline = time.monotonic() + 120
        while "forker" not in str(cluster_stage(node)["facts"]):
            assert time.monotonic() < deadline
            started = time.monotonic()
            subprocess.run(["true"], check=True)
            slowest = max(slowest, time.monotonic() - started)
        assert slowest < 1, "the host stays responsive"
        assert "Pod default/forker has " in str(cluster_stage(node)["facts"])
        assert (groups.tasks() or 0) < 4096
        node.kubectl("delete", "pod", "forker", "--wait=true")
        assert barked == []
    until(lambda: cluster_stage(node)["healthy"], 120)


# -- a disk that fills ------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of its own with little more than `up` asks for, in a folder with a space in its name."""
    image, folder = tmp_path / "disk.img", Path(tempfile.mkdtemp(prefix="e2e disk "))  # short: a socket lies in it
    with image.open("wb") as file:
        file.truncate(3700 * MIB)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
    folder.rmdir()
    image.unlink()


def on(disk: Path, tmp_path: Path) -> Tool:
    (tmp_path / "laptop.yaml").write_text(PLAYBOOK)
    return Tool(
        "e2e-full",
        tmp_path / "config",
        {"XDG_STATE_HOME": str(disk / "state")},
        ("--playbook", str(tmp_path / "laptop.yaml")),
    )


def fill(disk: Path) -> Path:
    """Take the last byte."""
    file = disk / "filler"
    with contextlib.suppress(OSError), file.open("ab", buffering=0) as filler:
        os.posix_fallocate(filler.fileno(), 0, shutil.disk_usage(disk).free - 8 * MIB)  # at once
        filler.seek(0, os.SEEK_END)
        for size in (MIB, 4096, 1):
            with contextlib.suppress(OSError):
                while filler.write(b"x" * size) == size:
                    pass
    assert shutil.disk_usage(disk).free < MIB
    return file


def test_a_disk_that_fills_while_up_runs_is_named_soon_and_teardown_needs_no_byte(
    programs: Path,  # noqa: ARG001 - nothing is built while it fills
    small_disk: Path,
    tmp_path: Path,
) -> None:
    tool = on(small_disk, tmp_path)
    try:
        with tool.started("up") as process:
            before = read_until(process, "cluster")
            fill(small_disk)
            filled = time.monotonic()
            out, errors = process.communicate(timeout=60)
            took = time.monotonic() - filled
        ended = Ended(process.returncode, [*before, *parse(out.splitlines())], errors)
        assert ended.code == 3, ended.explain()
        told = [event["message"] for event in ended.of("failure")]
        assert any("its filesystem of 3." in said and "is full" in said for said in told), ended.explain()
        assert took < 25
        doctor = tool.text("doctor")
        assert doctor.returncode == 3
        assert "is full: " in doctor.stdout
        # What --fix would do about something else of this machine is said in a line of its own.
        assert "invoke doctor" not in re.sub(r"invoke doctor --fix runs .*", "", doctor.stdout)
        started = time.monotonic()
        tool.text("status")
        assert time.monotonic() - started < 15
    finally:
        down = tool.run("teardown")
    assert down.code == 0, down.explain()
    assert not (small_disk / "state" / "canarylab" / tool.profile).exists()
