"""The node's images, and the store that has them imported and unpacked before the first start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from canarylab.pins import NODE, Pins
from canarylab.tools.buildah import Buildah
from canarylab.tools.runner import Runner

ROLLOUTS = "localhost/argoproj/argo-rollouts"

GATEWAY_API_PLUGIN = "/usr/local/bin/gatewayapi-plugin"
"""Where that image has the traffic router for the Gateway API."""


def references(pins: Pins) -> dict[str, tuple[str, ...]]:
    """Containerfile to the references of its image. Kubernetes' are what kubeadm looks for."""
    kubernetes = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler")
    return {
        "kube": (
            *(f"localhost/k8s/{name}:{pins.kubernetes}" for name in kubernetes),
            f"localhost/k8s/etcd:{pins.etcd}",
        ),
        "coredns": (f"localhost/k8s/coredns:{pins.coredns}",),
        "pause": ("localhost/k8s/pause:3.10",),
        "pilot": (f"localhost/istio/pilot:{pins.istio}",),
        "proxyv2": (f"localhost/istio/proxyv2:{pins.istio}",),
        "argo-rollouts": (f"{ROLLOUTS}:{pins.rollouts}",),
    }


def build_images(buildah: Buildah, pins: Pins, context: Path, output: Path, progress: Callable[[str], None]) -> None:
    """Build each image from `context` and write it to `output`/NAME.tar under its first reference."""
    output.mkdir(exist_ok=True)
    for name, names in references(pins).items():
        progress(name)
        local = f"localhost/node/{name}"
        buildah.build(NODE / "images" / f"{name}.Containerfile", context, local)
        buildah.export(local, output / f"{name}.tar", names[0])


def fill_store(runner: Runner, root: Path, pins: Pins, archives: Path, store: Path) -> None:
    """Import the archives into a containerd store in the folder `store`, by the containerd of `root`, run for this.

    A machine starts with hard links to the store's files, so that its images cost neither time nor space.
    """
    state = store.with_name("store.run")
    for folder in (store, state):
        folder.mkdir(exist_ok=True)
    named = references(pins)
    aliases = [f"{names[0]}={other}" for names in named.values() for other in names[1:]]
    isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    files = [archives / f"{name}.tar" for name in named]
    script = NODE / "images" / "fill-store.sh"
    runner.run([*isolated, script, root, store, state, *files, "--", *aliases], timeout=600)
