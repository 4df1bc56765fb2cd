"""The step `evidence`: four layers agree on who gets which share of the traffic, or the one that doesn't is named."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from canarylab.contract.cause import Cause
from canarylab.contract.context import Context
from canarylab.contract.playbook import Seconds
from canarylab.contract.step import Claim, RolloutOptions, Session, Step, report, unmet
from canarylab.demo import claims
from canarylab.demo.traffic import mirrored
from canarylab.demo.traffic.answers import none_failed, only_canary_failed
from canarylab.demo.traffic.client import Target
from canarylab.demo.traffic.diagnosis import request_of, why_failed
from canarylab.demo.traffic.gateway import HostsOptions, is_of_rollout, service, targets
from canarylab.demo.traffic.host_measurements import HostMeasurements
from canarylab.demo.waiting import wait_for
from canarylab.errors import ExpectationError
from canarylab.kube.objects import Object
from canarylab.rollouts.causes import rollout as causes
from canarylab.rollouts.causes.unready_service import nobody_behind
from canarylab.rollouts.routes import route_objects
from canarylab.rollouts.routes.backends import Backends, pods_behind
from canarylab.rollouts.routes.layer_view import LayerView, Shares, expected
from canarylab.rollouts.routes.proxies import Proxies, proxy_of
from canarylab.rollouts.view import RolloutView, get_rollout, view_of, watches

_OBJECTS_SECONDS = 30.0
"""How long the controller may take to set status and routes."""
_PROXIES_SECONDS = 15.0
"""How long istiod may take to hand the routes on to the proxies."""
_ALL = 100

STATUS, ROUTES, PROXY, TRAFFIC = "status", "routes", "proxy", "traffic"
"""The layers, in the order in which a weight travels. Each claim's text begins with its layer."""


class EvidenceOptions(RolloutOptions, HostsOptions):
    """Which requests are asked about, and who should answer them."""

    canary: int = Field(ge=0, le=100, description="percent of these requests that the newest revision answers")
    weight: int | None = Field(None, ge=0, le=100, description="what the Rollout's status says; by default `canary`")
    mirrored: int = Field(
        0, ge=0, le=100, description="percent of these requests that are copied to the canary besides"
    )
    may_fail: Literal["nobody", "canary"] = Field(
        "nobody", description="canary: it is bad, and some of its answers fail"
    )
    requests: int = Field(2000, ge=100, description="requests for each host, at first")
    timeout: Seconds = Field(600, description="how long measuring all hosts together may take")

    @model_validator(mode="after")
    def _some_host(self) -> EvidenceOptions:
        if not self.http and not self.tls:
            raise ValueError("no host to ask: list some under http or tls")
        return self


class Evidence(Step):
    """Status, route objects, proxies and measured traffic, each on its own, say which revision answers such requests.

    Status and routes are waited for by watching them, proxies by asking them again, traffic by measuring it. The
    proxies of a gateway are Envoys; a Service with no gateway before it has kube-proxy, which can't be asked.
    """

    kind: ClassVar[str] = "evidence"
    Options: ClassVar[type[EvidenceOptions]] = EvidenceOptions
    options: EvidenceOptions

    def run(self, ctx: Context, session: Session) -> None:  # noqa: ARG002 - leaves nothing open
        scene = _Scene(ctx, self.options, targets(ctx, self.options), service(ctx, self.options.gateway))
        found = [*wait_for(ctx, scene.watches, scene.objects, _OBJECTS_SECONDS, scene.trouble)]
        before = scene.require_canary()
        with Proxies(ctx.cluster, scene.gateway) as proxies:
            found += scene.configured(proxies, 0 if any(claim.permanent for claim in found) else _PROXIES_SECONDS)
            right = report(ctx, self.kind, found) is None
            for claim in scene.traffic(proxies, before, thoroughly=right):
                found.append(replace(claim, text=f"{TRAFFIC}: {claim.text}"))
                report(ctx, self.kind, found[-1:])
        if wrong := next((claim for claim in found if not claim.holds), None):
            raise unmet(ctx, self.kind, replace(wrong, cause=_explained(wrong, found, before, scene)))


@dataclass
class _Scene:
    """What is asked, and what the first three layers say of it now."""

    ctx: Context
    options: EvidenceOptions
    hosts: list[Target]
    gateway: Object

    def __post_init__(self) -> None:
        self.is_direct = is_of_rollout(self.ctx, self.gateway)
        self.proxy = proxy_of(self.gateway, pods_behind(self.ctx.cluster, self.gateway))
        self.watches = [
            *watches(self.options.namespace),
            *route_objects.all_watches(self.ctx.cluster, self.options.namespace),
        ]

    def _backends(self) -> Backends:
        return Backends(self.ctx.cluster, self.options.namespace, self.proxy)

    def look(self) -> tuple[Object, RolloutView]:
        rollout = get_rollout(self.ctx, self.options.namespace, self.options.rollout)
        return rollout, view_of(self.ctx, rollout)

    def trouble(self) -> Cause | None:
        """Why the Rollout itself doesn't get on."""
        return causes.trouble(self.ctx, self.options.namespace, self.options.rollout)

    def require_canary(self) -> RolloutView:
        """The Rollout as it is. Raises ExpectationError where a share between none and all has no meaning."""
        _, view = self.look()
        if 0 < self.options.canary < _ALL and not (view.updating and view.stable):
            usual = "begin an update with the step `set-image`, and wait for its pause with `expect-rollout`"
            found = causes.with_trouble(self.ctx, view, f"it is {view}", usual)
            raise ExpectationError(
                f"Rollout {view.name} has no canary to measure",
                where=f"demo step {Evidence.kind}",
                why=found.why,
                remedy=found.remedy,
            )
        return view

    def objects(self) -> Iterator[Claim]:
        """Claims about status and routes: ActualWeight, and each host's share as its route object has it."""
        rollout, view = self.look()
        weight = self.options.canary if self.options.weight is None else self.options.weight
        yield claims.equal(f"{STATUS}: ActualWeight", weight, view.actual_weight, claims.cause(view))
        backends = self._backends()
        for target in self.hosts:
            if self.is_direct:
                seen = route_objects.direct(self.gateway, backends)
            else:
                seen = route_objects.routed(self.ctx.cluster, rollout, request_of(target), backends, self.proxy)
            yield self._claim(ROUTES, seen, view, f"the Rollout is {view}")

    def configured(self, proxies: Proxies, seconds: float) -> tuple[Claim, ...]:
        """The third layer, asked again for so many seconds; nothing where no gateway stands before the pods."""
        if self.is_direct:
            return ()
        if not proxies:
            name = f"{self.gateway['metadata']['namespace']}/{self.gateway['metadata']['name']}"
            found = nobody_behind(self.ctx, self.gateway)
            cause = found.why if found else f"`{self.ctx.command('status')}` shows the gateway and its pods"
            what, remedy = f"{PROXY}: Service {name}", found.remedy if found else ""
            return (Claim(what, "an Envoy that is ready", "none", holds=False, cause=cause, remedy=remedy),)
        return wait_for(self.ctx, (), lambda: self._proxies(proxies), seconds)

    def _proxies(self, proxies: Proxies) -> Iterator[Claim]:
        _, view = self.look()
        backends = self._backends()
        for target in self.hosts:
            for seen in proxies.seen(request_of(target), backends):
                named = replace(seen, where=f"{seen.where}, {target}")
                yield self._claim(PROXY, named, view, "the proxy was not given, or refused, what the route objects say")

    def _claim(self, layer: str, seen: LayerView, view: RolloutView, cause: str) -> Claim:
        shares = expected(view.stable_hash, view.current_hash, self.options.canary, view.experimental)
        copied: Shares = {view.current_hash: self.options.mirrored} if self.options.mirrored else {}
        wanted, found = _who(shares, copied, view), f"{seen.words} ({_who(seen.shares, seen.mirrored, view)})"
        holds = seen.agrees(shares, copied)
        permanent, why = bool(seen.remedy) and not holds, seen.cause or cause
        return Claim(f"{layer}: {seen.where}", wanted, found, holds, why, permanent=permanent, remedy=seen.remedy)

    def traffic(self, proxies: Proxies, view: RolloutView, *, thoroughly: bool) -> Iterator[Claim]:
        """The fourth layer. Where another one is wrong already, a few requests say on whose side the traffic is."""
        options = self.options
        deadline = min(self.ctx.deadline, time.monotonic() + self.ctx.patient(options.timeout))
        measurements = HostMeasurements(self.ctx, view, proxies, self._backends(), deadline, len(self.hosts))
        before = mirrored.count(self.ctx, view) if options.mirrored else 0
        for target in self.hosts:
            yield _share(measurements, target, options, thoroughly=thoroughly)
        if measurements.taken:
            if options.mirrored:
                sent = sum(one.requests for one in measurements.taken)
                own = sum(one.revisions[view.current_hash] for one in measurements.taken)
                yield mirrored.arrived(self.ctx, view, before + own, sent, options.mirrored)
            if options.may_fail == "canary":
                yield only_canary_failed(measurements.taken, view)
            else:
                yield none_failed(measurements.taken, "not one request failed", why_failed(self.ctx))


def _share(measurements: HostMeasurements, target: Target, options: EvidenceOptions, *, thoroughly: bool) -> Claim:
    """What was measured at one host, or that it couldn't be measured."""
    share = measurements.share if thoroughly else measurements.glance
    try:
        return share(target, options.canary, options.requests)
    except ExpectationError as error:
        expected_answers = f"answers, {options.canary} % of them from the newest revision"
        cause = "; ".join(filter(None, [error.why, error.remedy]))
        return Claim(str(target), expected_answers, error.what, holds=False, cause=cause)


def _explained(wrong: Claim, found: Sequence[Claim], before: RolloutView, scene: _Scene) -> str:
    """Which layers agree and which is the first that doesn't, and whether the Rollout moved on meanwhile."""
    layers = dict.fromkeys(_layer(claim) for claim in found)
    at_odds = dict.fromkeys(_layer(claim) for claim in found if not claim.holds)
    agreeing = [layer for layer in layers if layer not in at_odds] or ["none"]
    words = [f"the layers {_and(at_odds)} disagree" if len(at_odds) > 1 else f"the layer {_layer(wrong)} disagrees"]
    words.append(f"{_and(agreeing)} {'say' if len(agreeing) > 1 else 'says'} what was expected")
    if wrong.cause:
        words.append(wrong.cause)
    if trouble := scene.trouble():
        words.append(f"the Rollout itself doesn't get on: {trouble.why}; {trouble.remedy}")
    _, now = scene.look()
    if (now.current_hash, now.step, now.set_weight) != (before.current_hash, before.step, before.set_weight):
        words.append(f"the Rollout moved on meanwhile, from {before} to {now}: a longer pause leaves time to measure")
    return "; ".join(words)


def _and(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _layer(claim: Claim) -> str:
    return claim.text.partition(":")[0]


def _who(shares: Shares, copied: Shares, view: RolloutView) -> str:
    """The revisions that get requests, and those that get copies of them."""
    words = [_revisions(shares, view)] + ([f"mirrored to {_revisions(copied, view)}"] if copied else [])
    return ", ".join(words)


def _revisions(shares: Shares, view: RolloutView) -> str:
    numbers = {revision.hash: f"revision {revision.number}" for revision in view.revisions}
    numbers |= dict.fromkeys(view.experimental, "the experiment")
    named = [(numbers.get(digest, "others"), share) for digest, share in shares.items() if share]
    ranked = sorted(named, key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{name} {share:g} %" for name, share in ranked) or "nobody"
