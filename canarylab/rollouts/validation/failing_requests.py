"""What of the playbook's Gateways and routes will make requests fail: told before anything is applied, not refused.

A Secret may be made by whoever is no manifest, and a fault may be wanted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canarylab.errors import CanarylabError
from canarylab.kube import tls_secrets
from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.faults import percent_of, seconds_of
from canarylab.rollouts.gateway_servers import ASKING, PASSED_ON, Server, servers_of
from canarylab.rollouts.routes.match import host_rank
from canarylab.rollouts.validation.known_objects import cluster_if_any
from canarylab.rollouts.validation.mistake import place_in

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.kube.client import Cluster

_ISTIO = "networking.istio.io/"
_OWN_GROUPS = (".k8s.io", ".istio.io")


def told(ctx: Context, documents: Sequence[tuple[Path, Object]], declared: Sequence[Object]) -> Iterator[str]:
    """For each such thing among the documents one sentence, with file and line; `declared` is all there is to come."""
    for file, obj in documents:
        if not str(obj["apiVersion"]).startswith(_ISTIO):
            continue
        if obj["kind"] == "VirtualService" and ctx.playbook.demo:
            yield from _faults(file, obj)
        for server in servers_of(obj) if obj["kind"] == "Gateway" else ():
            yield from _of_server(ctx, file, server, declared)


def _faults(file: Path, virtual_service: Object) -> Iterator[str]:
    for index, route in enumerate(listed(virtual_service, "spec", "http")):
        where = f"http[{index}] of VirtualService {dig(virtual_service, 'metadata', 'name')}"
        for name in ("abort", "delay"):
            fault = dig(route, "fault", name)
            if percent := percent_of(fault):
                does = "fail" if name == "abort" else f"wait {seconds_of(dig(fault, 'fixedDelay')):g} s"
                at = place_in(file, virtual_service, ("spec", "http", index, "fault", name))
                counts = "the demonstration counts what fails of them, or is late, as lost"
                yield f"{at}: {where} makes {percent:g} % of its requests {does} on purpose (fault.{name}): {counts}"


def _of_server(ctx: Context, file: Path, server: Server, declared: Sequence[Object]) -> Iterator[str]:
    if not server.mode or server.mode in PASSED_ON:
        return
    if server.mode in ASKING and (hosts := _asked(ctx, server)):
        at = place_in(file, server.gateway, (*server.place, "tls", "mode"))
        asks = f"{server.where} asks for a client certificate (mode {server.mode})"
        yield f"{at}: {asks}, and the demonstration, which asks {', '.join(hosts)} over TLS, has none"
    for credential in server.credentials:
        at = place_in(file, server.gateway, server.place_of(credential))
        with contextlib.suppress(CanarylabError):  # not everybody may read Secrets
            for words in _credential(cluster_if_any(ctx), server, credential, declared):
                yield f"{at}: {server.where} names Secret {credential} (credentialName), {words}"


def _asked(ctx: Context, server: Server) -> list[str]:
    """The hosts of the server that the demonstration asks over TLS."""
    every = (host for step in ctx.playbook.demo for host in getattr(step.options, "tls", ()))
    return [host for host in dict.fromkeys(every) if any(host_rank(name, host) for name in server.hosts)]


def _credential(cluster: Cluster | None, server: Server, credential: str, declared: Sequence[Object]) -> Iterator[str]:
    place, _, name = credential.rpartition("/")
    places = _namespaces_of_pods(cluster, server)
    if place and places and place not in places:
        yield f"and istiod reads only those of {_or(places)}, where the gateway's pods are"
        return
    found = [one for one in declared if one["kind"] == "Secret" and dig(one, "metadata", "name") == name]
    here = [one for one in found if not places or dig(one, "metadata", "namespace") in places]
    if not here and cluster:
        here = [one for at in places if (one := cluster.get("v1", "Secret", name, at))]
    for secret in here:
        yield from _of_secret(secret, server)
    if here or _is_made(name, declared):
        return
    if found and places:
        others = _or(sorted({str(dig(one, "metadata", "namespace")) for one in found}))
        yield f"which the manifests make in namespace {others}; istiod looks in {_or(places)}, where the pods are"
    elif not found and (places or not _is_somewhere(cluster, name)):
        lacks = f"and neither the manifests nor namespace {_or(places)} has it" if places else "and no manifest has it"
        yield f"{lacks}: until somebody makes it, the gateway ends no TLS for {', '.join(server.hosts)}"


def _of_secret(secret: Object, server: Server) -> Iterator[str]:
    if fault := tls_secrets.fault_of(secret):
        yield f"which holds no usable certificate: {fault}"
        return
    for host in (host for host in server.hosts if "*" not in host):
        if unfit := tls_secrets.unfit_for(secret, host):
            yield f"whose certificate clients that verify it won't take for {host}: {unfit}"


def _namespaces_of_pods(cluster: Cluster | None, server: Server) -> list[str]:
    """Of the gateway's pods; none where there is no cluster, or no such pod yet."""
    selector = dig(server.gateway, "spec", "selector")
    pods = cluster.list("v1", "Pod", None, selector) if cluster and selector else ()
    return sorted({str(dig(pod, "metadata", "namespace")) for pod in pods})


def _is_somewhere(cluster: Cluster | None, name: str) -> bool:
    return bool(cluster and cluster.list("v1", "Secret", fields={"metadata.name": name}))


def _is_made(name: str, declared: Iterable[Object]) -> bool:
    """Whether a manifest of somebody's own kind names it, such as cert-manager's Certificate: it makes the Secret."""
    groups = ((str(one["apiVersion"]).partition("/")[0], one) for one in declared)
    others = (one for group, one in groups if "." in group and not group.endswith(_OWN_GROUPS))
    return any(dig(one, "metadata", "name") == name or _has(one.get("spec"), name) for one in others)


def _has(value: Any, text: str) -> bool:
    if isinstance(value, Mapping):
        return any(_has(each, text) for each in value.values())
    return any(_has(each, text) for each in value) if isinstance(value, list) else value == text


def _or(names: Iterable[str]) -> str:
    return " or ".join(names)
