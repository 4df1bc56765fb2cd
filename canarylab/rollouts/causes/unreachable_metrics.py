"""Whether Argo's controller can reach what an analysis asks: STRICT mutual TLS and authorization in its way."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from canarylab.contract.cause import Cause
from canarylab.kube import sidecars
from canarylab.kube.client import ApiError
from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.causes import controller
from canarylab.rollouts.causes.file_and_line import at
from canarylab.rollouts.causes.mesh.authorization import Call, denial
from canarylab.rollouts.causes.mesh.peers import STRICT, peer_mode
from canarylab.rollouts.causes.mesh.ports import pod_port
from canarylab.rollouts.causes.mesh.settings import mesh_of, named, policies, selector_of
from canarylab.rollouts.causes.remedies import kubectl, or_reset
from canarylab.rollouts.routes.backends import pods_behind
from canarylab.rollouts.view import RolloutView

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_URL = re.compile(r"https?://[^\s\"'{}]+")
_ARGUMENT = re.compile(r"\{\{\s*args\.([\w-]+)\s*\}\}")
_PORTS = {"http": 80, "https": 443}


def unreachable(ctx: Context, view: RolloutView, run: Object) -> Cause | None:
    """The policy that keeps Argo's controller from a Service that the run's failed metrics ask; None where none does.

    The controller itself sends the requests of the providers `web`, `prometheus` and the like (argo-rollouts,
    metricproviders/); only those of a `job` come from elsewhere.
    """
    try:
        asking = next(iter(ctx.cluster.list("v1", "Pod", None, controller.LABELS)), None)
        if asking is None:
            return None
        asked = (_blocked(ctx, view, asking, url) for url in _urls(run))
        return next(filter(None, asked), None)
    except ApiError:  # not everybody may read the mesh's policies, and they would only have explained
        return None


def _urls(run: Object) -> Iterator[str]:
    """What the metrics ask that ended with an error, with the run's arguments filled in."""
    failed = {one["name"] for one in listed(run, "status", "metricResults") if one.get("phase") == "Error"}
    given = {one["name"]: str(one.get("value") or "") for one in listed(run, "spec", "args")}
    for metric in listed(run, "spec", "metrics"):
        provider = metric.get("provider") or {}
        if metric["name"] in failed and "job" not in provider:
            for text in _texts(provider):
                yield from _URL.findall(_ARGUMENT.sub(lambda found: given.get(found[1], found[0]), text))


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)


def _blocked(ctx: Context, view: RolloutView, asking: Object, url: str) -> Cause | None:
    parts = urlsplit(url)
    name, _, rest = (parts.hostname or "").partition(".")
    namespace = rest.partition(".")[0] or asking["metadata"]["namespace"]
    port = parts.port or _PORTS[parts.scheme]
    service = ctx.cluster.get("v1", "Service", name, namespace)
    behind = [pod for pod in pods_behind(ctx.cluster, service) if sidecars.is_injected(pod)] if service else []
    if service is None or not behind:
        return None
    mesh = mesh_of(ctx.cluster)
    its_port = pod_port(service, port, behind[0]) or port
    mode = peer_mode(policies(ctx.cluster, "PeerAuthentication", mesh, namespace), mesh, behind[0], its_port)
    in_mesh = sidecars.is_injected(asking)
    asks = f"Argo's controller asks {url} for the analysis"
    if mode.mode == STRICT and mode.policy is not None and not in_mesh:
        strict = f"{named(mode.policy)}{at(ctx, mode.policy, 'spec')}"
        why = (
            f"{strict} has {_pods(mode.policy, mesh.root)} take mutual TLS only (STRICT), and Argo's controller, which "
            f"has no sidecar, asks {url} in plain text"
        )
        return Cause(why, or_reset(ctx, _remedy(ctx, behind[0], its_port)), permanent=True)
    principal = mesh.identity(asking) if in_mesh else ""
    call = Call(its_port, principal, host=parts.netloc, path=parts.path or "/")
    found = denial(policies(ctx.cluster, "AuthorizationPolicy", mesh, namespace), mesh, behind[0], call)
    if found is None or not found.sure:
        return None
    show = kubectl(ctx, view, f"get authorizationpolicy --namespace {found.policy['metadata']['namespace']}")
    remedy = f"allow port {its_port} there for a caller without identity, or the controller's; `{show}` shows them"
    return Cause(f"{asks}: {found.why}{at(ctx, found.policy, *found.place)}", or_reset(ctx, remedy), permanent=True)


def _pods(policy: Object, root: str) -> str:
    """Which pods a PeerAuthentication is about."""
    if selector_of(policy):
        labels = ", ".join(f"{key}={value}" for key, value in selector_of(policy).items())
        return f"the pods with {labels}"
    return "all pods of the mesh" if policy["metadata"]["namespace"] == root else "the pods of its namespace"


def _remedy(ctx: Context, pod: Object, port: int) -> str:
    """Of Argo's controller or of the one port: the mesh needn't be opened."""
    labels = dig(pod, "metadata", "labels") or {}
    one = next(((key, value) for key, value in labels.items() if key in ("app", "app.kubernetes.io/name")), None)
    selector = f"matchLabels: {{{one[0]}: {one[1]}}}" if one else "a selector for these pods"
    return (
        "measure what needs no sidecar (a Prometheus outside the mesh), or give the pods a PeerAuthentication of their "
        f"own with {selector} and `portLevelMtls: {{{port}: {{mode: PERMISSIVE}}}}`; then `{ctx.command('up')}`"
    )
