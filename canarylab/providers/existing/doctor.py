"""Can this machine and that cluster do it? Reads only."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab.contract.provider import Finding
from canarylab.errors import CanarylabError
from canarylab.kube import kubeconfig
from canarylab.providers.embedded.programs.built import built
from canarylab.providers.existing import requirements, user_kubeconfig
from canarylab.providers.existing.registry import Address, is_plain

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.contract.playbook import ClusterSpec
    from canarylab.kube.client import Cluster

CLIENTS = ("helm", "kubectl", "kubectl-argo-rollouts")
_BUILDERS = ("buildah", "podman", "docker")


def findings(ctx: Context, spec: ClusterSpec) -> list[Finding]:
    """What `doctor` says of the client programs, the cluster and the registry."""
    return [_clients(), _builder(), _skopeo(), *cluster(ctx, spec), _registry(spec)]


def built_programs() -> Path | None:
    """The folder of the programs that the embedded provider has built on this machine; None where it has none."""
    return built().bin if built().is_complete else None


def _clients() -> Finding:
    missing = [program for program in CLIENTS if not shutil.which(program)]
    if not missing:
        return Finding("client programs", True, ", ".join(CLIENTS))
    if built := built_programs():
        return Finding("client programs", True, f"those in {built}")
    remedy = "install them: `brew bundle` does on macOS; https://helm.sh/docs/intro/install and Argo Rollouts' releases"
    return Finding("client programs", False, f"missing: {', '.join(missing)}", remedy)


def _builder() -> Finding:
    found = next((program for program in _BUILDERS if shutil.which(program)), None)
    remedy = "install one: apt-get install buildah, brew install podman, or Docker"
    return Finding("image builder", found is not None, found or f"none of {', '.join(_BUILDERS)}", remedy)


def _skopeo() -> Finding:
    found = shutil.which("skopeo")
    return Finding("skopeo", found is not None, found or "missing", "apt-get install skopeo, or brew install skopeo")


def cluster(ctx: Context, spec: ClusterSpec) -> list[Finding]:
    """The cluster alone: its context, version, nodes, and the user's rights. Raises UsageError without a context."""
    name = user_kubeconfig.require(spec.context)
    found = [Finding("context", True, f"{name} in {', '.join(map(str, kubeconfig.files()))}")]
    remedy = f"kubectl --context {name} get nodes"
    try:
        client = ctx.cluster
        if reason := requirements.trouble(client):
            return [*found, Finding("cluster", False, reason, remedy)]
        version = Finding("cluster", True, f"Kubernetes {'.'.join(map(str, client.version()))}")
        return [*found, version, _nodes(client), _rights(client)]
    except CanarylabError as error:
        return [*found, Finding("cluster", False, _said(error), error.remedy or remedy)]


def _said(error: CanarylabError) -> str:
    """What is wrong, where, and why if that is known: in one line, as a finding has it."""
    where = f"{error.where}: " if error.where else ""
    return f"{where}{error.what}" + (f" ({error.why})" if error.why else "")


def _nodes(cluster: Cluster) -> Finding:
    try:
        found = requirements.architectures(cluster)
    except CanarylabError as error:
        return Finding("nodes", False, error.what, f"kubectl --context {cluster.context} get nodes")
    return Finding("nodes", True, f"of {' and '.join(found)}")


def _rights(cluster: Cluster) -> Finding:
    missing = requirements.missing_rights(cluster)
    seen = f"this user may not {', '.join(missing)}" if missing else "enough to install Istio and Argo Rollouts"
    return Finding("rights", not missing, seen, "use a context with the role cluster-admin")


def _registry(spec: ClusterSpec) -> Finding:
    if not spec.registry:
        remedy = "under the playbook's `cluster`: registry: HOST/PATH"
        seen = "the playbook names none; only one that builds no image needs none"
        return Finding("registry", False, seen, remedy, fatal=False)
    try:
        plain = is_plain(Address.parse(spec.registry))
    except CanarylabError as error:
        return Finding("registry", False, f"{error.what}: {error.why or ''}", error.next_step)
    return Finding("registry", True, f"{spec.registry}, over {'plain HTTP' if plain else 'HTTPS'}")
