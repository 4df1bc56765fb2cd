"""A small API for the tests of recordings: a Rollout's objects in one store, whose every change has a version."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from support.fake_cluster import FakeCluster, Object

from canarylab.demo.history.states import RolloutState, WatchEvent, replay
from canarylab.kube.client import Snapshot
from canarylab.kube.watch import Watch
from canarylab.rollouts.view import API_VERSION

ROLLOUT = "ro"
OLD, NEW = "c5d6b64c6", "6877dff844"
REVISIONS = {OLD: 1, NEW: 2}
ROUTED: dict[str, Any] = {"trafficRouting": {"istio": {}}}
START = 100
"""The version of the last list."""


def rollout(replicas: int = 4, weights: tuple[int, int] | None = None, stable: str = OLD, **canary: Any) -> Object:
    """`weights` are those of OLD and NEW in the status; `canary` are keys of spec.strategy.canary."""
    shares = {
        role: {"podTemplateHash": digest, "weight": weight}
        for role, digest, weight in zip(("stable", "canary"), (OLD, NEW), weights or (), strict=False)
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "Rollout",
        "metadata": {"name": "demo", "namespace": "default", "uid": ROLLOUT},
        "spec": {"replicas": replicas, "strategy": {"canary": canary}},
        "status": {"stableRS": stable, "canary": {"weights": shares} if shares else {}},
    }


def replica_set(
    digest: str, wanted: int, *, counted: int | None = None, available: int | None = None, observed: bool = True
) -> Object:
    """`counted` and `available` are what its status says, by default as many as are wanted."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": digest,
            "namespace": "default",
            "uid": digest,
            "generation": 2,
            "labels": {"rollouts-pod-template-hash": digest},
            "annotations": {"rollout.argoproj.io/revision": str(REVISIONS[digest])},
            "ownerReferences": [{"uid": ROLLOUT}],
        },
        "spec": {"replicas": wanted},
        "status": {
            "observedGeneration": 2 if observed else 1,
            "replicas": wanted if counted is None else counted,
            "availableReplicas": wanted if available is None else available,
        },
    }


def pod(digest: str, number: int, *, ready: bool = True, leaving: bool = False, phase: str = "Running") -> Object:
    name = f"{digest}-{number}"
    found: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": name, "ownerReferences": [{"uid": digest}]},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}]},
    }
    if leaving:
        found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return found


def pods(digest: str, count: int) -> list[Object]:
    return [pod(digest, number) for number in range(count)]


def at_rest(replicas: int = 4, **canary: Any) -> list[Object]:
    return [rollout(replicas, **canary), replica_set(OLD, replicas), *pods(OLD, replicas)]


def gone(obj: Object) -> tuple[str, Object]:
    return "DELETED", obj


def states(listed: Iterable[Object], *changes: Object | tuple[str, Object]) -> list[RolloutState]:
    """The states that changes of one second each lead to."""
    events = [WatchEvent(START + second, float(second), *_event(one)) for second, one in enumerate(changes, start=1)]
    return replay(listed, events, ROLLOUT, START, START + len(events))


def _event(change: Object | tuple[str, Object]) -> tuple[bool, Object]:
    return (True, change[1]) if isinstance(change, tuple) else (False, change)


class FollowedCluster(FakeCluster):
    """Lists and follows what a test puts into it. Each kind's watch brings the changes in their order.

    What is `late` isn't brought by the watches that go on, what is `lost` by none at all. `errors` are raised by a
    kind's watches once their changes were read.
    """

    def __init__(self, objects: Iterable[Object]) -> None:
        self.resource_version = START - 10
        self.listed: list[str] = []
        self.late: set[str] = set()
        self.lost: set[str] = set()
        self.errors: dict[str, Exception] = {}
        self.overs: list[threading.Event] = []
        self.on_list: Callable[[], None] = lambda: None
        self.on_drain: Callable[[str], None] = lambda _kind: None
        self._events: list[tuple[str, Object]] = []
        self._moved = threading.Condition()
        super().__init__(*objects, kinds=[(API_VERSION, "Rollout")])

    def put(self, obj: Object) -> None:
        super().put(self._add("MODIFIED", obj))

    def drop(self, obj: Object) -> None:
        """Have it deleted by somebody else."""
        meta = self._add("DELETED", obj)["metadata"]
        del self.objects[self._key(obj["apiVersion"], obj["kind"], meta["name"], meta["namespace"])]

    def bookmark(self, kind: str) -> None:
        with self._moved:
            meta = {"resourceVersion": str(self.resource_version)}
            self._events.append(("BOOKMARK", {"kind": kind, "metadata": meta}))
            self._moved.notify_all()

    def fail(self, kind: str, error: Exception) -> None:
        with self._moved:
            self.errors[kind] = error
            self._moved.notify_all()

    def _add(self, event: str, obj: Object) -> Object:
        with self._moved:
            self.resource_version += 1
            found = copy.deepcopy(obj)
            found["metadata"]["resourceVersion"] = str(self.resource_version)
            self._events.append((event, found))
            self._moved.notify_all()
        return found

    # -- what follows changes -----------------------------------------------------------------------------------------

    def snapshot(self, watch: Watch) -> Snapshot:
        self.listed.append(watch.kind)
        self.on_list()
        items = tuple(self.list(watch.api_version, watch.kind, watch.namespace))
        return Snapshot(str(self.resource_version), items)

    def follow(self, watch: Watch, version: str, over: threading.Event) -> Iterator[tuple[str, Object]]:
        self.overs.append(over)
        seen = 0
        while not over.is_set():
            with self._moved:
                ready = [] if watch.kind in self.late | self.lost else self._events[seen:]
                seen += len(ready)
                if not ready and watch.kind in self.errors:
                    raise self.errors[watch.kind]
                if not ready:
                    self._moved.wait(0.05)
            yield from _after(version, watch, ready)

    def events(self, watch: Watch, seconds: int, version: str) -> Iterator[tuple[str, Object]]:
        assert seconds == 1
        self.on_drain(watch.kind)
        yield from _after(version, watch, [] if watch.kind in self.lost else list(self._events))
        if watch.kind in self.errors:
            raise self.errors[watch.kind]


def _after(version: str, watch: Watch, events: Iterable[tuple[str, Object]]) -> Iterator[tuple[str, Object]]:
    for event, obj in events:
        if obj["kind"] == watch.kind and int(obj["metadata"]["resourceVersion"]) > int(version):
            yield event, obj
