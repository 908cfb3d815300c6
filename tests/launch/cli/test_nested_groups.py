import pytest

from project.launch.cli.nested_groups import grouped


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("model.head=gap", "head=gap"),
        ("model.head=own", "head=own"),
        ("model.head=linear,gap", "head=linear,gap"),
        ("model.head=glob(*)", "head=glob(*)"),
        ("+model.head=gap", "head=gap"),
        ("++model.head=gap", "head=gap"),
    ],
)
def test_option_named_by_its_key_is_chosen_from_its_group(word: str, read: str) -> None:
    assert grouped(word) == read


@pytest.mark.parametrize(
    "word",
    [
        "head=gap",
        "model.head=null",
        "model.head={_target_: mine.Head}",
        "model.head.hidden=[64,32]",
        "+model.head.bias=false",
        "model.heads=3",
        "~model.head",
        "model.head=",
        "--multirun",
        "",
    ],
)
def test_other_words_stay_as_they_are(word: str) -> None:
    assert grouped(word) == word
