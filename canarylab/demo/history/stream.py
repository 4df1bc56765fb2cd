"""One kind of object in one namespace, followed from a list on, and the proof that nothing of it was missed.

Changes are ordered by their resourceVersions. Kubernetes promises that those of one kind order all its changes
(KEP-5504, since 1.35); of several it says nothing. They do order these where one etcd keeps all of them, for then they
are etcd's revision, counted up by each write of whatever kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from threading import Condition, Event, Thread

from canarylab.demo.history.states import WatchEvent
from canarylab.errors import CanarylabError, ExpectationError
from canarylab.kube.client import ApiError, Cluster, Snapshot
from canarylab.kube.objects import Object
from canarylab.kube.watch import Watch

_DRAINED_IN = 1
"""Seconds, the least that a watch can last: what the server knows already, it sends at once."""


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


class Stream:
    """What was there, and every change since, read by a thread of its own.

    All of it is guarded by the condition that is notified of each change.
    """

    def __init__(
        self, cluster: Cluster, watch: Watch, moved: Condition, over: Event, clock: Callable[[], float]
    ) -> None:
        self.watch = watch
        self._cluster, self._moved, self._over, self._clock = cluster, moved, over, clock
        self._started = clock()
        snapshot = cluster.snapshot(watch)
        self.listed: tuple[Object, ...] = snapshot.items
        self.listed_at = number(snapshot.version)
        self.changes: list[WatchEvent] = []
        self._version = snapshot.version
        self._known = _versions(snapshot)
        self._drained = False
        self._trouble: BaseException | None = None

    def start(self) -> None:
        """Begin to follow, in a thread that ends with the recording."""
        Thread(target=self._run, name=f"record-{self.watch.kind}", daemon=True).start()

    @property
    def broken(self) -> bool:
        """Whether the watch has failed and won't go on."""
        return self._trouble is not None

    @property
    def missing(self) -> str:
        """What isn't recorded, and why. Raises what isn't the cluster's fault."""
        if self._trouble is not None and not isinstance(self._trouble, CanarylabError):
            raise self._trouble
        why = self._trouble or "no watch brought it in time"
        return f"what became of {self.watch.kind}s after resourceVersion {self._version} is missing: {why}"

    def drain(self) -> None:
        """Read all that led to a list that was made before this, without waiting for the thread.

        A second watch from the last version seen on begins with what the server has of it in store, and a server that
        has answered the list has all that led to it. (One of several servers may lag behind: see `reached`.)
        """
        try:
            for event, obj in self._cluster.events(self.watch, _DRAINED_IN, self._version):
                self._take(event, obj)
            self._drained = True
        except ApiError as trouble:
            if not trouble.may_pass:  # else the thread goes on, and has a bookmark soon
                self._break(trouble)

    def reached(self, snapshot: Snapshot) -> bool:
        """Whether all that led to a list is recorded: by the version, or else drained, and come to the same state.

        Events come in order, so a later one proves it; a kind at rest has none until a bookmark comes. The state alone
        would prove nothing: a pod may have come and gone.
        """
        if number(self._version) >= number(snapshot.version):
            return True
        return self._drained and self._known == _versions(snapshot)

    def _run(self) -> None:
        try:
            for event, obj in self._cluster.follow(self.watch, self._version, self._over):
                self._take(event, obj)
        except BaseException as trouble:  # kept for the end of the recording, where somebody sees it
            self._break(trouble)

    def _break(self, trouble: BaseException) -> None:
        with self._moved:
            self._trouble = trouble
            self._moved.notify_all()

    def _take(self, event: str, obj: Object) -> None:
        meta = obj["metadata"]
        with self._moved:
            if number(meta["resourceVersion"]) <= number(self._version):
                return  # the other watch brought it before
            self._version = meta["resourceVersion"]
            if event != "BOOKMARK":
                seconds, deleted = self._clock() - self._started, event == "DELETED"
                self.changes.append(WatchEvent(number(self._version), seconds, deleted, obj))
                if deleted:
                    self._known.pop(meta["uid"], None)
                else:
                    self._known[meta["uid"]] = self._version
            self._moved.notify_all()


def _versions(snapshot: Snapshot) -> dict[str, str]:
    """By uid, what the list found."""
    return {one["metadata"]["uid"]: one["metadata"]["resourceVersion"] for one in snapshot.items}
