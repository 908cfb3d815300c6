import pytest

from project.callbacks.tracking.identity import Identity
from project.errors import ConfigError


def identity(**changes: object) -> Identity:
    given = {"project": "p", "entity": None, "name": "n", "group": None, "job_type": "train"}
    return Identity(**{**given, **changes})  # type: ignore[arg-type]


def test_what_wandb_takes_is_taken() -> None:
    identity().check()
    identity(
        project="p" * 128, name="model=vgg11,lr=0.1", group="a/b", id="a b-1", tags=["x"]
    ).check()


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("project", "a/b", r"expected none of /\\#\?%: for W&B, got / in 'a/b'"),
        ("project", "p" * 129, "expected 1 to 128 characters for W&B, got 129"),
        ("project", "", "expected 1 to 128 characters for W&B, got 0"),
        ("name", "n" * 129, "expected 1 to 128 characters for W&B, got 129"),
        ("group", "g" * 129, "expected 1 to 128 characters for W&B, got 129"),
        ("job_type", "j" * 65, "expected 1 to 64 characters for W&B, got 65"),
        ("id", "seed:1", "expected none of .* got : in 'seed:1'"),
        ("id", " mine", "expected characters without space around them, got ' mine'"),
        ("id", "", "expected characters without space around them, got ''"),
    ],
)
def test_what_wandb_would_refuse_is_named(key: str, value: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=rf"logger\.wandb\.{key}: {reason}"):
        identity(**{key: value}).check()


@pytest.mark.parametrize("tag", ["", "x" * 65], ids=["empty", "long"])
def test_tag_that_wandb_would_refuse_is_named(tag: str) -> None:
    with pytest.raises(
        ConfigError, match=f"tags: expected 1 to 64 characters .* got {len(tag)} in"
    ):
        identity(tags=["fine", tag]).check()
