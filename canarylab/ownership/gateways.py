"""Istio's Gateways on a cluster that others use: a selector must choose our own gateway's pods, and no others'."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from canarylab.kube.apply import subject
from canarylab.kube.objects import Object
from canarylab.ownership import foreign

if TYPE_CHECKING:
    from canarylab.contract.context import Context


def refuse_shared(ctx: Context, stage: str, objects: Iterable[Object]) -> None:
    """Raise ClashError for a Gateway that would configure somebody else's gateway too.

    Istio applies a Gateway to every pod that its selector matches, in whatever namespace.
    """
    selectors = [(obj, obj["spec"].get("selector") or {}) for obj in objects if _is_gateway(obj)]
    if not selectors:
        return
    others = [found for found in _workloads(ctx) if not foreign.is_of_playbook(ctx, found)]
    for gateway, selector in selectors:
        for found in others:
            labels = found["spec"]["template"]["metadata"].get("labels") or {}
            if selector and selector.items() <= labels.items():
                words = ", ".join(f"{key}={value}" for key, value in selector.items())
                raise foreign.clash(
                    stage,
                    f"{subject(gateway)} would open its ports on somebody else's gateway, {subject(found)}",
                    f"its selector {words} matches the pods of both",
                )


def _is_gateway(obj: Object) -> bool:
    return obj["kind"] == "Gateway" and str(obj["apiVersion"]).startswith("networking.istio.io/")


def _workloads(ctx: Context) -> list[dict[str, Any]]:
    return [obj for kind in ("Deployment", "DaemonSet") for obj in ctx.cluster.list("apps/v1", kind)]
