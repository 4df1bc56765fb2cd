"""What a pipe is written without: rich, which takes as long to import as a short command takes in all."""

from __future__ import annotations

import subprocess
import sys

import pytest

from canarylab.paths import REPOSITORY

PROGRAM = """
import importlib, io, pkgutil, sys
import canarylab.commands
from canarylab.events import Failure, Notice
from canarylab.report import choose

for module in pkgutil.iter_modules(canarylab.commands.__path__):
    importlib.import_module(f"canarylab.commands.{module.name}")
stream = io.StringIO()
with choose(sys.argv[1], stream) as reader:
    reader(Notice("something is said"))
    reader(Failure("something is wrong", 1))
assert "something is wrong" in stream.getvalue()
print("rich" in sys.modules)
"""


@pytest.mark.parametrize("output", ["text", "json"])
def test_neither_the_commands_nor_their_words_on_a_pipe_load_rich(output):
    argv = [sys.executable, "-c", PROGRAM, output]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "False\n"
