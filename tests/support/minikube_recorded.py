"""What a real minikube printed, and how to compare the stand-in's words with it.

`tests/contract/minikube_recorded.jsonl` holds the cases that are compared, each with its number in the recording.
Left out: 29, 30 (`ssh`) and 44 (`docker-env`) are refusals of the driver `none`; 35 is a machine without a builder;
39, 40 (`service`) are of a command that the tool doesn't use; 45, 46 repeat 25.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FILE = Path(__file__).resolve().parents[1] / "contract" / "minikube_recorded.jsonl"
WITHOUT_CLUSTER = (*range(25), 64, 65)
"""In their order: 21 and 22 show what the dry runs before them left. 64 and 65 are of a home without profiles."""
WITH_CLUSTER = (*range(25, 29), *range(31, 35), *range(36, 39), *range(41, 44), *range(47, 64), 66, 67, 68)
"""Compared by tests/e2e/minikube/test_standin_recorded.py."""
_AS_ROOT = ("root privileges", "within a VM, consider", "docs/reference/drivers/none/")
_NONE_DRIVER = ("The 'none' driver", "Most users should use", "For more information", "untested configuration")


@dataclass(frozen=True)
class Case:
    """One line of the recording."""

    number: int
    context: str
    argv: tuple[str, ...]
    exit: int
    stdout: str
    stderr: str

    def __str__(self) -> str:
        return f"{self.number}: {' '.join(self.argv[1:])}"


@functools.cache
def cases() -> dict[int, Case]:
    """By number."""
    lines = (json.loads(line) for line in _FILE.read_text().splitlines())
    return {line["number"]: Case(**{**line, "argv": tuple(line["argv"])}) for line in lines}


def select(numbers: Iterable[int]) -> list[Case]:
    return [cases()[number] for number in numbers]


def normal(text: str) -> Any:
    """Without what differs from machine to machine: ids of events, paths, the name of the system.

    Lines that are JSON are compared as JSON. Who isn't root isn't told what root is told.
    """
    return [
        value
        for line in text.splitlines()
        if (value := _normal_line(line)) is not None and (os.geteuid() == 0 or not _mentions(value, _AS_ROOT))
    ]


def messages(text: str) -> list[tuple[str, str, str]]:
    """Kind, step and message of each event, without what only the driver `none` says."""
    events = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    rows = [(event["type"].rpartition(".")[2], event["data"]) for event in events]
    return [
        (kind, data.get("currentstep", ""), _words(data.get("message", "")))
        for kind, data in rows
        if not any(phrase in data.get("message", "") for phrase in _NONE_DRIVER)
    ]


def _normal_line(line: str) -> Any:
    try:
        value = json.loads(line)
    except ValueError:
        return re.sub(r"\* - \S+ *│", "* - FILE│", line)
    if isinstance(value, dict) and "specversion" in value:
        value["data"] = {key: _words(word) for key, word in value["data"].items()}
        return {key: value[key] for key in ("type", "specversion", "source", "datacontenttype", "data")}
    return value


def _words(text: str) -> str:
    text = re.sub(r"^((?:\[\S+\] )?minikube \S+ on ).*", r"\1SYSTEM", text)
    return re.sub(r"^(KUBECONFIG|MINIKUBE_HOME)=.*", r"\1=PATH", text)


def _mentions(value: Any, phrases: Iterable[str]) -> bool:
    return any(phrase in json.dumps(value) for phrase in phrases)
