"""The order that resourceVersions bring into changes. Pure.

Kubernetes promises that those of one kind order all its changes (KEP-5504, since 1.35); of several it says nothing.
They do order these where one etcd keeps all of them, for then they are etcd's revision, counted up by each write of
whatever kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from canarylab.errors import ExpectationError


def number(version: str) -> int:
    """A resourceVersion as a number. Raises ExpectationError where it is none, as before KEP-5504 it may be."""
    if not version.isdecimal():
        raise ExpectationError(
            f"resourceVersion {version!r} isn't a number, so changes can't be ordered",
            why="the API server isn't Kubernetes' own, or keeps its objects elsewhere than in etcd",
            remedy="leave out the `record` steps on this cluster",
        )
    return int(version)


def check_order(versions: Sequence[int]) -> None:
    """Raise ExpectationError if versions of several kinds, listed one after another, aren't from one counter.

    From one they never fall. From two, one of the steps between kinds leads from the larger to the smaller.
    """
    if any(after < before for before, after in pairwise(versions)):
        raise ExpectationError(
            "the resourceVersions of Rollouts, ReplicaSets and pods aren't from one counter, so changes have no order",
            why=f"listed in turn, they were at {', '.join(map(str, versions))}; "
            "an API server may keep kinds in several etcds (--etcd-servers-overrides)",
            remedy="leave out the `record` steps on this cluster",
        )
