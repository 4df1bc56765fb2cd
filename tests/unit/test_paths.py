"""The folder of all profiles goes with the last profile, and with what was made above it; and how paths are shown."""

from __future__ import annotations

from pathlib import Path

from canarylab.paths import drop_home, make_home, normal


def test_what_was_made_above_it_goes_with_it(tmp_path):
    home = tmp_path / ".local" / "state" / "canarylab"
    make_home(home)
    make_home(home)
    drop_home(home)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_before_stays(tmp_path):
    (tmp_path / ".local").mkdir()
    home = tmp_path / ".local" / "state" / "canarylab"
    make_home(home)
    drop_home(home)
    assert list(tmp_path.rglob("*")) == [tmp_path / ".local"]


def test_one_with_another_profile_in_it_stays_and_still_knows_what_was_made(tmp_path):
    home = tmp_path / ".local" / "state" / "canarylab"
    make_home(home)
    (home / "other").mkdir()
    drop_home(home)
    assert home.exists()
    (home / "other").rmdir()
    drop_home(home)
    assert list(tmp_path.iterdir()) == []


def test_what_others_put_above_it_meanwhile_stays(tmp_path):
    home = tmp_path / ".local" / "state" / "canarylab"
    make_home(home)
    (tmp_path / ".local" / "share").mkdir()
    drop_home(home)
    assert list(tmp_path.rglob("*")) == [tmp_path / ".local", tmp_path / ".local" / "share"]


def test_where_it_never_was_there_is_nothing_to_do(tmp_path):
    drop_home(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []


def test_a_path_is_shown_without_detours(tmp_path):
    assert normal(tmp_path / "a" / ".." / "b") == tmp_path / "b"
    assert normal(Path("../x/./y")) == Path("../x/y")


def test_a_detour_by_a_link_that_leads_elsewhere_stays(tmp_path):
    (tmp_path / "far" / "folder").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "folder")
    assert normal(tmp_path / "link" / ".." / "x") == tmp_path / "link" / ".." / "x"


def test_a_path_that_no_file_system_takes_is_shown_too():
    assert normal(Path("a\0/../b")) == Path("b")
    assert normal(Path("n" * 300) / ".." / "b") == Path("b")
