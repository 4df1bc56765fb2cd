"""The list of plugins that Argo's controller reads."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from canarylab.errors import StageError
from canarylab.stages.plugin_config import KEY, entries, has_plugin, with_entry, without, written_at

OURS = {"name": "argoproj-labs/gatewayAPI", "location": "file:///plugin"}
THEIRS = {"name": "somebody/router", "location": "https://example.org/router", "args": ["-v"]}


def config(*found, text=None):
    return {"metadata": {}, "data": {KEY: yaml.safe_dump(list(found)) if text is None else text}}


@pytest.mark.parametrize("empty", [None, {"metadata": {}}, {"metadata": {}, "data": None}, config(text=""), config()])
def test_a_configuration_may_name_no_plugin(empty):
    assert entries(empty) == []
    assert yaml.safe_load(with_entry(empty, OURS)) == [OURS]
    assert without(empty, OURS["name"]) is None


def test_an_entry_comes_beside_those_of_others_and_goes_without_them():
    both = with_entry(config(THEIRS), OURS)
    assert yaml.safe_load(both) == [THEIRS, OURS]
    assert yaml.safe_load(without(config(text=both), OURS["name"])) == [THEIRS]


def test_an_entry_takes_the_place_of_one_of_its_name():
    older = {**OURS, "location": "https://example.org/old", "sha256": "0" * 64}
    assert yaml.safe_load(with_entry(config(older, THEIRS), OURS)) == [THEIRS, OURS]


def test_a_plugin_is_named_or_not():
    assert has_plugin(config(THEIRS, OURS), OURS["name"])
    assert not has_plugin(config(THEIRS), OURS["name"])
    assert not has_plugin(None, OURS["name"])


@pytest.mark.parametrize("text", ["a: b", "- a", "[", "text"])
def test_what_the_controller_could_not_read_is_reported_and_not_overwritten(text):
    with pytest.raises(StageError, match="can't be read") as caught:
        with_entry(config(text=text), OURS)
    assert KEY in str(caught.value.where)
    assert "kubectl edit configmap" in str(caught.value.remedy)


def test_when_it_was_written_is_the_time_of_the_latest_who_owns_it():
    def manager(time, **fields):
        return {"manager": "m", "time": time, "fieldsV1": fields}

    plugins: dict[str, Any] = {"f:data": {f"f:{KEY}": {}}}
    found = config(OURS)
    found["metadata"]["managedFields"] = [
        manager("2026-01-01T00:00:01Z", **plugins),
        manager("2026-01-01T00:00:03Z", **{"f:data": {"f:metricProviderPlugins": {}}}),
        manager("2026-01-01T00:00:04Z", **{"f:metadata": {}}),
        manager("2026-01-01T00:00:02Z", **plugins),
    ]
    assert written_at(found) == "2026-01-01T00:00:02Z"
    assert written_at(config(OURS)) == written_at(None) == ""
