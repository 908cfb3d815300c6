import inspect
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from pydantic import TypeAdapter

from project.data import sources

CLASSES = [getattr(sources, name) for name in sources.__all__ if name != "Source"]


@pytest.mark.parametrize("source", CLASSES, ids=lambda source: source.__name__)
def test_every_argument_is_a_plain_value_with_a_hint_that_accepts_its_default(source: Any) -> None:
    hints = get_type_hints(source.__init__)
    for name, parameter in inspect.signature(source).parameters.items():
        if parameter.default is not inspect.Parameter.empty:
            TypeAdapter(hints[name]).validate_python(parameter.default)


def test_every_source_keeps_the_protocol(tmp_path: Path) -> None:
    built: list[sources.Source] = [
        sources.ClassFolders(tmp_path),
        sources.FileNames(tmp_path, "(?P<label>a)"),
        sources.GithubClassFolders(tmp_path, "a/b"),
        sources.LabelTable(tmp_path, "labels.csv"),
        sources.TorchvisionDataset(tmp_path, "CIFAR10"),
    ]

    assert {type(source) for source in built} == set(CLASSES)
    assert all(source.root.is_relative_to(tmp_path) for source in built)
