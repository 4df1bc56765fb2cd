"""Starts that fail on a Mac: minikube, which takes the machine for one, prints the sign, and `up` explains it.

What doctor finds before minikube is asked is in tests/unit/test_minikube_doctor.py, with a Mac's programs as stand-ins.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.standins import REPOSITORY, Standins, standins
from tool import Tool

MACHINE = 3
SIGNS = {
    "no-github": ("doesn't know that version of Kubernetes", "for `kubernetes` in the playbook's cluster", ""),
    "socket-vmnet-refused": ("nothing answers on it: its daemon isn't running", "services start socket_vmnet", "19745"),
    "socket-vmnet-denied": ("belongs to another user", "shows the owner", "17615"),
    "socket-vmnet-denied-var-run": ("belongs to another user", "shows the owner", "17615"),
    "no-ip-for-mac": ("the virtual machine got no address", "end other programs and virtual machines", "15960"),
    "bootpd-firewall": ("firewall keeps bootpd", "socketfilterfw --unblock /usr/libexec/bootpd", "19014"),
    "no-route-to-host": ("it doesn't answer in time", "end other programs and virtual machines", "23691"),
    "hvf-unknown": ("runs translated by Rosetta", "must say arm64", "17020"),
    "hvf-invalid": ("runs translated by Rosetta", "must say arm64", "18712"),
    "qemu-too-old": ("a feature that the processor has", "brew upgrade qemu", "20169"),
    "qemu-missing": ("qemu isn't on the PATH", "brew install qemu", ""),
    "as-root": ("minikube refuses to make a virtual machine as root", "without sudo", "5146"),
}
"""By fault: what is said of its cause, what to do, and minikube's issue. The tool runs on Linux, where neither
macOS' firewall nor its permission is the cause: tests/unit/test_minikube_problems.py has what is said on a Mac."""


@pytest.fixture(scope="module")
def mac(programs: Path) -> Iterator[Standins]:  # noqa: ARG001 - helm and the others
    with standins(STANDIN_SYSTEM="darwin/arm64") as made:
        made.kubeconfig.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "clusters": []}))
        yield made


@pytest.fixture(scope="module")
def tool(mac: Standins, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tool]:
    """The default playbook's cluster, no larger than the machine that the tests run on."""
    path = tmp_path_factory.mktemp("mac") / "mac.yaml"
    written = yaml.safe_load((REPOSITORY / "playbooks" / "istio-canary.yaml").read_text())
    cluster = {**written["cluster"], "cpus": 2}
    path.write_text(yaml.safe_dump({"name": "mac", "cluster": cluster, "stages": {}}))
    environment = {**mac.environment, "XDG_STATE_HOME": str(mac.folder / "state")}
    flags = ("--provider", "minikube", "--playbook", str(path))
    made = Tool("e2e-mac", mac.kubeconfig, environment, flags)
    yield made
    made.text("teardown")


@pytest.mark.parametrize("fault", SIGNS)
def test_a_start_that_fails_is_explained(fault: str, tool: Tool, mac: Standins) -> None:
    mac.faults(fault)
    ended = tool.run("up")
    assert ended.code == MACHINE, ended.explain()
    [told] = [event["reason"] for event in ended.of("stage-finished") if event["stage"] == "cluster"]
    cause, remedy, issue = SIGNS[fault]
    assert cause in told
    assert remedy in told
    assert issue in told
    assert "Traceback" not in ended.errors


def test_a_teardown_then_leaves_nothing(tool: Tool, mac: Standins) -> None:
    mac.faults()
    down = tool.run("teardown")
    assert down.code == 0, down.explain()
    assert mac.profiles() == []
    assert mac.vm_processes() == []
