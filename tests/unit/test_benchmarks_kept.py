"""The benchmark keeps what it has measured, however late in a round it dies."""

from __future__ import annotations

import argparse
import importlib
import json
from typing import Any

import pytest

from canarylab.paths import REPOSITORY


@pytest.fixture
def benchmark(monkeypatch, tmp_path):
    """The program, with parts that measure nothing; returns its exit code and what it wrote."""
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    run, processes = importlib.import_module("run"), importlib.import_module("processes")
    bench: Any = run.Bench

    class Dying(bench):
        def create(self):
            pass

        def delete(self):
            return []

        def _script_part(self):
            yield {"script": 71.5, "script_steps": {"kubeadm": 12.0}}
            yield {"left_by_script": {}}

        def _tool_part(self):
            yield {"first_up": 40.25}
            raise processes.CommandFailed("invoke demo ended with 1")

    monkeypatch.setattr(run, "Bench", Dying)
    monkeypatch.setattr(run, "_require_nothing_there", lambda: None)
    monkeypatch.setattr(run.signal, "signal", lambda *_: None)
    results = tmp_path / "results.json"
    code = run._measure(argparse.Namespace(rounds=2, short=True, results=results))
    return code, json.loads(results.read_text())


def test_a_first_round_that_dies_late_leaves_what_it_had_measured(benchmark):
    code, written = benchmark
    assert code == 1
    assert written["rounds"] == []
    assert written["unfinished"] == {
        "script": 71.5,
        "script_steps": {"kubeadm": 12.0},
        "left_by_script": {},
        "first_up": 40.25,
    }
