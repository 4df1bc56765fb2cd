from __future__ import annotations

import time

import pytest
from support.chart_repository import FileServer
from support.fake_time import FakeTime
from support.runs import context_of

from canarylab.cancel import Cancel
from canarylab.download import MIRROR, TRIES, NotPublishedError, fetch, fetched_from, keep, mirrored
from canarylab.errors import CancelledError, MachineError, StageError, UsageError

URL = "https://files.example/some/file.yaml"
PATH = "/files.example/some/file.yaml"


@pytest.fixture
def server(monkeypatch):
    with FileServer({PATH: b"content"}) as running:
        monkeypatch.setenv(MIRROR, running.url)
        yield running


def get(tmp_path, **context):
    return fetch(context_of(**{"cancel": FakeTime(), **context}), URL, cache=tmp_path)


def refused(tmp_path):
    with pytest.raises(StageError) as caught:
        get(tmp_path)
    return caught.value


# -- where it comes from ----------------------------------------------------------------------------------------------


def test_it_comes_from_the_mirror_where_there_is_one(server, tmp_path):
    assert get(tmp_path) == b"content"
    assert server.requests == [PATH]


@pytest.mark.parametrize(
    ("mirror", "target"),
    [
        ("", URL),
        ("http://mirror.example", "http://mirror.example/files.example/some/file.yaml"),
        ("https://mirror.example/a/b/", "https://mirror.example/a/b/files.example/some/file.yaml"),
    ],
)
def test_a_mirror_has_the_host_as_its_first_folder(mirror, target, monkeypatch):
    monkeypatch.setenv(MIRROR, mirror)
    assert mirrored(URL) == target


@pytest.mark.parametrize("mirror", ["mirror.example", "file:///srv/mirror", "ftp://mirror.example"])
def test_what_cannot_be_a_mirror_is_refused_by_name(mirror, monkeypatch):
    monkeypatch.setenv(MIRROR, mirror)
    with pytest.raises(UsageError, match=f"variable {MIRROR}: the mirror's address isn't a URL"):
        mirrored(URL)


def test_a_password_in_the_mirrors_url_is_not_shown(monkeypatch, tmp_path):
    monkeypatch.setenv(MIRROR, "http://me:secret@127.0.0.1:9/files")
    assert fetched_from(URL) == "http://127.0.0.1:9/files/files.example/some/file.yaml"
    assert "secret" not in str(refused(tmp_path))


def test_a_proxy_of_the_environment_is_used_and_named(monkeypatch, tmp_path):
    monkeypatch.setenv(MIRROR, "http://mirror.invalid")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with FileServer({f"http://mirror.invalid{PATH}": b"by proxy"}) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert get(tmp_path) == b"by proxy"
    assert refused(tmp_path).why.startswith("the proxy: ")


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize(
    ("scheme", "said"),
    [
        ("socks5", "-m pip install PySocks"),
        ("socks5h", "-m pip install PySocks"),
        ("socks", "write it as socks5h://HOST:PORT"),
    ],
)
def test_a_socks_proxy_that_cannot_be_asked_is_told_with_what_to_install(monkeypatch, tmp_path, variable, scheme, said):
    monkeypatch.delenv(MIRROR, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv(variable, f"{scheme}://me:secret@127.0.0.1:1080")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MachineError) as caught:
        get(tmp_path)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_it_is_asked_for_as_it_lies_there(server, tmp_path):
    get(tmp_path)
    assert server.headers[0]["Accept-Encoding"] == "identity"


# -- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server, tmp_path, status):
    server.files[PATH] = [status, status, b"content"]
    assert get(tmp_path) == b"content"
    assert len(server.requests) == 3


def test_a_server_that_stays_busy_is_given_up_and_reported(server, tmp_path):
    server.files[PATH] = 503
    error = refused(tmp_path)
    assert (error.where, error.why) == (f"{server.url}{PATH}", "the server answered 503 Service Unavailable")
    assert len(server.requests) == TRIES


def test_a_refusal_is_not_asked_again(server, tmp_path):
    server.files[PATH] = 403
    assert refused(tmp_path).why == "the server answered 403 Forbidden"
    assert len(server.requests) == 1


def test_a_file_that_is_not_there_is_told_apart(server, tmp_path):
    server.files.clear()
    with pytest.raises(NotPublishedError) as caught:
        get(tmp_path)
    assert caught.value.where == f"{server.url}{PATH}"
    assert MIRROR in str(caught.value.remedy)


def test_without_a_connection_the_error_says_where_why_and_that_what_was_fetched_is_kept(tmp_path):
    error = refused(tmp_path)
    assert error.where == f"http://127.0.0.1:9/nobody{PATH}"
    assert error.why.endswith("Connection refused")
    assert f"kept in {tmp_path} and needs no network" in error.remedy
    assert "docs/closed-networks.md" in error.remedy


def test_a_file_that_breaks_off_is_no_file(tmp_path, monkeypatch):
    class Cut(FileServer):
        def answer(self, path):
            return Short(super().answer(path))

    class Short(bytes):
        """Says that it is longer than it is."""

        def __len__(self):
            return super().__len__() + 10

    with Cut({PATH: b"content"}) as server:
        monkeypatch.setenv(MIRROR, server.url)
        assert "7 bytes read, 10 more expected" in refused(tmp_path).why


@pytest.mark.usefixtures("server")
def test_a_run_that_is_interrupted_fetches_no_further(tmp_path):
    cancel = Cancel()
    cancel.set()
    with pytest.raises(CancelledError):
        get(tmp_path, cancel=cancel)


def test_the_pause_before_another_try_ends_with_the_run(server, tmp_path):
    class Interrupted(FakeTime):
        def sleep(self, seconds):
            if seconds:  # the second try follows at once
                self.set()
            super().sleep(seconds)

    server.files[PATH] = 503
    with pytest.raises(CancelledError):
        get(tmp_path, cancel=Interrupted())
    assert len(server.requests) == TRIES - 1


@pytest.mark.usefixtures("server")
def test_a_stage_that_is_out_of_time_fetches_no_further(tmp_path):
    ctx = context_of().for_stage("a", time.monotonic() - 1)
    with pytest.raises(StageError) as caught:
        fetch(ctx, URL, cache=tmp_path)
    assert caught.value.why == "only 0 bytes came in the time that the stage has"


def test_an_address_that_is_none_is_an_error_and_no_bug(monkeypatch, tmp_path):
    monkeypatch.setenv(MIRROR, "http://a..b")
    assert "label empty or too long" in refused(tmp_path).why


# -- what is kept -----------------------------------------------------------------------------------------------------


def test_what_is_kept_is_whole_and_alone(tmp_path):
    keep(tmp_path / "a" / "file", b"one")
    keep(tmp_path / "a" / "file", b"two")
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == {"file": b"two"}


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    keep(tmp_path / "file", b"one")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        keep(tmp_path / "file", b"two")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"one"}
