"""The http routes of a VirtualService with those that it delegates to others, as istiod merges them. Pure.

https://istio.io/latest/docs/reference/config/networking/virtual-service/#Delegate; in istio's source
pilot/pkg/model/virtualservice.go, MergeHTTPRoutes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.routes.virtual_services import Located, gateway_name, http_routes, is_exported

_INHERITED = ("rewrite", "directResponse", "timeout", "retries", "fault", "corsPolicy", "headers")
_MIRRORS = ("mirror", "mirrorPercentage", "mirrorPercent", "mirror_percent", "mirrors")
_TEXTS = ("uri", "scheme", "method", "authority")
_BY_NAME = ("headers", "withoutHeaders", "queryParams")


def merged(root: Object, known: Mapping[tuple[str, str], Object]) -> Iterator[Located]:
    """Its http routes, each with the object that it stands in; `known` are all VirtualServices, by namespace and name.

    A delegate that isn't there, isn't exported to the root's namespace, or contradicts the root, brings nothing.
    """
    namespace = str(dig(root, "metadata", "namespace") or "")
    for located in http_routes(root):
        to = dig(located.written, "delegate")
        if to is None:
            yield located
            continue
        delegate = known.get((to.get("namespace") or namespace, to.get("name")))
        if delegate and not listed(delegate, "spec", "hosts") and is_exported(delegate, namespace):
            yield from _delegated(located.written, namespace, delegate)


def _delegated(root: Object, namespace: str, delegate: Object) -> Iterator[Located]:
    own = str(dig(delegate, "metadata", "namespace") or "")
    for located in http_routes(delegate):
        part = located.written
        matches = _matches(_resolved(root, namespace), _resolved(part, own))
        if matches is not None:
            handed = {key: root[key] for key in (*_INHERITED, *_MIRRORS) if key in root}
            yield located._replace(written={**handed, **part, "match": matches}, mirrors_of=_of(root, part, namespace))


def _of(root: Object, part: Object, namespace: str) -> str:
    """The namespace that mirrors' short names are of: the root's where they are inherited; "" where they aren't."""
    return namespace if any(key in root and key not in part for key in ("mirror", "mirrors")) else ""


def _resolved(route: Object, namespace: str) -> list[Object]:
    """Its matches, with the names of gateways in full."""
    return [
        {
            **match,
            **(
                {"gateways": [gateway_name(one, namespace) for one in match["gateways"]]}
                if match.get("gateways")
                else {}
            ),
        }
        for match in listed(route, "match")
    ]


def _matches(roots: Sequence[Object], leaves: Sequence[Object]) -> list[Object] | None:
    """What either asks for where only one does, else each of the delegate's within each of the root's it fits in."""
    if not roots or not leaves:
        return [*roots, *leaves]
    found = []
    for leaf in leaves:
        within = [_merged(root, leaf) for root in roots if not _contradict(root, leaf)]
        if not within:
            return None
        found += within
    return found


def _merged(root: Object, leaf: Object) -> Object:
    named = {key: {**(root.get(key) or {}), **(leaf.get(key) or {})} for key in (*_BY_NAME, "sourceLabels")}
    return {**root, **leaf, **{key: texts for key, texts in named.items() if texts}}


def _contradict(root: Object, leaf: Object) -> bool:
    pairs = [(root.get(key), leaf.get(key)) for key in _TEXTS]
    pairs += [
        ((root.get(key) or {}).get(name), text) for key in _BY_NAME for name, text in (leaf.get(key) or {}).items()
    ]
    labels = root.get("sourceLabels") or {}
    return (
        any(_texts_contradict(*pair) for pair in pairs)
        or bool(root.get("ignoreUriCase")) != bool(leaf.get("ignoreUriCase"))
        or bool(root.get("port") and leaf.get("port") and root["port"] != leaf["port"])
        or root.get("sourceNamespace", "") not in ("", leaf.get("sourceNamespace", ""))
        or any(labels.get(name, value) != value for name, value in (leaf.get("sourceLabels") or {}).items())
        or bool(root.get("gateways") and not set(leaf.get("gateways") or ()) <= set(root["gateways"]))
    )


def _texts_contradict(root: Mapping[str, str] | None, leaf: Mapping[str, str] | None) -> bool:
    """Whether a text as the delegate's wants it needn't be as the root's wants it (stringMatchConflict)."""
    if root is None or leaf is None:
        return False
    if "prefix" in root and ("prefix" in leaf or "exact" in leaf):
        return not (leaf.get("prefix") or leaf["exact"]).startswith(root["prefix"])
    return "exact" not in root or leaf != root
