from project.launch.cli.outcome import failures, report_failure


def test_failures_of_a_block_are_those_that_were_reported_in_it() -> None:
    report_failure("before")
    with failures() as found:
        report_failure("job 3")
    assert found == ["job 3"]
    with failures() as later:
        pass
    assert not later
