"""`minikube addons`: the list as recorded; istio-provisioner and istio make their objects, others can't be enabled."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import yaml

from . import reasons
from .errors import StandinError
from .flags import Flag, Parsed
from .home import Home, addon_names
from .loaded import partial, running
from .output import Output, go_json

LIST_FLAGS = {"output": Flag("value", "o"), "docs": Flag("untaught", "d")}
ENABLE_FLAGS = {name: Flag("untaught") for name in ("images", "registries", "force", "refresh")}
_OPERATOR_IMAGE = "docker.io/istio/operator:1.23.3"
_MEMORY, _CPUS = 8192, 4
_LABELS = {"addonmanager.kubernetes.io/mode": "Reconcile", "kubernetes.io/minikube-addons": "istio"}


def _metadata(name: str, namespace: str = "") -> dict[str, Any]:
    return {"name": name, "labels": _LABELS, **({"namespace": namespace} if namespace else {})}


def _operator() -> list[dict[str, Any]]:
    """The in-cluster operator: a namespace, its CustomResourceDefinition, an account and a Deployment."""
    names = {"kind": "IstioOperator", "plural": "istiooperators", "singular": "istiooperator", "shortNames": ["iop"]}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    container = {"name": "istio-operator", "image": _OPERATOR_IMAGE, "command": ["operator", "server"]}
    pod = {
        "metadata": {"labels": {"name": "istio-operator"}},
        "spec": {"serviceAccountName": "istio-operator", "containers": [container]},
    }
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": _metadata("istio-operator")},
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": _metadata("istiooperators.install.istio.io"),
            "spec": {"group": "install.istio.io", "names": names, "scope": "Namespaced", "versions": [version]},
        },
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata("istio-operator", "istio-operator")},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": _metadata("istio-operator", "istio-operator"),
            "spec": {"replicas": 1, "selector": {"matchLabels": {"name": "istio-operator"}}, "template": pod},
        },
    ]


def _control_plane() -> list[dict[str, Any]]:
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": _metadata("istio-system")},
        {
            "apiVersion": "install.istio.io/v1alpha1",
            "kind": "IstioOperator",
            "metadata": _metadata("example-istiocontrolplane", "istio-system"),
            "spec": {"profile": "default"},
        },
    ]


MANIFESTS = {"istio-provisioner": _operator, "istio": _control_plane}


def apply(home: Home, profile: str, name: str) -> None:
    """Apply an addon's objects; minikube doesn't wait for anything (minikube.md)."""
    node = home.node(profile)
    argv = [str(node.kubectl), "--kubeconfig", str(node.own_kubeconfig), "--context", profile, "apply", "-f", "-"]
    manifest = yaml.safe_dump_all(MANIFESTS[name]())
    done = subprocess.run(argv, input=manifest, text=True, capture_output=True, check=False)
    if done.returncode:
        # As minikube does: it applies again until it works; a CRD's kind is known a moment after the CRD.
        done = subprocess.run(argv, input=manifest, text=True, capture_output=True, check=False)
    if done.returncode:
        raise StandinError(f"addon {name}: {done.stderr}")


def list_addons(home: Home, profile: str, flags: Parsed) -> int:
    if flags.get("output", "list") != "json":
        raise StandinError("addons list without -o json: the table isn't stood in for")
    config = partial(home, profile, Output(as_json=False))
    states = {
        name: {"Profile": profile, "Status": "enabled" if config["Addons"].get(name) else "disabled"}
        for name in addon_names()
    }
    sys.stdout.write(go_json(states))
    return 0


def enable(home: Home, profile: str, flags: Parsed) -> int:
    """Texts as recorded; the architecture isn't looked at."""
    out = Output(as_json=False)
    config = running(home, profile, out)
    [name] = flags.words
    if name not in addon_names():
        message = f"enable failed: run callbacks: {name} is not a valid addon"
        out.exit(reasons.ADDON_ENABLE, message, box=True)
    if name not in MANIFESTS:
        raise StandinError(f"addon {name}: its objects aren't stood in for")
    print(f"! {name} is a 3rd party addon and is not maintained or verified by minikube maintainers, ", end="")
    print("enable at your own risk.")
    print(f"! {name} does not currently have an associated maintainer.")
    if config["Memory"] < _MEMORY:
        out.warning(f"Istio needs {_MEMORY}MB of memory -- your configuration only allocates {config['Memory']}MB")
    if config["CPUs"] < _CPUS:
        out.warning(f"Istio needs {_CPUS} CPUs -- your configuration only allocates {config['CPUs']} CPUs")
    if name == "istio-provisioner":
        out.info(f"Using image {_OPERATOR_IMAGE}")
    apply(home, profile, name)
    config["Addons"][name] = True
    home.save(config)
    print(f"* The '{name}' addon is enabled")
    return 0
