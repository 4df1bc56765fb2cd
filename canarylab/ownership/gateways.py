"""Istio's Gateways on a cluster that others use: a selector must choose our own gateway's pods, and no others'."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from canarylab.contract.context import Context
from canarylab.kube.apply import subject
from canarylab.kube.objects import Object, labels_of
from canarylab.ownership import foreign


def refuse_shared(ctx: Context, stage: str, objects: Iterable[Object]) -> None:
    """Raise ConflictError for a Gateway that would configure somebody else's gateway too.

    Istio applies a Gateway to every pod that its selector matches, in whatever namespace.
    """
    gateways = [obj for obj in objects if _is_gateway(obj) and obj["spec"].get("selector")]
    for gateway, found in product(gateways, _others(ctx) if gateways else ()):
        selector = gateway["spec"]["selector"]
        if selector.items() <= labels_of(found["spec"]["template"]).items():
            words = ", ".join(f"{key}={value}" for key, value in selector.items())
            raise foreign.conflict(
                stage,
                f"{subject(gateway)} would open its ports on somebody else's gateway, {subject(found)}",
                f"its selector {words} matches the pods of both",
            )


def _is_gateway(obj: Object) -> bool:
    return obj["kind"] == "Gateway" and str(obj["apiVersion"]).startswith("networking.istio.io/")


def _others(ctx: Context) -> list[Object]:
    found = (obj for kind in ("Deployment", "DaemonSet") for obj in ctx.cluster.list("apps/v1", kind))
    return [obj for obj in found if not foreign.is_of_playbook(ctx, obj)]
