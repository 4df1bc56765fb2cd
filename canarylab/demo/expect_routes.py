"""The step `expect-routes`: every http and tls route of the VirtualServices has these weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from canarylab.demo.base import Claim, Session, Step, StepOptions
from canarylab.demo.rollout import API_VERSION, Object, dig, read
from canarylab.demo.routes import left_alone, routes
from canarylab.demo.waiting import wait_for
from canarylab.errors import ExpectationError
from canarylab.playbook.model import Seconds
from canarylab.stages.base import Watch

if TYPE_CHECKING:
    from canarylab.context import Context

ISTIO = "networking.istio.io/v1"


class ExpectRoutesOptions(StepOptions):
    rollout: str = Field(description="the Rollout whose stableService and canaryService share the traffic")
    namespace: str = Field("default", description="namespace of the Rollout and the VirtualServices")
    virtualservices: tuple[str, ...] = Field(min_length=1, description="names of the VirtualServices")
    stable: int = Field(ge=0, le=100, description="weight of the stable Service in percent")
    canary: int = Field(ge=0, le=100, description="weight of the canary Service in percent")
    timeout: Seconds = Field(30, description="how long the controller may take to set them")


class ExpectRoutes(Step):
    """One fact a route."""

    kind: ClassVar[str] = "expect-routes"
    Options: ClassVar[type[StepOptions]] = ExpectRoutesOptions
    options: ExpectRoutesOptions

    def run(self, ctx: Context, session: Session) -> None:  # noqa: ARG002 - leaves nothing open
        options = self.options
        rollout = _get(ctx, API_VERSION, "Rollout", options.rollout, options.namespace)

        def look() -> Iterator[Claim]:
            at = f"the Rollout is {read(ctx, options.namespace, options.rollout)}"
            for name in options.virtualservices:
                yield from expected(_get(ctx, ISTIO, "VirtualService", name, options.namespace), rollout, options, at)

        watch = [Watch(ISTIO, "VirtualService", options.namespace)]
        self.report(ctx, wait_for(ctx, watch, look, options.timeout))


def expected(virtual_service: Object, rollout: Object, options: ExpectRoutesOptions, at: str) -> Iterator[Claim]:
    """Every route gives stable and canary their weights, and nothing to others. `at` says where the Rollout stands."""
    found = routes(virtual_service)
    http_routes = sum(route.protocol == "http" for route in found)
    wanted = {_service(rollout, "stableService"): options.stable, _service(rollout, "canaryService"): options.canary}
    for route in found:
        holds = _nonzero(route.weights) == _nonzero(wanted)
        cause = left_alone(route, rollout, http_routes) or at
        yield Claim(str(route), _words(wanted), _words(route.weights), holds, cause)
    if not found:
        yield Claim(virtual_service["metadata"]["name"], "http or tls routes", "none", holds=False)


def _service(rollout: Object, key: str) -> str:
    return str(dig(rollout, "spec", "strategy", "canary", key))


def _nonzero(weights: Mapping[str, int]) -> dict[str, int]:
    return {service: weight for service, weight in weights.items() if weight}


def _words(weights: Mapping[str, int]) -> str:
    return ", ".join(f"{service} {weight}" for service, weight in weights.items())


def _get(ctx: Context, api_version: str, kind: str, name: str, namespace: str) -> dict[str, Any]:
    found = ctx.cluster.get(api_version, kind, name, namespace)
    if found is None:
        raise ExpectationError(f"there is no {kind} {namespace}/{name}", remedy="`invoke up` brings it up")
    return found
