"""What applying an object would change: asked of the server by a dry run, shown as a diff."""

from __future__ import annotations

import copy
import difflib
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import yaml

from canarylab.kube.client import ApiError, Cluster, UnknownKindError
from canarylab.kube.objects import annotations_of, has_been_healthy, identity

APPLIED = "canarylab.dev/applied"
"""The annotation with the digest of what was applied: an object that has it, and holds all that is wanted, needs no
dry run, which costs the server as much as applying does."""

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""A definition of 10,000 lines takes libyaml a tenth of the time."""
PATH_PATTERN = r"^[^.\[\]]+(\[(\*|\d+)\])*(\.[^.\[\]]+(\[(\*|\d+)\])*)*$"
"""A path to a field: names with dots between them, behind each any number of `[*]` or `[0]`."""

Left = Callable[[dict[str, Any], Mapping[str, Any] | None], dict[str, Any]]
"""Makes the object that is to be applied of the one that is wanted and the one that is there, if there is one."""

_NOISE = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_NOT_FOUND = 404


@dataclass(frozen=True)
class IgnoredFields:
    """Fields that are set when an object is created and left alone afterwards, since somebody else changes them.

    `kind` names the objects; `fields` are paths such as `spec.template.spec.containers[*].image`. (In a playbook, as in
    Argo CD: ignore-differences.)
    """

    kind: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """An object that is wanted, and the difference to what is there: `live` is None where it isn't."""

    wanted: dict[str, Any]
    live: dict[str, Any] | None
    diff: str
    outdated: bool = False
    """Whether pods of it have to be made anew, though nothing in the object differs."""

    @property
    def subject(self) -> str:
        """What the object is called in messages."""
        return subject(self.wanted)


def subject(obj: Mapping[str, Any]) -> str:
    """How an object is called in messages: Kind namespace/name."""
    meta = obj["metadata"]
    namespace = f"{meta['namespace']}/" if meta.get("namespace") else ""
    return f"{obj['kind']} {namespace}{meta['name']}"


def live_object(cluster: Cluster, obj: Mapping[str, Any]) -> dict[str, Any] | None:
    """The object as it is there; None where it isn't, or its kind is unknown: its definition may come yet."""
    try:
        return cluster.get(*identity(obj), obj["metadata"].get("namespace"))
    except UnknownKindError:
        return None


def placed(cluster: Cluster, obj: dict[str, Any], namespace: str) -> dict[str, Any]:
    """The object in `namespace`, unless it names one itself, or its kind lives in none, as the API says.

    A kind that the cluster doesn't know (yet) is taken to live in namespaces.
    """
    try:
        lives_in_one = cluster.resource(obj["apiVersion"], obj["kind"]).namespaced
    except UnknownKindError:
        lives_in_one = True
    return in_namespace(obj, namespace) if lives_in_one else obj


def in_namespace(obj: dict[str, Any], namespace: str) -> dict[str, Any]:
    """The object, which is of a kind that lives in namespaces, in `namespace` unless it names one itself. Pure."""
    meta = obj["metadata"]
    return obj if meta.get("namespace") else {**obj, "metadata": {**meta, "namespace": namespace}}


def compare(
    cluster: Cluster,
    wanted: dict[str, Any],
    ignored: Sequence[IgnoredFields],
    manager: str,
    left: Left = lambda wanted, _: wanted,
) -> Comparison:
    """Ask the server what applying `wanted` would change. Writes nothing.

    `left` makes of what is wanted and what is there what is to be applied: with what controllers write as it is.
    """
    meta, live = wanted["metadata"], live_object(cluster, wanted)
    if live is None:
        body = left(wanted, None)
        return Comparison(body, None, diff_of(None, body))
    if not live["metadata"].get("namespace"):  # it lives in none, whatever a chart says
        wanted = {**wanted, "metadata": {key: value for key, value in meta.items() if key != "namespace"}}
    body = left(wanted, live)
    body = with_live_fields(body, live, ignored) if _is_others_to_change(live) else body
    if is_within({key: value for key, value in body.items() if key != "status"}, live):
        return Comparison(body, live, "")
    try:
        would_be = cluster.apply(body, dry_run=True, manager=manager)
    except ApiError as error:
        if error.code != _NOT_FOUND:
            raise
        would_be = body
    return Comparison(body, live, diff_of(live, would_be))


def _is_others_to_change(live: dict[str, Any]) -> bool:
    """Not a Rollout that has never been healthy: no update has begun on it, and its image may be the mistake."""
    return live["kind"] != "Rollout" or has_been_healthy(live)


def stamped(wanted: dict[str, Any]) -> dict[str, Any]:
    """`wanted` with the digest of itself as annotation. Pure."""
    digest = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:16]
    meta = wanted["metadata"]
    return {**wanted, "metadata": {**meta, "annotations": {**(meta.get("annotations") or {}), APPLIED: digest}}}


def is_applied(wanted: Mapping[str, Any], live: Mapping[str, Any] | None) -> bool:
    """Whether what is there was applied from the same `wanted`, which is stamped; somebody may have changed it since.

    Pure.
    """
    return live is not None and annotations_of(live).get(APPLIED) == annotations_of(wanted).get(APPLIED)


def is_within(wanted: Any, live: Any) -> bool:
    """Whether `live` says all that `wanted` says; the server may have added defaults. Pure.

    Not enough for what `wanted` no longer says: for that there is the digest of `stamped`.
    """
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(is_within(value, live.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(live, list) and len(wanted) == len(live) and all(map(is_within, wanted, live))
    return bool(wanted == live)


def diff_of(live: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> str:
    """A unified diff of two objects as YAML, "" where they are the same in all that matters."""
    before, after = _matters(live) if live else None, _matters(wanted)
    if before == after:
        return ""
    return "".join(difflib.unified_diff(_lines(before) if before else [], _lines(after), "live", "wanted", n=2))


def _matters(obj: Mapping[str, Any]) -> dict[str, Any]:
    """An object without what the server keeps for itself, and without what must not end up in a log."""
    shown = {key: value for key, value in obj.items() if key != "status"}
    shown["metadata"] = {key: value for key, value in obj["metadata"].items() if key not in _NOISE}
    if obj.get("kind") == "Secret":
        for field in ("data", "stringData"):
            if obj.get(field):
                shown[field] = {key: _digest(value) for key, value in obj[field].items()}
        if annotations := shown["metadata"].get("annotations"):  # kubectl keeps a copy of all of it there
            shown["metadata"]["annotations"] = {key: annotations[key] for key in annotations if key != _LAST_APPLIED}
    return shown


def _digest(value: object) -> str:
    return f"(not shown, sha256 {hashlib.sha256(str(value).encode()).hexdigest()[:12]})"


def _lines(obj: dict[str, Any]) -> list[str]:
    return yaml.dump(obj, Dumper=_DUMPER, sort_keys=True).splitlines(keepends=True)


def with_live_fields(
    wanted: dict[str, Any], live: Mapping[str, Any], ignored: Sequence[IgnoredFields]
) -> dict[str, Any]:
    """`wanted` with the ignored fields as they are in `live`. Pure."""
    fields = [field for rule in ignored if rule.kind == wanted["kind"] for field in rule.fields]
    if not fields:
        return wanted
    result = copy.deepcopy(wanted)
    for field in fields:
        _keep(result, live, _steps(field))
    return result


def _steps(path: str) -> list[str | int | None]:
    """`a.b[0].c[*]` as steps: names, positions, and None for every position."""
    parts = re.findall(r"([^.\[\]]+)|\[(\*|\d+)\]", path)
    return [name or (None if index == "*" else int(index)) for name, index in parts]


def _keep(target: Any, live: Any, steps: Sequence[str | int | None]) -> None:
    """Copy from `live` to `target` what the steps lead to, where both have the way to it."""
    step, *rest = steps
    every = range(min(len(target), len(live))) if isinstance(target, list) and isinstance(live, list) else ()
    for key in every if step is None else (step,):
        with suppress(KeyError, IndexError, TypeError):  # one side lacks the field: nothing to keep
            if rest:
                _keep(target[key], live[key], rest)
            else:
                target[key] = copy.deepcopy(live[key])
