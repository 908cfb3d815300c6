import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from project.launch.cli.word_lists import worded


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("pretrain=[seed=2]", ["seed=2"]),
        ("pretrain=[]", []),
        ("++pretrain=[ data=folder , data.size=[32,24],seed=2 ]",
         ["data=folder", "data.size=[32,24]", "seed=2"]),
        ("pretrain=['seed=2',\"model.width=8\"]", ["seed=2", "model.width=8"]),
        ("pretrain=[data.root='/a,b',seed=2]", ["data.root='/a,b'", "seed=2"]),
        ('pretrain=[data.root="/a b"]', ['data.root="/a b"']),
    ],
)  # fmt: skip
def test_words_in_a_list_come_out_as_they_were_written(word: str, words: list[str]) -> None:
    assert OverridesParser.create().parse_override(worded(word)).value() == words


def test_lists_of_words_can_be_swept_over() -> None:
    parsed = OverridesParser.create().parse_override(worded("pretrain=[seed=2],[a=b,c=d],null"))
    assert parsed.is_sweep_override()
    swept = list(parsed.sweep_string_iterator())
    assert swept == ['["seed=2"]', '["a=b","c=d"]', "null"]
    assert [worded(f"pretrain={one}") for one in swept] == [f"pretrain={one}" for one in swept]


@pytest.mark.parametrize("word", ["pretrain=null", "pretrain=seed=2", "tags=[a,b]", "~pretrain"])
def test_other_words_stay_as_they_are(word: str) -> None:
    assert worded(word) == word
