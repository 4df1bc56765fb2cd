"""Compiles the Go programs, with their versions stamped in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from canarylab.pins import NODE, Pins
from canarylab.tools.go import Go

NAMES = {
    "kube": (
        "coredns",
        "cri-wait",
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-proxy",
        "kube-scheduler",
        "kubeadm",
        "kubelet",
    ),
    "istio": ("pilot-agent", "pilot-discovery"),
    "client": ("helm", "kubectl", "kubectl-argo-rollouts"),
}
"""The programs that answer to several names, and the names."""


def compile_programs(go: Go, pins: Pins, output: Path, progress: Callable[[int, int], None]) -> None:
    """Build everything in one go, so that what the programs share is compiled once, and link the names."""
    output.mkdir(exist_ok=True)
    go.build(NODE, ["./cmd/...", "tool"], output, defines=_versions(pins), progress=progress)
    for program, names in NAMES.items():
        folder = output / f"{program}.d"
        folder.mkdir(exist_ok=True)
        (output / program).replace(folder / program)
        for name in names:
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(program)


def _versions(pins: Pins) -> list[str]:
    major, minor, _ = pins.kubernetes.removeprefix("v").split(".", 2)
    base = "k8s.io/component-base/version"
    return [
        f"{base}.gitVersion={pins.kubernetes}",
        f"{base}.gitMajor={major}",
        f"{base}.gitMinor={minor}",
        f"istio.io/istio/pkg/version.buildVersion={pins.istio}",
        f"github.com/argoproj/argo-rollouts/utils/version.version={pins.rollouts}",
        f"helm.sh/helm/v4/internal/version.version={pins.helm}",
    ]
