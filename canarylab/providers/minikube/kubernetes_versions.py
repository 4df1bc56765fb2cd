"""Whether a version of Kubernetes and a minikube fit each other, as far as kubernetes_versions.yaml knows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml


@dataclass(frozen=True)
class Known:
    """The versions of Kubernetes that one minikube knows."""

    minikube: str
    oldest: str
    newest: str
    also: Sequence[str] = ()


_FILE = Path(__file__).with_name("kubernetes_versions.yaml")
_KNOWN = {entry["minikube"]: Known(**entry) for entry in yaml.safe_load(_FILE.read_text())}


@dataclass(frozen=True)
class Fit:
    """What minikube does with a version. `seen` says why; `instead` is the newest that it knows, "" where unknown."""

    outcome: Literal["started", "looked up", "refused", "unknown"]
    seen: str
    instead: str = ""


def fit(minikube: str, kubernetes: str) -> Fit:
    """What the minikube of that version, such as 1.38.1, does with `--kubernetes-version=KUBERNETES`."""
    known, which = _KNOWN.get(minikube), f"minikube {minikube or 'of unknown version'}"
    number = _number(kubernetes)
    if number is None:
        return Fit("started", f"{kubernetes}: what {which} takes for it")
    if known is None:
        seen = f"{kubernetes}: whether {which} knows it isn't known; if not, it looks it up on GitHub at each start"
        return Fit("unknown", seen)
    oldest, newest = _number(known.oldest), _number(known.newest)
    assert oldest is not None
    assert newest is not None
    range_ = f"{which} knows {known.oldest} to {known.newest}"
    is_listed = any(f"{each}.".startswith(f"v{kubernetes.removeprefix('v')}.") for each in known.also)
    if oldest <= number <= newest or is_listed:
        return Fit("started", f"{kubernetes}: {range_}")
    if number[0] > newest[0] or number < oldest or _has_no_patch(kubernetes):
        return Fit("refused", f"{kubernetes}: {range_}, and refuses any other such", known.newest)
    seen = (
        f"{kubernetes} is newer than {which} knows (up to {known.newest}): it looks it up on GitHub at each start, "
        "also of a cluster that exists, and without internet it doesn't start (K8S_FAIL_CONNECT)"
    )
    return Fit("looked up", seen, known.newest)


def _number(version: str) -> tuple[int, int, int, bool] | None:
    """To be compared: a pre-release comes before its release. None for minikube's words, such as `stable`."""
    found = re.fullmatch(r"v?(\d+)\.(\d+)(?:\.(\d+)(-.+)?)?", version)
    return (int(found[1]), int(found[2]), int(found[3] or 0), found[4] is None) if found else None


def _has_no_patch(version: str) -> bool:
    """Such a one is the newest patch that minikube knows; where it knows none, MK_PATCH_NOT_FOUND."""
    return version.count(".") == 1
