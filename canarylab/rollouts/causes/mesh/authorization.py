"""Whether AuthorizationPolicies let a request through to a pod, and which one doesn't. Pure.

Sources: istio/istio, pilot/pkg/security/authz/builder/builder.go (DENY before ALLOW; with some ALLOW policy, whatever
none of their rules takes is denied; one without rules takes nothing) and model/model.go with generator.go (what a rule
is made of; over TCP an ALLOW rule that asks for something of HTTP takes nothing, and a DENY rule ignores it).

Not everything is known of a request from here: addresses and tokens aren't. What depends on them is None: unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from canarylab.kube.objects import Object, annotations_of, dig, listed
from canarylab.rollouts.causes.mesh.settings import Mesh, attached, named

_DRY_RUN = "istio.io/dry-run"
_ALLOW, _DENY, _CUSTOM = "ALLOW", "DENY", "CUSTOM"
_SOURCES = {
    "principals": "source.principal",
    "namespaces": "source.namespace",
    "serviceAccounts": "source.serviceAccount",
    "trustDomains": "source.trustDomain",
    "ipBlocks": "source.ip",
    "remoteIpBlocks": "remote.ip",
    "requestPrincipals": "request.auth.principal",
}
_OPERATIONS = {"hosts": "host", "ports": "destination.port", "methods": "method", "paths": "path"}
_PROTOCOLS = ("host", "method", "path")


@dataclass(frozen=True)
class Call:
    """A request as the pod meets it. `principal` is who asks, without spiffe://; "" where it comes in plain text."""

    port: int
    principal: str = ""
    tcp: bool = False
    host: str = ""
    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        who = self.principal or "a caller without a certificate"
        what = "a connection" if self.tcp else f"{self.method} {self.path} for {self.host}"
        return f"{what} from {who} to port {self.port}"


@dataclass(frozen=True)
class Denial:
    """What keeps a request out. Unless `sure`, it depends on something of the request that isn't known here."""

    policy: Object
    why: str
    sure: bool = True


def denial(policies: Iterable[Object], mesh: Mesh, pod: Object, call: Call) -> Denial | None:
    """What keeps the call from the pod; None where nothing does."""
    mine = [one for one in policies if attached(one, pod) and annotations_of(one).get(_DRY_RUN, "").lower() != "true"]
    by_action: dict[str, list[Object]] = {}
    for one in mine:
        by_action.setdefault(dig(one, "spec", "action") or _ALLOW, []).append(one)
    found = [
        *_matching(by_action.get(_CUSTOM, ()), mesh, call, _CUSTOM),
        *_matching(by_action.get(_DENY, ()), mesh, call, _DENY),
        *_not_allowed(by_action.get(_ALLOW, ()), mesh, call),
    ]
    return min(found, key=lambda one: not one.sure, default=None)


def _matching(policies: Sequence[Object], mesh: Mesh, call: Call, action: str) -> Iterable[Denial]:
    """Of DENY and CUSTOM policies those with a rule that takes the call, or may."""
    for policy in policies:
        for number, rule in enumerate(listed(policy, "spec", "rules"), 1):
            if (taken := _takes(rule, policy, mesh, call, allow=False)) is False:
                continue
            if action == _CUSTOM:
                provider = dig(policy, "spec", "provider", "name")
                yield Denial(policy, f"{named(policy)} leaves {call} to the authorizer {provider}", sure=False)
            else:
                may = "denies" if taken else "may deny"
                yield Denial(policy, f"{named(policy)} {may} {call}, by its rule {number}", sure=bool(taken))


def _not_allowed(policies: Sequence[Object], mesh: Mesh, call: Call) -> Iterable[Denial]:
    """With ALLOW policies, what none of them takes is denied."""
    rules = [(policy, rule) for policy in policies for rule in listed(policy, "spec", "rules")]
    taken = [_takes(rule, policy, mesh, call, allow=True) for policy, rule in rules]
    if not policies or True in taken:
        return
    if not rules:
        yield Denial(policies[0], f"{_and(policies)} allows nothing: it has no rules")
    elif None in taken:
        unsure = rules[taken.index(None)][0]
        yield Denial(unsure, f"whether {named(unsure)} allows {call} depends on its address or its token", sure=False)
    else:
        yield Denial(rules[0][0], f"{_and(policies)} allows other requests, but not {call}")


def _and(policies: Sequence[Object]) -> str:
    return " with ".join(map(named, policies))


Verdict = bool | None


def _all(verdicts: Iterable[Verdict]) -> Verdict:
    found = list(verdicts)
    return False if False in found else None if None in found else True


def _any(verdicts: Iterable[Verdict]) -> Verdict:
    found = list(verdicts)
    return True if True in found else None if None in found else False


def _takes(rule: Object, policy: Object, mesh: Mesh, call: Call, *, allow: bool) -> Verdict:
    """Whether one of the sources, one of the operations and every condition match: what is left out matches."""
    place, parts = policy["metadata"]["namespace"], list[Verdict]()
    groups = ((listed(rule, "from"), "source", _SOURCES), (listed(rule, "to"), "operation", _OPERATIONS))
    keys = [_SOURCES[name] for each in listed(rule, "from") for name in _names(each.get("source")) if name in _SOURCES]
    keys += [_OPERATIONS[one] for each in listed(rule, "to") for one in _names(each.get("operation")) if one in _OPERATIONS]
    keys += [str(each.get("key")) for each in listed(rule, "when")]
    if allow and call.tcp and any(map(_is_of_http, keys)):
        return False
    for entries, inner, known in groups:
        if entries:
            parts.append(_any(_entry(each.get(inner) or {}, known, place, mesh, call) for each in entries))
    for each in listed(rule, "when"):
        parts.append(_condition(str(each.get("key")), each.get("values"), each.get("notValues"), place, mesh, call))
    return _all(parts)


def _names(entry: Object | None) -> list[str]:
    """The fields of a source or an operation, without their negation."""
    return [_positive(name) for name in entry or {}]


def _positive(name: str) -> str:
    return name[3].lower() + name[4:] if name.startswith("not") else name


def _entry(entry: Object, known: Mapping[str, str], place: str, mesh: Mesh, call: Call) -> Verdict:
    fields = dict.fromkeys(_names(entry))
    return _all(
        _condition(known.get(name, ""), entry.get(name), entry.get(f"not{name[0].upper()}{name[1:]}"), place, mesh, call)
        for name in fields
    )


def _is_of_http(key: str) -> bool:
    return key in _PROTOCOLS or key.startswith("request.")


def _condition(key: str, values: object, others: object, place: str, mesh: Mesh, call: Call) -> Verdict:
    """Whether an attribute is one of the values, and none of the others."""
    if call.tcp and _is_of_http(key):
        return True  # a DENY rule's: it is ignored
    matches = _matcher(key, place, mesh, call)
    wanted, unwanted = (found if isinstance(found, list) else [] for found in (values, others))
    parts: list[Verdict] = []
    if wanted:
        parts.append(_any(matches(str(value)) for value in wanted))
    if unwanted:
        one_of = _any(matches(str(value)) for value in unwanted)
        parts.append(None if one_of is None else not one_of)
    return _all(parts)


def _matcher(key: str, place: str, mesh: Mesh, call: Call) -> Callable[[str], Verdict]:
    """Whether the call's attribute is such a value."""
    _, _, path = call.principal.partition("/ns/")
    namespace, _, account = path.partition("/sa/")
    known: dict[str, Callable[[str], Verdict]] = {
        "source.principal": lambda value: _text(_of_mesh(value, mesh), call.principal),
        "source.namespace": lambda value: bool(call.principal) and _globbed(value, namespace),
        "source.serviceAccount": lambda value: bool(path) and f"{namespace}/{account}" == _qualified(value, place),
        "source.trustDomain": lambda value: bool(path) and _globbed(value, call.principal.partition("/")[0]),
        "destination.port": lambda value: value == str(call.port),
        "host": lambda value: _text(value.lower(), call.host.lower()),
        "method": lambda value: _text(value, call.method),
        "path": lambda value: _path(value, call.path.partition("?")[0]),
        "connection.sni": lambda value: _text(value, call.host) if call.tcp else None,
    }
    if key in known:
        return known[key]
    if header := re.fullmatch(r"request\.headers\[(.+)\]", key):
        return lambda value: _text(value, call.headers.get(header[1].lower(), ""))
    if key.startswith("request.auth"):  # without a token there is nothing to match
        return lambda _: None if "authorization" in call.headers else False
    return lambda _: None


def _of_mesh(value: str, mesh: Mesh) -> str:
    """`cluster.local` stands for the mesh's own trust domain (pilot/pkg/security/trustdomain/bundle.go)."""
    rest = value.removeprefix("cluster.local/")
    return value if rest == value else f"{mesh.trust_domain}/{rest}"


def _qualified(account: str, place: str) -> str:
    return account if "/" in account else f"{place}/{account}"


def _text(wanted: str, found: str) -> bool:
    """pilot/pkg/security/authz/matcher/string.go: exact, `*` for anything there is, or one `*` at either end."""
    if wanted == "*":
        return bool(found)
    if wanted.startswith("*"):
        return found.endswith(wanted[1:])
    return found.startswith(wanted[:-1]) if wanted.endswith("*") else found == wanted


def _globbed(wanted: str, found: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, wanted.split("*"))), found) is not None


def _path(wanted: str, found: str) -> Verdict:
    """A template such as /a/{*}/b isn't worked out here."""
    return None if "{" in wanted else _text(wanted, found)
