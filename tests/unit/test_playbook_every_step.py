"""`every-step`: what steps have in common, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from canarylab.contract.playbook import Playbook
from canarylab.errors import PlaybookError
from canarylab.playbook.loader import load

HEAD = """name: shop
cluster: {profile: shop}
stages: {}
"""


def _load(folder: Path, text: str) -> Playbook:
    file = folder / "shop.yaml"
    file.write_text(HEAD + text)
    return load(file)


def test_each_step_takes_the_options_that_its_kind_knows(tmp_path: Path) -> None:
    playbook = _load(
        tmp_path,
        """
every-step: {rollout: shop, namespace: store, http: [shop.example.com]}
demo:
  - healthy:
  - evidence: {canary: 20}
""",
    )
    healthy, evidence = (step.options.model_dump() for step in playbook.demo)
    assert (healthy["rollout"], healthy["namespace"]) == ("shop", "store")
    assert "http" not in healthy
    assert (evidence["rollout"], evidence["http"], evidence["canary"]) == ("shop", ("shop.example.com",), 20)


def test_what_a_step_says_itself_comes_first(tmp_path: Path) -> None:
    playbook = _load(tmp_path, "every-step: {rollout: shop}\ndemo:\n  - healthy: {rollout: other}\n")
    assert playbook.demo[0].options.model_dump()["rollout"] == "other"


def test_a_wrong_value_is_reported_with_the_line_where_it_stands(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError) as told:
        _load(tmp_path, "every-step:\n  rollout: shop\n  http: shop.example.com\ndemo:\n  - evidence: {canary: 20}\n")
    assert "shop.yaml:6:" in str(told.value)
    assert "demo[0].evidence.http" in str(told.value)


def test_an_option_that_no_kind_of_step_has_is_reported(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError) as told:
        _load(tmp_path, "every-step: {rolout: shop}\ndemo:\n  - healthy: {rollout: shop}\n")
    assert "shop.yaml:4: every-step.rolout: isn't an option of any kind of step" in str(told.value)
    assert "did you mean rollout?" in str(told.value)


def test_what_is_still_missing_is_reported_for_the_step(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError, match=r"demo\[1\].evidence.canary: is missing"):
        _load(tmp_path, "every-step: {rollout: shop}\ndemo:\n  - healthy:\n  - evidence: {http: [shop.example.com]}\n")
