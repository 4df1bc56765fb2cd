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
from canarylab.yamlfile.problems import Place

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
_OF_HTTP = ("host", "method", "path")


Verdict = bool | None


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
    place: Place = ("spec",)
    """Where in the policy it stands."""


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
            if (taken := _reading(policy, mesh, call).takes(rule, allow=False)) is False:
                continue
            if action == _CUSTOM:
                provider = dig(policy, "spec", "provider", "name")
                yield Denial(policy, f"{named(policy)} leaves {call} to the authorizer {provider}", sure=False)
            else:
                may, place = "denies" if taken else "may deny", ("spec", "rules", number - 1)
                yield Denial(policy, f"{named(policy)} {may} {call}, by its rule {number}", bool(taken), place)


def _not_allowed(policies: Sequence[Object], mesh: Mesh, call: Call) -> Iterable[Denial]:
    """With ALLOW policies, what none of them takes is denied."""
    rules = [(policy, rule) for policy in policies for rule in listed(policy, "spec", "rules")]
    taken = [_reading(policy, mesh, call).takes(rule, allow=True) for policy, rule in rules]
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


def _reading(policy: Object, mesh: Mesh, call: Call) -> _Reading:
    return _Reading(policy["metadata"]["namespace"], mesh, call)


def _all(verdicts: Iterable[Verdict]) -> Verdict:
    found = list(verdicts)
    return False if False in found else None if None in found else True


def _any(verdicts: Iterable[Verdict]) -> Verdict:
    found = list(verdicts)
    return True if True in found else None if None in found else False


@dataclass(frozen=True)
class _Condition:
    """An attribute that has to be one of the values, if there are some, and none of the others."""

    key: str
    values: Sequence[str]
    others: Sequence[str]

    @property
    def of_http(self) -> bool:
        return self.key in _OF_HTTP or self.key.startswith("request.")


@dataclass(frozen=True)
class _Reading:
    """How a rule of a policy in namespace `place` reads for a call."""

    place: str
    mesh: Mesh
    call: Call

    def takes(self, rule: Object, *, allow: bool) -> Verdict:
        """Whether a source, an operation and every condition match: what is left out matches."""
        sources = [list(_conditions(one.get("source"), _SOURCES)) for one in listed(rule, "from")]
        operations = [list(_conditions(one.get("operation"), _OPERATIONS)) for one in listed(rule, "to")]
        whens = [_when(one) for one in listed(rule, "when")]
        every = [*whens, *(one for group in (*sources, *operations) for one in group)]
        if allow and self.call.tcp and any(one.of_http for one in every):
            return False
        either = [_any(_all(map(self._holds, one)) for one in group) for group in (sources, operations) if group]
        return _all([*either, *map(self._holds, whens)])

    def _holds(self, condition: _Condition) -> Verdict:
        if self.call.tcp and condition.of_http:
            return True  # a DENY rule's: it is ignored
        matches, parts = self._matcher(condition.key), list[Verdict]()
        if condition.values:
            parts.append(_any(map(matches, condition.values)))
        if condition.others:
            one_of = _any(map(matches, condition.others))
            parts.append(None if one_of is None else not one_of)
        return _all(parts)

    def _matcher(self, key: str) -> Callable[[str], Verdict]:
        """Whether the call's attribute is such a value."""
        call = self.call
        domain, _, path = call.principal.partition("/ns/")
        namespace, _, account = path.partition("/sa/")
        known: dict[str, Callable[[str], Verdict]] = {
            "source.principal": lambda value: _text(_of_mesh(value, self.mesh), call.principal),
            "source.namespace": lambda value: bool(path) and _globbed(value, namespace),
            "source.serviceAccount": lambda value: bool(path) and f"{namespace}/{account}" == self._qualified(value),
            "source.trustDomain": lambda value: bool(path) and _globbed(value, domain),
            "destination.port": lambda value: value == str(call.port),
            "host": lambda value: _text(value.lower(), call.host.lower()),
            "method": lambda value: _text(value, call.method),
            "path": lambda value: _path(value, call.path.partition("?")[0]),
        }
        if key in known:
            return known[key]
        if header := re.fullmatch(r"request\.headers\[(.+)\]", key):
            return lambda value: _text(value, call.headers.get(header[1].lower(), ""))
        if key.startswith("request.auth"):  # without a token there is nothing to match
            return lambda _: None if "authorization" in call.headers else False
        return lambda _: None

    def _qualified(self, account: str) -> str:
        return account if "/" in account else f"{self.place}/{account}"


def _conditions(entry: Object | None, known: Mapping[str, str]) -> Iterable[_Condition]:
    """Of a source or an operation: each field with its negation, such as paths and notPaths."""
    for name, key in known.items():
        values, others = listed(entry, name), listed(entry, f"not{name[0].upper()}{name[1:]}")
        if values or others:
            yield _Condition(key, [str(one) for one in values], [str(one) for one in others])


def _when(entry: Object) -> _Condition:
    values, others = listed(entry, "values"), listed(entry, "notValues")
    return _Condition(str(entry.get("key")), [str(one) for one in values], [str(one) for one in others])


def _of_mesh(value: str, mesh: Mesh) -> str:
    """`cluster.local` stands for the mesh's own trust domain (pilot/pkg/security/trustdomain/bundle.go)."""
    rest = value.removeprefix("cluster.local/")
    return value if rest == value else f"{mesh.trust_domain}/{rest}"


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
