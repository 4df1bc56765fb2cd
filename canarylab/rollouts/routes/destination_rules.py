"""Istio's DestinationRules: the one that a gateway goes by for a Service, and the subsets that it has. Pure.

As istiod looks them up (istio, pilot/pkg/model/push_context.go, destinationRule and setDestinationRules) and joins
several for one host (pilot/pkg/model/destination_rule.go, mergeDestinationRule). What is said here is held against
istiod's own translation by tests/e2e/test_5c_istio_translation.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.routes.match import Proxy, host_rank
from canarylab.rollouts.routes.route import in_full, oldest_first, service_of, under

API_VERSION = "networking.istio.io/v1"
KIND = "DestinationRule"

_EVERYBODY = "*"
_OWN = "."


class JoinedRule:
    """DestinationRules of one namespace for one host, which istiod takes for one: the first says all but subsets."""

    def __init__(self, rule: Object) -> None:
        self.rules = [rule]
        self.exports = _exports(rule)
        self.subsets = _subsets(rule)

    @property
    def selector(self) -> Mapping[str, str] | None:
        """The labels of the pods that it is for; None where it is for all."""
        return _selector(self.rules[0])

    @property
    def policy_of(self) -> Object | None:
        """The one whose trafficPolicy counts: the first that has one."""
        return next((rule for rule in self.rules if dig(rule, "spec", "trafficPolicy") is not None), None)

    def takes(self, rule: Object) -> bool:
        """Whether a later rule's subsets are added to these."""
        if not (_exports(rule) == self.exports or (self.exports and _exports(rule) > self.exports)):
            return False
        return None in (self.selector, _selector(rule)) or self.selector == _selector(rule)

    def replaces(self, rule: Object) -> bool:
        """Whether a later rule that it takes isn't kept beside it."""
        return _exports(rule) == self.exports or self.selector == _selector(rule)

    def add(self, rule: Object) -> None:
        """A subset of a name that is there already stays as it is."""
        self.rules.append(rule)
        self.subsets = {**_subsets(rule), **self.subsets}


class _Pool(defaultdict[str, list[JoinedRule]]):
    """By host, the rules of one namespace among which one is looked for together."""

    def __init__(self) -> None:
        super().__init__(list)

    def put(self, rule: Object) -> None:
        there = self[host_of(rule)]
        beside = True  # the last of those that are there decides, as with istiod
        for one in there:
            takes = one.takes(rule)
            beside = not (takes and one.replaces(rule))
            if takes:
                one.add(rule)
        if beside:
            there.append(JoinedRule(rule))

    def most_specific(self, host: str) -> Sequence[JoinedRule]:
        return under(host, self.items()) or ()


class DestinationRules:
    """All of a cluster, as one gateway goes by them. `root` is the namespace whose rules are for all of the mesh."""

    def __init__(self, rules: Iterable[Object], proxy: Proxy, root: str) -> None:
        self._proxy, self._root = proxy, root
        self._all = sorted(oldest_first(rules), key=lambda rule: _selector(rule) is None)
        self._local, self._exported = _Pool(), defaultdict[str, _Pool](_Pool)
        for rule in self._all:
            place = _namespace(rule)
            private = _exports(rule) in ({_OWN}, {place})
            if place == proxy.namespace and (private if place == root else _is_for_its_own(rule)):
                self._local.put(rule)
            if not private:
                self._exported[place].put(rule)

    def of(self, service: str, namespace: str) -> JoinedRule | None:
        """The one for a Service: of the gateway's namespace, else of the Service's, else of the root namespace."""
        host = in_full(service, namespace)
        found = self._local.most_specific(host)
        for place in (namespace, self._root):
            found = found or [one for one in self._exported[place].most_specific(host) if self._is_seen(one.exports)]
        return self._of_pods(found)

    def lacking(self, service: str, namespace: str, subset: str) -> str:
        """Of a subset that the gateway doesn't know: which rule lacks it, and why one that has it doesn't count.

        To go on with after "..., which".
        """
        host, joined = in_full(service, namespace), self.of(service, namespace)
        lacks = f"{_name(joined.rules[0], namespace)} doesn't have" if joined else ""
        other = next((one for one in self._all if subset in _subsets(one) and host_rank(host_of(one), host)), None)
        if other is None:
            return lacks or "no DestinationRule has"
        first = _name(joined.rules[0], namespace) if joined else "another one of the gateway's namespace"
        why = self._not_for_gateway(other, namespace) or f"{first} comes before it"
        lacks = lacks or "no DestinationRule that the gateway goes by has"
        return f"{lacks} ({_name(other, namespace)} has it, but {why})"

    def _not_for_gateway(self, rule: Object, namespace: str) -> str:
        """Why a rule isn't for the gateway, whatever others say; "" where it is."""
        place, proxy = _namespace(rule), self._proxy
        if place not in (proxy.namespace, namespace, self._root):
            return f"istiod looks only in {', '.join(dict.fromkeys((proxy.namespace, namespace, self._root)))}"
        if _selector(rule) is not None and not self._selects(rule):
            return "its workloadSelector isn't for the gateway's pods"
        seen = _is_for_its_own(rule) if place == proxy.namespace else self._is_seen(_exports(rule))
        return "" if seen else f"it isn't exported to the gateway's namespace, {proxy.namespace}"

    def _is_seen(self, exports: frozenset[str]) -> bool:
        return not exports or not exports.isdisjoint({_EVERYBODY, self._proxy.namespace})

    def _selects(self, rule: Object) -> bool:
        """Whether the gateway's pods are those of its workloadSelector, which is for its own namespace."""
        selector = _selector(rule) or {}
        return _namespace(rule) == self._proxy.namespace and selector.items() <= self._proxy.labels.items()

    def _of_pods(self, found: Iterable[JoinedRule]) -> JoinedRule | None:
        """The first that is for the gateway's pods by their labels, else the last of those for all pods."""
        for_all = None
        for one in found:
            if one.selector is None:
                for_all = one
            elif self._selects(one.rules[0]):
                return one
        return for_all


def host_of(rule: Object) -> str:
    """The host that it is for, in full."""
    written, place = str(dig(rule, "spec", "host") or ""), _namespace(rule)
    if written.startswith("*"):
        return written
    return in_full(*service_of(written, place)) if service_of(written, place)[1] else in_full(written, place)


def _name(rule: Object, namespace: str) -> str:
    """As a person finds it who looks in that namespace."""
    place = _namespace(rule)
    return f"{KIND} {'' if place == namespace else f'{place}/'}{rule['metadata']['name']}"


def _namespace(rule: Object) -> str:
    return str(dig(rule, "metadata", "namespace") or "")


def _exports(rule: Object) -> frozenset[str]:
    """To which namespaces; one with a workloadSelector is for its own alone."""
    return frozenset({_OWN}) if _selector(rule) is not None else frozenset(map(str, listed(rule, "spec", "exportTo")))


def _is_for_its_own(rule: Object) -> bool:
    return not _exports(rule) or not _exports(rule).isdisjoint({_EVERYBODY, _OWN, _namespace(rule)})


def _selector(rule: Object) -> Mapping[str, str] | None:
    selector = dig(rule, "spec", "workloadSelector")
    return None if selector is None else dig(selector, "matchLabels") or {}


def _subsets(rule: Object) -> dict[str, Mapping[str, Any]]:
    """The labels of each by its name."""
    return {str(dig(one, "name")): dig(one, "labels") or {} for one in reversed(listed(rule, "spec", "subsets"))}
