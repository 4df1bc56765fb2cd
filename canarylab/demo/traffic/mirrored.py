"""Requests that were copied to the canary, counted where they arrive: by the pods themselves (/stats of the demo's
application, images/rollouts-demo).

Nothing marks a copy for certain: Istio lets its Host end in `-shadow` only with DISABLE_SHADOW_HOST_SUFFIX=false, which
once was the default. So all that reaches the canary is counted, less the answers that a user saw.
"""

from __future__ import annotations

from canarylab.contract.context import Context
from canarylab.contract.step import Claim
from canarylab.demo.traffic.statistics import BY_CHANCE, Proportion
from canarylab.demo.waiting import ask_until
from canarylab.errors import ExpectationError, StageError
from canarylab.kube.client import ApiError
from canarylab.kube.forward import PodPort
from canarylab.kube.objects import dig
from canarylab.rollouts.causes import rollout as causes
from canarylab.rollouts.view import RolloutView

_PORT, _PATH = 8080, "/stats"
_SECONDS = 5.0
"""How long the last copies may take: nobody waits for their answers."""
_ALL = 100
_START = "write a step that begins a rollout above this one, such as `set-image`"


def count(ctx: Context, view: RolloutView) -> int:
    """Requests that the pods of the canary have counted since they began.

    Raises ExpectationError where there is no canary, or a pod of it doesn't say.
    """
    if view.canary is None:
        found = causes.with_trouble(ctx, view, f"it is {view}", _START)
        raise ExpectationError(f"Rollout {view.name} has no canary to mirror to", why=found.why, remedy=found.remedy)
    return sum(_of_pod(ctx, view.namespace, pod.name) for pod in view.canary.pods if not pod.terminating)


def arrived(ctx: Context, view: RolloutView, before: int, sent: int, percent: int) -> Claim:
    """So many percent of the requests sent were counted at the canary, beyond those `before` and those it answered.

    All of them are exactly as many as were sent; any other share is a matter of chance, and its interval is as wide as
    the rule of canarylab.demo.traffic.statistics is rarely wrong.
    """
    wanted = round(sent * percent / 100)

    def over(copies: Proportion) -> bool:
        return _is_right(copies, percent) or copies.count > wanted

    copies = ask_until(ctx, lambda: Proportion(count(ctx, view) - before, sent), over, _SECONDS)
    about = "" if percent == _ALL else "about "
    too_few = "the proxy copies fewer than its route says, or a pod of the canary has gone with its count"
    too_many = (
        "most likely others ask the same host meanwhile, and their requests are copied, too; or something asks the "
        "canary's pods directly"
    )
    return Claim(
        "requests mirrored to the canary, counted there",
        f"{about}{wanted:,} of {copies.total:,}",
        f"{copies.count:,} of {copies.total:,}",
        _is_right(copies, percent),
        too_many if copies.count > wanted else too_few,
    )


def _is_right(copies: Proportion, percent: int) -> bool:
    if percent == _ALL or not 0 <= copies.count <= copies.total:  # fewer than none: a pod has gone with its count
        return copies.count == copies.total
    low, high = copies.interval(1 - BY_CHANCE)
    return low <= percent <= high


def _of_pod(ctx: Context, namespace: str, pod: str) -> int:
    try:
        with PodPort(ctx.cluster, namespace, pod, _PORT) as port:
            total = dig(port.json(_PATH), "total")
    except (ApiError, StageError) as error:
        raise _unsaid(namespace, pod, str(error)) from error
    counted = [dig(total, whose, "requests") for whose in ("users", "mirrored")]
    if not all(isinstance(each, int) for each in counted):
        raise _unsaid(namespace, pod, f"{_PATH} has no total.users.requests and total.mirrored.requests")
    return sum(counted)


def _unsaid(namespace: str, pod: str, why: str) -> ExpectationError:
    return ExpectationError(
        "the canary doesn't report how many requests were mirrored to it",
        where=f"Pod {namespace}/{pod}",
        why=why,
        remedy=f"the application must count them as images/rollouts-demo does, and report it at {_PATH} (port {_PORT})",
    )
