"""Sets of Istio's routing objects, and requests, as people may write them: right ones, odd ones and clashing ones.

They are drawn with probabilities that have most requests meet a route.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from random import Random
from typing import Any

from support import drawing as st
from support.drawing import Strategy

from canarylab.rollouts.routes.match import Request

PROXY_NAMESPACE = "istio-ingress"
PROXY_LABELS = {"istio": "ingressgateway", "app": "gateway"}
PROXY_ADDRESS = "198.51.100.7"
ROOT_NAMESPACE = "istio-system"
DOMAIN = "svc.cluster.local"
OUTSIDE = "outside.test"
HASH = "rollouts-pod-template-hash"

_NAMESPACES = ("shop", "other", PROXY_NAMESPACE)
_SERVICES = ("web-stable", "web-canary", "legacy")
_GATEWAYS = ("web", "public")
_HOSTS = ("web.test", "api.test", "deep.web.test", "*.test", "*.web.test", "*")
_PATHS = ("/", "/a", "/A", "/a/b", "/ab", "/color", "/a/")
_VALUES = ("1", "yes", "")

Object = dict[str, Any]


def _maybe(strategy: Strategy[Any]) -> Strategy[Any]:
    return st.none() | strategy


def _without_none(made: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in made.items() if value is not None}


def _dicts(**parts: Strategy[Any]) -> Strategy[dict[str, Any]]:
    """Of each part a value, or none where the part is None."""
    return st.fixed_dictionaries(parts).map(_without_none)


def _texts(values: tuple[str, ...]) -> Strategy[dict[str, str]]:
    """StringMatches that Go's and Python's regular expressions read alike."""
    value = st.sampled_from(values)
    regex = st.sampled_from((".*", ".+", "[a-z]*", "/a.*", "1|yes", "web.*"))
    return st.one_of(
        value.filter(bool).map(lambda text: {"exact": text}),
        value.filter(bool).map(lambda text: {"prefix": text}),
        regex.map(lambda text: {"regex": text}),
    )


_EVERY_GATEWAY = [f"{namespace}/{name}" for namespace in _NAMESPACES for name in _GATEWAYS]
_GATEWAY_NAMES = st.sampled_from((*_EVERY_GATEWAY, "web", "public", "public.shop", "mesh", "missing"))
_WEIGHTS = st.sampled_from((0, 1, 5, 50, 95, 100))

_SERVICE_HOSTS = st.sampled_from((*_SERVICES[:2] * 2, "legacy", f"web-stable.shop.{DOMAIN}", f"legacy.other.{DOMAIN}"))
_DESTINATION = st.one_of(
    *[_dicts(host=_SERVICE_HOSTS, subset=_maybe(st.sampled_from(("stable", "canary"))))] * 7,
    st.just({"host": OUTSIDE}),
)


def _split(destinations: list[Object]) -> Strategy[list[Object]]:
    """One destination, with a weight or without, or several whose weights aren't all 0."""
    if len(destinations) == 1:
        return st.sampled_from((None, 100)).map(
            lambda weight: [_without_none({"destination": destinations[0], "weight": weight})]
        )
    weights = st.lists(_WEIGHTS, len(destinations), len(destinations)).filter(any)
    return weights.map(
        lambda drawn: [{"destination": to, "weight": weight} for to, weight in zip(destinations, drawn, strict=True)]
    )


_SPLIT = st.lists(_DESTINATION, 3, 1).flatmap(_split)

_NAMED_TEXTS = st.dictionaries(st.sampled_from(("x-canary", "x-user")), _texts(_VALUES) | st.just({}), 2)
_HTTP_MATCH = _dicts(
    name=_maybe(st.just("first")),
    uri=_maybe(_texts(_PATHS)),
    ignoreUriCase=_maybe(st.sampled_from((False, True))),
    scheme=_maybe(_texts(("http", "https"))),
    method=_maybe(_texts(("GET", "POST"))),
    authority=_maybe(_texts(("web.test", "api.test", "web"))),
    headers=_maybe(_NAMED_TEXTS),
    withoutHeaders=_maybe(_NAMED_TEXTS),
    queryParams=_maybe(st.dictionaries(st.sampled_from(("q", "v")), _texts(("1", "yes")) | st.just({}), 2)),
    port=_maybe(st.sampled_from((80, 8080, 443))),
    gateways=_maybe(st.lists(_GATEWAY_NAMES, 2, 1)),
    sourceLabels=_maybe(st.sampled_from(({"istio": "ingressgateway"}, {"app": "web"}))),
    sourceNamespace=_maybe(st.sampled_from(_NAMESPACES)),
)
_ONE_CONDITION = st.one_of(
    _dicts(uri=_texts(_PATHS), ignoreUriCase=_maybe(st.sampled_from((False, True)))),
    _dicts(headers=_NAMED_TEXTS),
    _dicts(withoutHeaders=_NAMED_TEXTS),
    st.just({"uri": {"prefix": "/"}}),
)
_MATCHES = _maybe(st.lists(_ONE_CONDITION | _HTTP_MATCH, 3, 1))
_NAMES = _maybe(st.sampled_from(("primary", "second")))

_MIRROR = _dicts(destination=_DESTINATION, percentage=st.sampled_from((None, {}, {"value": 10.0}, {"value": 50.0})))
_MIRRORED = st.one_of(
    st.just({}),
    _dicts(mirrors=st.lists(_MIRROR, 2, 1)),
    _dicts(
        mirror=_DESTINATION,
        mirrorPercentage=st.sampled_from((None, None, {}, {"value": 20.0})),
        mirrorPercent=st.sampled_from((None, None, 0, 30)),
    ),
)
"""One way or the other: istiod refuses both."""

_PERCENTAGE = st.sampled_from((None, {}, {"value": 5.0}, {"value": 50.0}))
_FAULT = _dicts(
    abort=_maybe(st.just({"httpStatus": 503}) | st.just({"grpcStatus": "UNAVAILABLE"})),
    delay=st.just({"fixedDelay": "1s"}),
    percentage=_PERCENTAGE,
).map(
    lambda made: {
        kind: made[kind] | ({"percentage": made["percentage"]} if "percentage" in made else {})
        for kind in ("abort", "delay")
        if kind in made
    }
)
_FORWARDED = _dicts(
    name=_NAMES,
    match=_MATCHES,
    route=_SPLIT,
    fault=st.one_of(*[st.none()] * 3, _FAULT),
    rewrite=_maybe(st.just({"uri": "/rewritten"})),
)
_PASSED_ON = st.tuples(_FORWARDED, _MIRRORED).map(lambda parts: parts[0] | parts[1])
_ANSWERED = st.one_of(
    _dicts(name=_NAMES, match=_MATCHES, redirect=st.just({"uri": "/elsewhere"})),
    _dicts(name=_NAMES, match=_MATCHES, directResponse=st.just({"status": 404})),
)
_DELEGATED = _dicts(
    name=_NAMES,
    match=_MATCHES,
    delegate=_dicts(name=st.sampled_from(("part-1", "part-2")), namespace=_maybe(st.sampled_from(_NAMESPACES))),
)
_EXPORTS = st.sampled_from((*[None] * 6, ["*"], ["."], [PROXY_NAMESPACE], ["shop"]))


_HOST_SETS = (["web.test"], ["web.test", "api.test"], ["api.test", "*.web.test"], ["*.test"], ["*"], ["deep.web.test"])
"""Of an object: no two that one name could be of."""


def _tls_routes(hosts: list[str]) -> Strategy[list[Object]]:
    """By names that are the object's hosts, or within them."""
    within = [name for name in ("web.test", "api.test", "deep.web.test", "*.web.test") if _is_within(name, hosts)]
    match = _dicts(
        sniHosts=st.lists(st.sampled_from(within or hosts), 2, 1),
        port=_maybe(st.sampled_from((443, 8443))),
        gateways=_maybe(st.lists(_GATEWAY_NAMES, 1, 1)),
    )
    return st.lists(_dicts(match=st.lists(match, 2, 1), route=_SPLIT), 2, 1)


_TCP_MATCH = _dicts(
    port=_maybe(st.sampled_from((9000, 8443))), gateways=st.none() | st.none() | st.lists(_GATEWAY_NAMES, 1, 1)
)
_TCP_ROUTES = st.lists(_dicts(match=_maybe(st.lists(_TCP_MATCH, 2, 1)), route=_SPLIT), 2, 1)


def _is_within(name: str, hosts: list[str]) -> bool:
    return any(name == host or (host[0] == "*" and name.endswith(host[1:])) for host in hosts)


def _virtual_service(hosts: list[str]) -> Strategy[Object]:
    bound = _EVERY_GATEWAY if "*" in hosts else None  # istiod refuses it for sidecars
    return _object(
        "VirtualService",
        _dicts(
            hosts=st.just(hosts),
            gateways=st.just(_EVERY_GATEWAY) | (st.just(bound) if bound else _maybe(st.lists(_GATEWAY_NAMES, 3, 1))),
            exportTo=_EXPORTS,
            http=st.lists(
                st.sampled_from((*[_PASSED_ON] * 4, _ANSWERED, _DELEGATED)).flatmap(lambda chosen: chosen), 3, 1
            ),
            tls=_maybe(_tls_routes(hosts)),
            tcp=_maybe(_TCP_ROUTES),
        ),
    )


def _object(kind: str, spec: Strategy[Any], namespaces: Sequence[str] = _NAMESPACES) -> Strategy[Object]:
    """Names and namespaces are given later: they have to differ."""
    ages = st.sampled_from((1, 2, 3)).map(lambda day: f"2026-01-0{day}T00:00:00Z")
    meta = st.fixed_dictionaries({"namespace": st.sampled_from(namespaces), "creationTimestamp": ages})
    return st.fixed_dictionaries(
        {"apiVersion": st.just("networking.istio.io/v1"), "kind": st.just(kind), "metadata": meta, "spec": spec}
    )


_VIRTUAL_SERVICE = st.sampled_from(_HOST_SETS).flatmap(_virtual_service)
_DELEGATE = _object("VirtualService", _dicts(exportTo=_EXPORTS, http=st.lists(_PASSED_ON | _ANSWERED, 2, 1)))


_BINDS = st.sampled_from((*[None] * 12, "127.0.0.1", PROXY_ADDRESS))


def _server(port: int, protocol: str, tls: Object | None) -> Strategy[Object]:
    """The port's name is one of a kind in its Gateway: it is made later."""
    hosts = st.sampled_from((*_HOSTS, "shop/*", "./*.test", "*/web.test", "other/api.test"))
    chosen = st.just(["*"]) | st.lists(hosts, 2, 1, unique_by=str)
    made = {"port": {"number": port, "protocol": protocol}} | ({"tls": tls} if tls else {})
    return _dicts(hosts=chosen, bind=_BINDS).map(lambda drawn: copy.deepcopy(made) | drawn)


_SERVER = st.one_of(
    *[_server(80, "HTTP", None)] * 8,
    _server(8080, "HTTP2", None),
    _server(80, "HTTP", {"httpsRedirect": True}),
    _server(443, "HTTPS", {"mode": "SIMPLE", "credentialName": "certificate"}),
    _server(443, "HTTPS", {"mode": "MUTUAL", "credentialName": "certificate"}),
    _server(443, "HTTPS", {"mode": "OPTIONAL_MUTUAL", "credentialName": "certificate"}),
    _server(443, "TLS", {"mode": "PASSTHROUGH"}),
    _server(8443, "HTTPS", {"mode": "PASSTHROUGH"}),
    _server(8443, "TLS", {"mode": "AUTO_PASSTHROUGH"}),
    _server(8443, "TLS", {"mode": "SIMPLE", "credentialName": "certificate"}),
    _server(80, "TCP", None),
    *[_server(9000, "TCP", None)] * 2,
)
_GATEWAY = _object(
    "Gateway",
    st.fixed_dictionaries(
        {
            "selector": st.sampled_from((*[{"istio": "ingressgateway"}] * 4, PROXY_LABELS, {"istio": "private"}, {})),
            "servers": st.lists(_SERVER, 3, 1),
        }
    ),
)


_LABELS = st.sampled_from(({"version": "v1"}, {"version": "v2"}, {"version": "v3"}, {HASH: "r1"}, {HASH: "r2"}, {}))
_SUBSETS = st.lists(
    _dicts(name=st.sampled_from(("stable", "canary")), labels=_LABELS), 2, unique_by=lambda one: one["name"]
)
_RULE_HOSTS = st.sampled_from(
    (
        *["web-stable", "web-canary"] * 2,
        *[f"{name}.{namespace}.{DOMAIN}" for name in _SERVICES[:2] for namespace in _NAMESPACES],
        *("*", "*.local", f"*.{DOMAIN}", f"*.shop.{DOMAIN}", f"*.other.{DOMAIN}", OUTSIDE),
    )
)
_RULE_EXPORTS = (*[None] * 6, ["*"], ["."], [PROXY_NAMESPACE], ["shop", PROXY_NAMESPACE], ["other"], ["missing"])
_POD_SELECTORS = ({"istio": "ingressgateway"}, PROXY_LABELS, {"istio": "private"})
_FOR_PODS = _dicts(
    workloadSelector=st.sampled_from(_POD_SELECTORS).map(lambda labels: {"matchLabels": labels}),
    exportTo=st.sampled_from((None, ["."])),
)
_FOR_ALL = _dicts(exportTo=st.sampled_from(_RULE_EXPORTS))
_RULE_SPEC = st.tuples(_dicts(host=_RULE_HOSTS, subsets=_SUBSETS), st.one_of(_FOR_ALL, _FOR_ALL, _FOR_ALL, _FOR_PODS))
_RULE = _object("DestinationRule", _RULE_SPEC.map(lambda parts: parts[0] | parts[1]), (*_NAMESPACES, ROOT_NAMESPACE))

_POOLS = {"Gateway": _GATEWAYS, "DestinationRule": ("rule-1", "rule-2", "rule-3")}


def routing(random: Random) -> list[Object]:
    """Gateways, VirtualServices, those that they delegate to, DestinationRules; no two of a kind with one name."""
    found = dict[tuple[str, str, str], Object]()
    for strategy in (
        st.lists(_GATEWAY, 3, 1),
        st.lists(_VIRTUAL_SERVICE, 3, 1),
        st.lists(_DELEGATE, 2),
        st.lists(_RULE, 6),
    ):
        for one in strategy.draw(random):
            pool = _POOLS.get(one["kind"]) or (("web", "api") if "hosts" in one["spec"] else ("part-1", "part-2"))
            one["metadata"]["name"] = random.choice(pool)
            for position, server in enumerate(one["spec"].get("servers", ())):
                server["port"]["name"] = f"port-{position}"
            found[one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]] = one
    return [*found.values()]


_REQUEST_HEADERS = st.dictionaries(st.sampled_from(("x-canary", "x-user")), st.sampled_from(_VALUES), 2)
_QUERY = st.dictionaries(st.sampled_from(("q", "v")), st.sampled_from(_VALUES), 2)


def request(random: Random, objects: list[Object]) -> Request:
    """One that the objects may be for: to a host that they name, at a port that they open."""
    specs = [one["spec"] for one in objects]
    hosts = [host.replace("*", "deep.web") for spec in specs for host in spec.get("hosts", ())]
    port = random.choice(
        [*[server["port"]["number"] for spec in specs for server in spec.get("servers", ())] * 5, 9000]
    )
    return Request(
        host=random.choice([*hosts * 5, "nowhere.invalid"]),
        path=random.choice(_PATHS),
        headers=_REQUEST_HEADERS.draw(random),
        tls=random.choice([port in (443, 8443)] * 9 + [port == 80]),  # the wrong one, now and then
        port=port,
        query=_QUERY.draw(random),
    )


def pods_of(service: str, namespace: str) -> dict[str, dict[str, str]]:
    """Of each pod of a Service its labels, by its address."""
    first = 10 * (len(_SERVICES) * _NAMESPACES.index(namespace) + _SERVICES.index(service))
    kinds = (("v1", "r1"), ("v1", "r2"), ("v2", "r2"))
    return {f"192.0.2.{first + at}": {"version": kind, HASH: revision} for at, (kind, revision) in enumerate(kinds)}


SERVICES = [(service, namespace) for service in _SERVICES for namespace in _NAMESPACES]
