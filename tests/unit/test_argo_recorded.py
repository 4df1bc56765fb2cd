"""How recordings of Argo's controller are written, read and held against a newer one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.argo_recorded import FOLDER, Played, Recorded, differences, read, write
from support.argo_scenes import SCENES
from support.argo_states import State, missing_in_order

RECORDED = Recorded(
    "v1.10.1",
    (
        Played("create", ({"phase": "Progressing"}, {"phase": "Healthy", "step": 2})),
        Played("promote rollouts-demo", ({"phase": "Healthy", "step": 1}, {"phase": "Healthy"})),
    ),
)
HEALTHY: State = {"phase": "Healthy"}


def otherwise(*states: State) -> Recorded:
    """The recording, with another end."""
    return replace(RECORDED, acts=(RECORDED.acts[0], replace(RECORDED.acts[1], states=states)))


def test_what_is_written_is_read(tmp_path: Path):
    write(tmp_path, "it", "what it is", RECORDED)
    assert read("it", tmp_path) == RECORDED


def test_a_state_is_written_as_what_is_otherwise_than_before(tmp_path: Path):
    write(tmp_path, "it", "what it is", RECORDED)
    assert '   {"phase": "Healthy", "step": 2}\n' in (tmp_path / "it.json").read_text()
    assert '   {"step": null}\n' in (tmp_path / "it.json").read_text()


def test_each_scene_has_its_recording_and_each_recording_its_scene():
    assert {file.stem for file in FOLDER.glob("*.json")} == {scene.name for scene in SCENES}
    for scene in SCENES:
        assert [act.trigger for act in read(scene.name).acts] == [act.trigger for act in scene.acts]


class TestDifferences:
    def test_the_same_has_none(self):
        assert differences(RECORDED, RECORDED, {}) == []

    def test_a_value_that_another_one_comes_between_is_told_with_its_trigger(self):
        now = otherwise({"phase": "Healthy", "step": 1}, {"phase": "Degraded"}, HEALTHY)
        (said,) = differences(RECORDED, now, {})
        assert said == "after `promote rollouts-demo`, phase was Healthy, and is Healthy -> Degraded -> Healthy"

    def test_what_is_new_and_what_is_gone_is_told(self):
        (said,) = differences(RECORDED, otherwise({"phase": "Healthy", "step": 1, "abort": True}, HEALTHY), {})
        assert said.endswith("abort was not there, and is True -> not there")

    def test_which_of_two_keys_is_first_is_left_to_the_machine(self):
        first = otherwise({"phase": "A", "step": 1}, {"phase": "B", "step": 1}, {"phase": "B", "step": 2})
        other = otherwise({"phase": "A", "step": 1}, {"phase": "A", "step": 2}, {"phase": "B", "step": 2})
        assert differences(first, other, {}) == []

    def test_what_is_left_out_is_not_told(self):
        assert differences(RECORDED, otherwise({"phase": "Degraded", "step": 1}, HEALTHY), {"phase": "why"}) == []

    def test_another_version_is_told(self):
        (said,) = differences(RECORDED, replace(RECORDED, argo="v1.11.0"), {})
        assert said == "the recording is of Argo v1.10.1, this one is v1.11.0"


@pytest.mark.parametrize(
    ("wanted", "missing"),
    [([1, 3], None), ([1, 1], 1), ([3, 1], 1), ([], None), ([2, 4], 4)],
)
def test_states_are_looked_for_in_their_order(wanted: list[int], missing: int | None):
    found = missing_in_order([{"step": one} for one in wanted], [{"step": one} for one in (1, 2, 3)])
    assert found == (None if missing is None else {"step": missing})
