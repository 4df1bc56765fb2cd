"""What Argo refuses in a Rollout's selector and template, only once it is there: Degraded, with InvalidSpec.

The rules are those of argo-rollouts, pkg/apis/rollouts/validation/validation.go (v1.10.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.validation.mistake import Mistake, mistake

_SELECTOR = ("spec", "selector")


def mistakes(rollout: Object) -> Iterator[Mistake]:
    """What doesn't fit between the selector and the template that it is to select; beside workloadRef, the template."""
    template = dig(rollout, "spec", "template", "metadata")
    if dig(rollout, "spec", "workloadRef") is not None:
        if dig(template, "labels") or dig(template, "annotations"):
            yield mistake("template-beside-workload", ("spec", "template"))
        return
    labels, wanted = dig(template, "labels"), dig(rollout, *_SELECTOR, "matchLabels")
    if not wanted and not dig(rollout, *_SELECTOR, "matchExpressions"):
        yield mistake("selects-nothing", _SELECTOR)
    for key, value in wanted.items() if isinstance(wanted, dict) else ():
        if dig(labels, key) != value:
            place = (*_SELECTOR, "matchLabels", key)
            yield mistake("template-not-selected", place, wanted=f"{key}={value}", found=_found(labels, key))
    for index, expression in enumerate(listed(rollout, *_SELECTOR, "matchExpressions")):
        place = (*_SELECTOR, "matchExpressions", index)
        key, operator, values = str(dig(expression, "key")), dig(expression, "operator"), listed(expression, "values")
        value, wanted = dig(labels, key), f"{key} {operator} {', '.join(map(str, values))}".rstrip()
        if operator not in ("In", "NotIn", "Exists", "DoesNotExist") or bool(values) != operator.endswith("In"):
            yield mistake("not-a-condition", place, wanted=wanted)
        elif (value in values if values else value is not None) != (operator in ("In", "Exists")):
            yield mistake("template-not-selected", place, wanted=wanted, found=_found(labels, key))


def _found(labels: Any, key: str) -> str:
    value = dig(labels, key)
    return f"no label {key}" if value is None else f"{key}={value}"
