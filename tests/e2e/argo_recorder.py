"""Records what the real controller makes of each scene: every state that the API showed, by watches without a gap.

    invoke up
    python tests/e2e/argo_recorder.py KUBECONFIG CONTEXT

writes tests/recordings/argo anew, of the controller in that cluster: it must be the embedded node, whose API server
gives all kinds one order (`canarylab.demo.history.stream`). It works in a namespace of its own, and removes it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.argo_recorded import FOLDER, Played, Recorded, write
from support.argo_scenes import API, CREATE, SCENES, Act, Scene
from support.argo_states import NAME, State, state_of

from canarylab.cancel import Cancel
from canarylab.demo.history.states import WatchEvent
from canarylab.demo.history.stream import Stream
from canarylab.kube.client import Cluster
from canarylab.kube.watch import Watch

NAMESPACE = "argo-recordings"
_KINDS = ((API, "Rollout"), ("apps/v1", "ReplicaSet"), ("networking.istio.io/v1", "VirtualService"))
_SETTLED = 2.0
"""Seconds without a change, after which an act is over: longer than the scenes' scaleDownDelaySeconds."""
_KNOWN = 1.0
"""Seconds in which the controller's own watches bring it a Service: a Rollout before them is refused at first."""
_AT_MOST = 120.0
"""Seconds for one act: the longest waits for progressDeadlineSeconds."""
_RENAMED = re.compile(rf"(?<!argoproj/){NAME}")
"""Where the Rollout, and what belongs to it, is named; the image is called so, too."""

Plugin = Callable[..., object]
"""Runs the plugin with these words."""


class Recorder:
    """Follows all Rollouts of the namespace, and performs scenes in it."""

    def __init__(self, cluster: Cluster, plugin: Plugin) -> None:
        self._cluster, self._plugin = cluster, plugin
        self._moved, self._over = threading.Condition(), threading.Event()
        watches = [Watch(api_version, kind, NAMESPACE) for api_version, kind in _KINDS]
        self._streams = [Stream(cluster, watch, self._moved, self._over, time.monotonic) for watch in watches]
        for stream in self._streams:
            stream.start()

    def stop(self) -> None:
        self._over.set()

    def perform(self, scene: Scene) -> Recorded:
        """Every act of a scene. Raises TimeoutError where one doesn't come to its end."""
        argo = controller_version(self._cluster)
        ends, since = [], 0
        for act in scene.acts:
            self._pull(scene, act.trigger)
            since = self._wait(scene, act, since)
            ends.append(since)
        states = self._states(scene)
        begins = [0, *ends]
        acts = [
            Played(act.trigger, tuple(state for version, state in states if begin < version <= end))
            for act, begin, end in zip(scene.acts, begins, ends, strict=False)
        ]
        return Recorded(argo, tuple(acts))

    def _pull(self, scene: Scene, trigger: str) -> None:
        name = rollout_name(scene)
        if trigger == CREATE:
            *needed, rollout = _renamed(scene.objects(), name)
            for obj in needed:
                self._apply(obj)
            time.sleep(_KNOWN)
            self._apply(rollout)
        elif trigger.startswith("patch "):
            body = _renamed(json.loads(trigger.removeprefix("patch ")), name)
            self._cluster.patch(API, "Rollout", name, body, NAMESPACE)
        else:
            self._plugin(*_RENAMED.sub(name, trigger).split())

    def _apply(self, obj: dict[str, Any]) -> None:
        obj["metadata"]["namespace"] = NAMESPACE
        self._cluster.apply(obj)

    def _wait(self, scene: Scene, act: Act, since: int) -> int:
        """Until the act is over; the version of its last state."""
        deadline = time.monotonic() + _AT_MOST
        while True:
            version, state = (self._states(scene) or [(0, {})])[-1]
            if version > since and act.until.items() <= state.items() and not self._moves(scene, version):
                return version
            if time.monotonic() > deadline:
                raise TimeoutError(f"{scene.name}, {act.trigger}: expected {act.until}, saw {state}")
            with self._moved:
                self._moved.wait(_SETTLED)

    def _moves(self, scene: Scene, version: int) -> bool:
        """Whether there is another state soon."""
        time.sleep(_SETTLED)
        return self._states(scene)[-1][0] != version

    def _states(self, scene: Scene) -> list[tuple[int, State]]:
        """With the version that each began at; those that are as the one before are left out."""
        name = rollout_name(scene)
        with self._moved:
            changes = [one for stream in self._streams for one in stream.changes if _is_of(name, one.obj)]
        found: list[tuple[int, State]] = []
        for version, objects in _replayed(changes):
            if rollout := objects.get(("Rollout", name)):
                state = state_of(rollout, _all_of(objects, "ReplicaSet"), _all_of(objects, "VirtualService"))
                if not found or found[-1][1] != state:
                    found.append((version, state))
        return found


Objects = dict[tuple[str, str], Mapping[str, Any]]
"""By kind and name."""


def _replayed(changes: Iterable[WatchEvent]) -> Iterator[tuple[int, Objects]]:
    """All objects after each change."""
    objects: Objects = {}
    for change in sorted(changes, key=lambda one: one.version):
        key = (change.obj["kind"], change.obj["metadata"]["name"])
        if change.deleted:
            objects.pop(key, None)
        else:
            objects[key] = change.obj
        yield change.version, objects


def _all_of(objects: Objects, wanted: str) -> list[Mapping[str, Any]]:
    return [obj for (kind, _), obj in objects.items() if kind == wanted]


def _is_of(name: str, obj: Mapping[str, Any]) -> bool:
    """Whether it is the Rollout of that name, or one of its objects: all are named after it."""
    return re.match(rf"{name}(-|$)", obj["metadata"]["name"]) is not None


def rollout_name(scene: Scene) -> str:
    """In the cluster, where all scenes are in one namespace."""
    return f"scene-{scene.name}"


def _renamed(obj: Any, name: str) -> Any:
    return json.loads(_RENAMED.sub(name, json.dumps(obj)).replace("NAMESPACE", NAMESPACE))


def controller_version(cluster: Cluster) -> str:
    """As the image of the controller is tagged."""
    deployment = cluster.get("apps/v1", "Deployment", "argo-rollouts", "argo-rollouts")
    assert deployment is not None
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"]).rpartition(":")[2]


@contextmanager
def recording(cluster: Cluster, plugin: Plugin) -> Iterator[Recorder]:
    """A recorder in a namespace of its own, which is removed afterwards."""
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    recorder = Recorder(cluster, plugin)
    try:
        yield recorder
    finally:
        recorder.stop()
        cluster.delete("v1", "Namespace", NAMESPACE)
        gone = cluster.wait(
            [Watch("v1", "Namespace")],
            lambda: NAMESPACE if cluster.get("v1", "Namespace", NAMESPACE) else None,
            deadline=time.monotonic() + _AT_MOST,
            cancel=Cancel(),
        )
        assert gone is None, f"namespace {NAMESPACE} isn't removed"


def record(cluster: Cluster, plugin: Plugin) -> dict[str, Recorded]:
    """All scenes side by side, by their names: most of their time is waiting."""
    with recording(cluster, plugin) as recorder, ThreadPoolExecutor(len(SCENES)) as pool:
        return dict(zip((scene.name for scene in SCENES), pool.map(recorder.perform, SCENES), strict=True))


def plugin_of(program: str, kubeconfig: Path, context: str) -> Plugin:
    """The plugin, in the recordings' namespace of a cluster."""
    where = ["--namespace", NAMESPACE, "--kubeconfig", str(kubeconfig), "--context", context]

    def run(*words: str) -> None:
        subprocess.run([program, *words, *where], check=True, capture_output=True, timeout=60)

    return run


def main(kubeconfig: Path, context: str, folder: Path = FOLDER) -> None:
    """Write the recordings of the cluster's controller."""
    plugin = plugin_of("kubectl-argo-rollouts", kubeconfig, context)
    found = record(Cluster(kubeconfig, context), plugin)
    folder.mkdir(parents=True, exist_ok=True)
    for scene in SCENES:
        write(folder, scene.name, scene.about, found[scene.name])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], *map(Path, sys.argv[3:]))
