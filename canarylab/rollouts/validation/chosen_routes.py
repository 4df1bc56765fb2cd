"""The routes of a VirtualService that a Rollout chooses, or should: which Argo wouldn't find, or couldn't tell apart.

The rules are those of argo-rollouts, rollout/trafficrouting/istio/istio.go (v1.10.1): ValidateHTTPRoutes,
ValidateTlsRoutes and ValidateTcpRoutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from canarylab.kube.objects import dig
from canarylab.rollouts.validation.destinations import leads_to_both
from canarylab.rollouts.validation.listed_virtual_service import STREAMS, Listed, covers, ports, server_names
from canarylab.rollouts.validation.mistake import Mistake, mistake
from canarylab.yamlfile.problems import did_you_mean, short_repr


def mistakes(this: Listed) -> Iterator[Mistake]:
    """Of http, then of tls and tcp: Argo wants each of these that there is, whether it is meant or not."""
    yield from _http(this)
    for protocol in STREAMS:
        yield from _streams(this, protocol)


def _http(this: Listed) -> Iterator[Mistake]:
    entry, has_streams = this.entry, any(this.of(protocol) for protocol in STREAMS)
    if has_streams and dig(this.found, "spec", "http") is None:
        return
    names = [str(dig(route, "name")) for route in this.of("http") if dig(route, "name")]
    for index, name in enumerate(entry.routes):
        if name not in names:
            place, meant = (*entry.place, "routes", index), did_you_mean(str(name), names)
            yield mistake("no-http-route", place, entry=entry.written, given=short_repr(name), name=name, meant=meant)
    count = len(this.own())
    if not entry.routes and count != 1 and (count or not has_streams):
        meant = did_you_mean("", names)
        yield mistake("no-http-route-chosen", entry.place, entry=entry.written, count=count, meant=meant)


def _streams(this: Listed, protocol: str) -> Iterator[Mistake]:
    there, chosen, entry = this.of(protocol), this.chosen(protocol), this.entry
    if dig(this.found, "spec", protocol) == []:
        found = mistake("no-streams", entry.place, entry=entry.written, protocol=protocol)
        yield this.at(("spec", protocol), found)
    elif not chosen and len(there) > 1:
        remedy = _remedy(this, protocol)
        found = mistake(
            "no-stream-chosen", entry.place, entry=entry.written, count=len(there), protocol=protocol, remedy=remedy
        )
        yield this.at(("spec", protocol), found)
    for index, wanted in enumerate(chosen if there else ()):
        if not any(covers(wanted, route) for route in there):
            place, remedy = (*entry.place, f"{protocol}Routes", index), _remedy(this, protocol)
            yield mistake(
                "no-stream", place, entry=entry.written, protocol=protocol, upper=protocol.upper(), remedy=remedy
            )


def _remedy(this: Listed, protocol: str) -> str:
    """How the Rollout can choose those that are its own, or what has to be done so that it can."""
    there = this.of(protocol)
    ours = [index for index, route in enumerate(there) if leads_to_both(this.rollout, route)]
    if not ours:
        return (
            f"none of its {protocol} routes leads to both stable and canary, and Argo can't be told to leave them "
            "alone: move them into a VirtualService of their own, which the Rollout doesn't list"
        )
    entries = [_entry(there[index]) for index in ours]
    for index, entry in zip(ours, entries, strict=True):
        if len(ports(there[index])) > 1:
            return f"Argo finds no route with several ports: make of {protocol}[{index}] one route for each port"
        mixed = [other for other, route in enumerate(there) if other not in ours and covers(entry, route)]
        if mixed:
            return (
                f"Argo can't tell {protocol}[{mixed[0]}] from {protocol}[{index}], which have the same port: move "
                f"{protocol}[{mixed[0]}] into a VirtualService of its own, which the Rollout doesn't list"
            )
    written = ", ".join(dict.fromkeys(map(_flow, entries)))
    return f"write `{protocol}Routes: [{written}]` beside its name in the Rollout"


def _entry(route: Any) -> dict[str, Any]:
    """What chooses a route, by its ports and SNI hosts."""
    port, names = min(ports(route)), sorted(server_names(route))
    return {**({"port": port} if port else {}), **({"sniHosts": names} if names else {})}


def _flow(entry: dict[str, Any]) -> str:
    """As YAML on one line; a wildcard has to be quoted."""
    words = [f"port: {entry['port']}"] if "port" in entry else []
    if "sniHosts" in entry:
        words.append(f"sniHosts: [{', '.join(repr(name) if '*' in name else name for name in entry['sniHosts'])}]")
    return "{" + ", ".join(words) + "}"
