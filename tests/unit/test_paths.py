"""The folder of all profiles goes, with what was made above it, when the last profile is gone; nothing else does."""

from __future__ import annotations

from canarylab.paths import drop_home, make_home


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
