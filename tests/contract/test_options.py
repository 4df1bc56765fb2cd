"""What playbooks may write: the options of every kind of stage and of step that is discovered."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import BaseModel, ValidationError

from canarylab.contract.playbook import ClusterSpec, PlaybookFile, StageHead
from canarylab.playbook.extensions import Extensions

EXTENSIONS = Extensions.discovered()
OPTIONS = {
    "a playbook": PlaybookFile,
    "cluster": ClusterSpec,
    "every stage": StageHead,
    **{f"stage {kind}": cls.Options for kind, cls in sorted(EXTENSIONS.stages.items())},
    **{f"step {kind}": cls.Options for kind, cls in sorted(EXTENSIONS.steps.items())},
}


def models_in(annotation):
    """The models among a type's parts, such as the one in tuple[Model, ...]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def with_nested(model):
    nested = [inner for field in model.model_fields.values() for inner in models_in(field.annotation)]
    return [model, *(each for inner in nested for each in with_nested(inner))]


ALL = [
    pytest.param(model, id=f"{name}: {model.__name__}") for name, top in OPTIONS.items() for model in with_nested(top)
]


@pytest.mark.parametrize("model", ALL)
def test_an_unknown_key_is_an_error(model):
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"no-such-key": 1})
    assert "extra_forbidden" in {error["type"] for error in caught.value.errors()}


@pytest.mark.parametrize("model", ALL)
def test_every_key_is_described(model):
    undescribed = [name for name, field in model.model_fields.items() if not field.description]
    assert undescribed == []


@pytest.mark.parametrize("model", ALL)
def test_a_key_is_written_with_hyphens_or_is_a_single_word(model):
    names = {field.alias or name for name, field in model.model_fields.items()}
    if model is not ClusterSpec:  # its keys are minikube's flags
        assert not {name for name in names if "_" in name}


@pytest.mark.parametrize("model", ALL)
def test_options_do_not_change_once_they_are_read(model):
    assert model.model_config.get("frozen")
