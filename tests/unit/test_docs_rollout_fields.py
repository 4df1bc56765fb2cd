"""docs/rollout-fields.md has a row for each field of a Rollout's strategy, and what holds each row is there."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from support.field_tables import is_of, rows
from support.rollout_fields import fields_of, listed

from canarylab.paths import REPOSITORY

PAGE = REPOSITORY / "docs" / "rollout-fields.md"
ROWS = rows(PAGE)
STAND_FOR = {
    "ANALYSIS": (
        "canary.steps[].analysis",
        "canary.analysis",
        "blueGreen.prePromotionAnalysis",
        "blueGreen.postPromotionAnalysis",
    ),
    "VIRTUALSERVICE": (
        "canary.trafficRouting.istio.virtualService",
        "canary.trafficRouting.istio.virtualServices[]",
    ),
}


EVERY = [pattern for row in ROWS for pattern in row.patterns(STAND_FOR)]


@pytest.mark.parametrize("field", listed())
def test_a_field_has_exactly_one_row(field):
    assert len([pattern for pattern in EVERY if is_of(field, pattern)]) == 1


def test_no_row_is_of_a_field_that_there_is_none_of():
    assert [pattern for pattern in EVERY if not any(is_of(field, pattern) for field in listed())] == []
    assert [pattern for pattern, times in Counter(EVERY).items() if times > 1] == []


@pytest.mark.parametrize("row", ROWS, ids=[row.cells[0] for row in ROWS])
def test_a_row_says_all_of_it_and_what_holds_it(row):
    assert len(row.cells) == 6
    assert all(row.cells)
    [file] = re.findall(r"`([^`]+)`", row.cells[-1])
    assert (REPOSITORY / file).is_file()


def test_the_page_says_what_its_words_stand_for():
    text = PAGE.read_text()
    assert all(f"`{field}`" in text for fields in STAND_FOR.values() for field in fields)


def test_fields_are_read_from_a_definition_as_far_down_as_they_go():
    duration = {"properties": {"pause": {"properties": {"duration": {"type": "string"}}}, "plugin": {}}}
    strategy = {"properties": {"canary": {"properties": {"steps": {"type": "array", "items": duration}}}}}
    reference: dict[str, Any] = {"properties": {"name": {}}}
    spec = {"properties": {"strategy": strategy, "workloadRef": reference, "selector": {}, "template": {}}}
    version = {"name": "v1alpha1", "schema": {"openAPIV3Schema": {"properties": {"spec": spec}}}}
    assert fields_of({"spec": {"versions": [version]}}) == [
        "canary.steps[].pause.duration",
        "canary.steps[].plugin",
        "spec.workloadRef.name",
    ]
