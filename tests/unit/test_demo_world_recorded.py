"""`demo_world` held against what Argo's real controller did in the same scenes (tests/recordings/argo).

The world may leave states out, since it is there to be quick; each one that it shows must be one that the controller
was in, in the same order, and after each trigger both come to the same end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from demo_world import CONTEXT, Stage
from support.argo_recorded import read
from support.argo_scenes import API, SCENES, Scene
from support.argo_states import NAME, State, missing_in_order, state_of

_UNREAD = "nothing reads it: phase and message say the same"
LEFT_OUT = {
    "condition Progressing": _UNREAD,
    "condition Available": _UNREAD,
    "condition Completed": _UNREAD,
    "condition Paused": _UNREAD,
}
"""Keys that aren't compared, and why."""


@pytest.fixture(params=SCENES, ids=lambda scene: scene.name)
def scene(request: pytest.FixtureRequest) -> Scene:
    return request.param


def test_the_world_shows_what_the_controller_did(scene: Scene):
    created, *acts = read(scene.name).acts
    stage = stage_of(scene)
    assert seen(stage) == without(created.states[-1])
    for act in acts:
        states, real = list(played(stage, act.trigger)), [without(state) for state in act.states]
        assert (act.trigger, missing_in_order(states, real)) == (act.trigger, None)
        assert (act.trigger, states[-1]) == (act.trigger, real[-1])


def stage_of(scene: Scene) -> Stage:
    """At rest on blue, with the scene's strategy."""
    stage = Stage()
    world = stage.world
    world.blue_green = "blueGreen" in scene.strategy
    world.steps = scene.strategy.get("canary", {}).get("steps", [])
    world.index = len(world.steps)
    world.missing = {"green"}
    failed = 'Metric "requests" assessed Failed due to failed (1) > failureLimit (0)'
    verdicts = {"analysis-fails": lambda: world.analysis_failed(failed), "analysis-passes": world._go_past}
    world.verdict = [verdicts[scene.name]] if scene.name in verdicts else []
    return stage


def played(stage: Stage, trigger: str) -> Iterator[State]:
    """What the world shows from the trigger on until nothing more happens."""
    pull(stage, trigger)
    yield seen(stage)
    while stage.world.pending:
        stage.world.pending.popleft()()
        yield seen(stage)


def pull(stage: Stage, trigger: str) -> None:
    if trigger.startswith("patch "):
        stage.cluster.patch(API, "Rollout", NAME, json.loads(trigger.removeprefix("patch ")), "default")
        return
    where = ["--namespace", "default", "--kubeconfig", "/state/kubeconfig", "--context", CONTEXT]
    stage.runner.run(["/programs/kubectl-argo-rollouts", *trigger.split(), *where], timeout=1)


def seen(stage: Stage) -> State:
    world = stage.world
    routes = [] if world.blue_green else [world.mesh.virtual_service(name) for name in world.mesh.known]
    return without(state_of(world.rollout(), world.replica_sets(), routes))


def without(state: State) -> State:
    return {key: value for key, value in state.items() if key not in LEFT_OUT}
