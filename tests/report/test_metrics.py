from project.report.metrics import heading, leading, led, title
from project.runs.record import RunRecord


def test_class_with_slashes_keeps_its_name() -> None:
    assert title("precision/a/b", " of ") == "precision of a/b"


def test_heading_leaves_the_name_of_a_class_as_it_is() -> None:
    assert heading("f1/iPhone") == "F1 of iPhone"
    assert heading("macro_f1") == "Macro F1"


def test_headline_leads_whether_or_not_it_is_among_the_others() -> None:
    others = ["accuracy", "macro_f1"]
    assert led("macro_f1", others) == ["macro_f1", "accuracy"]
    assert led("recall/hat", others) == ["recall/hat", *others]


def test_run_leads_with_its_headline() -> None:
    assert leading(RunRecord()) == ["macro_recall", "accuracy", "macro_f1"]
    assert leading(RunRecord(headline="recall/hat"))[0] == "recall/hat"
