import pytest

from project.data.progress import with_progress


def test_items_pass_and_are_counted_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(with_progress("abc", 3, "Counting")) == ["a", "b", "c"]

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Counting: 100%" in captured.err


def test_nothing_is_shown_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(with_progress("abc", 3, "Counting", shown=False)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""
