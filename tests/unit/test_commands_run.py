from __future__ import annotations

import json
import os
import signal
import sys
import threading

import pytest

from canarylab.commands import run as runs
from canarylab.commands.run import Options, keep_traceback, run
from canarylab.contract.playbook import Playbook
from canarylab.errors import (
    EXIT_BUG,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    CanarylabError,
    CommandError,
    LockedError,
    MachineError,
    StageError,
    UsageError,
)
from canarylab.providers.embedded import EmbeddedProvider

JSON = Options(output="json", provider="embedded")
SECONDS = 10


def raises(error):
    def work(_ctx):
        raise error

    return work


@pytest.fixture
def events(capsys):
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# -- the context ------------------------------------------------------------------------------------------------------


def test_work_gets_the_playbook_with_the_providers_stages_under_it():
    seen = []
    assert run(Options(provider="embedded", profile="another"), lambda ctx: seen.append(ctx) or EXIT_DONE) == EXIT_DONE
    [ctx] = seen
    assert ctx.profile == "another"
    assert isinstance(ctx.provider, EmbeddedProvider)
    names = [stage.name for stage in ctx.playbook.stages]
    assert names[:3] == ["programs", "machine", "cluster"]
    assert "rollouts-demo" in names


def test_all_is_one_playbook_of_those_that_share_the_default_ones_cluster():
    seen = []
    options = Options(provider="embedded", profile="another", everything=True)
    assert run(options, lambda ctx: seen.append(ctx) or EXIT_DONE) == EXIT_DONE
    [ctx] = seen
    names = [stage.name for stage in ctx.playbook.stages]
    assert names[:3] == ["programs", "machine", "cluster"]
    assert "rollouts-demo" in names
    assert len(names) == len(set(names))
    assert {"istio-canary", "basic-canary"} <= {playbook.name for playbook in ctx.playbook.performances}
    assert ctx.profile == "another"


def test_all_and_one_exclude_each_other(events):
    assert run(Options(output="json", playbook="istio-canary", everything=True), raises(AssertionError())) == EXIT_USAGE
    assert events()[0]["message"].startswith(
        "--all and --playbook istio-canary can't be used together\nnext: leave one"
    )


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        (Options(), ""),
        (Options(playbook="istio-canary"), ""),
        (Options(playbook="mirror", profile="lab"), " --playbook mirror --profile lab"),
        (Options(playbook="my own.yaml"), " --playbook 'my own.yaml'"),
        (Options(everything=True, profile="lab", context="kind"), " --all --profile lab --context kind"),
    ],
)
def test_commands_to_paste_have_the_flags_that_say_which_playbook_and_cluster(options, flags):
    assert options.flags == flags


def test_one_of_all_is_named_by_its_file():
    seen: list[Playbook] = []
    options = Options(provider="embedded", profile="lab", everything=True)
    run(options, lambda ctx: seen.extend(ctx.playbook.performances) or EXIT_DONE)
    flags = {playbook.name: options.alone(playbook).flags for playbook in seen}
    assert flags["basic-canary"] == " --playbook basic-canary --profile lab --provider embedded"
    assert flags["istio-canary"] == " --profile lab --provider embedded"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere another provider fits")
def test_without_a_choice_the_provider_is_the_one_that_fits_the_system():
    seen = []
    run(Options(), lambda ctx: seen.append(ctx.provider.name) or EXIT_DONE)
    assert seen == ["embedded"]


def test_where_no_provider_fits_it_is_said_which_there_are(monkeypatch, events):
    monkeypatch.setattr("platform.system", lambda: "Plan9")
    assert run(Options(output="json"), raises(AssertionError())) == EXIT_USAGE
    [failure] = events()
    assert "no provider fits Plan9" in failure["message"]
    assert "embedded" in failure["message"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Options(playbook="none"), "there is no playbook 'none'"),
        (Options(playbook="/no/such.yaml"), "there is no such file"),
        (Options(provider="none"), "there is no provider 'none'"),
        (Options(profile="UPPER"), "isn't a valid profile name"),
        (Options(output="xml"), "there is no output 'xml'"),
    ],
)
def test_wrong_flags_are_usage_errors(options, said, capsys):
    assert run(options, raises(AssertionError())) == EXIT_USAGE
    printed = capsys.readouterr()
    assert said in printed.out + printed.err
    assert "Traceback" not in printed.out + printed.err


# -- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_code_of_the_work_is_the_exit_code(code):
    assert run(JSON, lambda _: code) == code


@pytest.mark.parametrize(
    "error",
    [
        CanarylabError("x"),
        StageError("x"),
        UsageError("x"),
        MachineError("x"),
        LockedError("x"),
        CommandError("helm", 1, "tail"),
    ],
)
def test_an_error_is_told_whole_and_gives_the_exit_code(error, events):
    assert run(JSON, raises(error)) == error.exit_code
    [failure] = events()
    assert (failure["event"], failure["message"], failure["exit_code"]) == ("failure", error.report, error.exit_code)


def test_a_bug_keeps_its_traceback_in_a_file_and_off_the_screen(events, isolated_home, capsys):
    assert run(JSON, raises(ZeroDivisionError("division by zero"))) == EXIT_BUG
    [failure] = events()
    assert failure["exit_code"] == EXIT_BUG
    assert "this is a bug: ZeroDivisionError: division by zero" in failure["message"]
    [file] = (isolated_home / "state" / "canarylab").glob("bug-*.txt")
    assert f"where: {file}" in failure["message"]
    kept = file.read_text()
    assert "Traceback (most recent call last)" in kept
    assert "in raises" in kept or "in work" in kept
    assert "Traceback" not in capsys.readouterr().err


def test_two_bugs_in_one_second_keep_two_files(isolated_home):
    for number in range(3):
        keep_traceback(ValueError(str(number)))
    files = list((isolated_home / "state" / "canarylab").glob("bug-*.txt"))
    assert sorted(file.read_text().strip()[-1] for file in files) == ["0", "1", "2"]


def test_a_traceback_is_for_its_owner_only(isolated_home):
    keep_traceback(ValueError("x"))
    [file] = (isolated_home / "state" / "canarylab").glob("bug-*.txt")
    assert file.stat().st_mode & 0o077 == 0


# -- interruption -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_cancels_in_order(number, events):
    def work(ctx):
        os.kill(os.getpid(), number)
        ctx.cancel.sleep(SECONDS)
        return EXIT_DONE

    assert run(JSON, work) == EXIT_INTERRUPTED
    assert [event["message"] for event in events()] == ["interrupted"]


def test_the_second_signal_ends_it_at_once(events):
    def work(ctx):
        os.kill(os.getpid(), signal.SIGINT)
        woken = threading.Event()
        ctx.cancel.subscribe(woken.set)
        assert woken.wait(SECONDS)
        os.kill(os.getpid(), signal.SIGINT)
        return EXIT_DONE

    assert run(JSON, work) == EXIT_INTERRUPTED
    assert events()[-1]["exit_code"] == EXIT_INTERRUPTED


def test_afterwards_signals_do_what_they_did_before():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run(JSON, lambda _: EXIT_DONE)
    run(JSON, raises(ZeroDivisionError()))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_reader_that_is_gone_does_not_stop_the_work(monkeypatch, tmp_path):
    """As in `invoke up --output json | head -n 1`."""
    reading, writing = os.pipe()
    os.close(reading)
    done = tmp_path / "done"

    def work(ctx):
        ctx.progress("somebody there?")
        done.touch()
        return EXIT_DONE

    with open(writing, "w") as stream:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr(sys, "stdout", stream)
        assert run(JSON, work) == EXIT_DONE
    assert done.exists()


def test_a_traceback_for_which_there_is_no_room_is_told_instead(monkeypatch, tmp_path):
    monkeypatch.setattr(runs, "_writable", lambda: tmp_path / "nowhere")
    said = keep_traceback(ValueError("x"))
    assert said.startswith("this is a bug: ValueError: x\nwhere: ValueError: x")
    assert "no file could be made" in said
