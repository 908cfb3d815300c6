from pathlib import Path

import pytest
from omegaconf import OmegaConf

from project.errors import ConfigError
from project.launch.composition.composed import plain, settled
from project.runs.fingerprint import config_fingerprint


def test_values_are_resolved_and_hydras_part_is_left_out() -> None:
    cfg = OmegaConf.create({"seed": 3, "data": {"seed": "${seed}"}, "hydra": {"job": {}}})
    assert plain(cfg) == {"seed": 3, "data": {"seed": 3}}


def test_missing_value_is_named() -> None:
    with pytest.raises(ConfigError, match=r"data\.root: a value is needed and none was given"):
        plain(OmegaConf.create({"data": {"root": "???"}}))


def test_reference_to_nothing_is_named() -> None:
    with pytest.raises(ConfigError, match="monitor: Interpolation key 'nowhere' not found"):
        plain(OmegaConf.create({"monitor": "${nowhere}"}))


def test_photos_are_recorded_with_their_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = settled(OmegaConf.create({"data": {"root": "photos"}}))
    assert settings == {"data": {"root": str(tmp_path / "photos")}}


def test_named_test_sets_are_recorded_with_their_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tests = {"a": "there", "b": {"_target_": "x", "root": "here"}, "c": {"_target_": "y"}}
    settings = settled(OmegaConf.create({"data": {"tests": tests}}))
    assert settings["data"]["tests"] == {
        "a": str(tmp_path / "there"),
        "b": {"_target_": "x", "root": str(tmp_path / "here")},
        "c": {"_target_": "y"},
    }


@pytest.mark.parametrize("data", [{}, {"root": None}, None])
def test_data_without_a_place_stay_as_they_are(data: object) -> None:
    assert settled(OmegaConf.create({"data": data})) == {"data": data}


def test_resumed_run_has_the_settings_and_the_fingerprint_of_the_run() -> None:
    first = settled(OmegaConf.create({"seed": 1, "resume": None}))
    again = settled(OmegaConf.create({"seed": 1, "resume": "outputs/runs/one"}))
    assert first == again == {"seed": 1}
    with_key = plain(OmegaConf.create({"seed": 1, "resume": None}))
    assert config_fingerprint(with_key) == config_fingerprint(first)
