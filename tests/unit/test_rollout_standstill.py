"""Whether a Rollout waits for somebody, or goes on by itself."""

from __future__ import annotations

import pytest

from canarylab.rollouts.strategy import standstill


def rollout(strategy=None, *, reason=None, generation=1, paused=False, **status):
    found = strategy or {"canary": {"steps": [{"setWeight": 5}, {"pause": {}}, {"pause": {"duration": "1h"}}]}}
    return {
        "metadata": {"generation": generation},
        "spec": {"strategy": found, **({"paused": True} if paused else {})},
        "status": {
            "observedGeneration": "1",
            "currentStepIndex": 1,
            "pauseConditions": [{"reason": reason}] if reason else [],
            **status,
        },
    }


BLUE_GREEN = {"blueGreen": {"activeService": "a"}}


@pytest.mark.parametrize(
    ("waiting", "words"),
    [
        (rollout(reason="CanaryPauseStep"), "it is paused at step 1/3 (CanaryPauseStep) until somebody promotes it"),
        (rollout(reason="InconclusiveAnalysisRun"), "(InconclusiveAnalysisRun) until somebody"),
        (rollout(BLUE_GREEN, reason="BlueGreenPause"), "it is paused (BlueGreenPause) until"),
        (rollout(paused=True), "it is manually paused (spec.paused)"),
        (rollout(paused=True, abort=True), "manually paused"),
    ],
)
def test_it_waits_for_somebody(waiting, words):
    assert words in standstill(waiting)


@pytest.mark.parametrize(
    "going_on",
    [
        rollout(),
        rollout(reason="CanaryPauseStep", currentStepIndex=2),
        rollout({"blueGreen": {"autoPromotionSeconds": 5}}, reason="BlueGreenPause"),
        rollout(reason="CanaryPauseStep", abort=True),
        rollout(reason="CanaryPauseStep", promoteFull=True),
        rollout(reason="CanaryPauseStep", generation=2),
        rollout(paused=True, generation=2),
        {"metadata": {"generation": 1}, "spec": {}},
    ],
    ids=["no pause", "a duration", "auto promotion", "aborted", "promoted", "changed", "just paused", "never seen"],
)
def test_it_goes_on_by_itself_or_was_told_to_just_now(going_on):
    assert standstill(going_on) == ""
