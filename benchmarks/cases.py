"""Runs the published cases and writes what they show.

    python benchmarks/cases.py                          # all of them; `make results`
    python benchmarks/cases.py cats_dogs --seeds 5
    python benchmarks/cases.py --page-only              # after a change of a text

For each case: the sweeps and comparisons that a user would type, then ``docs/results.md``. The code
must be that of a commit, which the page names. The same command again goes on: what has finished is
not trained again. A sweep whose configuration has changed is refused; remove its folder, or choose
another one with ``--jobs-dir``. In
``benchmarks/published/``, ``<case>.md`` says what is run and what was published; ``<case>.json``
keeps what was measured, so that cases that are not run this time stay on the page as they are.
"""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.case_diagnoses import check_expected
from benchmarks.case_facts import Facts, Verdicts, estimates, facts_of, read_verdicts
from benchmarks.case_page import page
from benchmarks.case_texts import FOLDER, Case, read_cases
from project.atomic import write_text
from project.errors import ConfigError, EvenhandError, RunError, suggestion
from project.runs.environment import code_version
from project.runs.finding import find_runs

PLACEHOLDER = "path/to/photos"
_METRICS = ("accuracy", "macro_recall", "macro_f1", "recall")


@dataclass(frozen=True)
class Plan:
    """How cases are run.

    Attributes:
        jobs: Gets the runs, a folder for each case.
        output: Where commands put comparisons, as ``paths.output``.
        scale: Of the experiments.
        seeds: How many, from 1 on; None: as many as the case wants.
        photos: Folder of the clothing photos; None leaves out what needs them.
    """

    jobs: Path
    output: Path
    scale: str = "small"
    seeds: int | None = None
    photos: str | None = None


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs what the command line names, and writes the page.

    Args:
        arguments: Words of the command line; None: those of this process.

    Raises:
        SystemExit: A case failed; the others were run, and are on the page.
    """
    given = _parser().parse_args(arguments)
    try:
        cases = read_cases(given.texts)
        chosen = [] if given.page_only else _chosen(cases, given.cases)
        if chosen and not given.with_changes:
            _check_committed()
        failed = run(cases, chosen, _plan(given), given.texts, given.write)
    except EvenhandError as error:
        sys.exit(str(error))
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}. The same command goes on with them.")


def run(
    cases: Sequence[Case], chosen: Sequence[Case], plan: Plan, facts: Path, target: Path
) -> list[str]:
    """Runs cases, then writes the page: until all have been trained, no file of the code changes.

    Args:
        cases: All that are on the page.
        chosen: Those that are run.
        plan: How.
        facts: Folder with a file of facts for each case that was ever measured.
        target: The page.

    Returns:
        Names of the cases that failed.

    Raises:
        EvenhandError: The page cannot be written.
    """
    failed = []
    _write_page(cases, facts, target)  # whatever is wrong with a text, before hours of training
    measured: dict[str, Facts] = {}
    for case in chosen:
        if case.needs_photos and plan.photos is None:
            print(f"{case.title} is left out: it needs --clothing FOLDER, or EVENHAND_CLOTHING.")
            continue
        try:
            measured[case.name] = measure(case, plan)
            check_expected(case, measured[case.name])
        except EvenhandError as error:
            print(f"{case.title}: {error}", file=sys.stderr)
            measured.pop(case.name, None)
            failed.append(case.name)
    for name, found in measured.items():
        found.write(facts / f"{name}.json")
    _write_page(cases, facts, target)
    return failed


def measure(case: Case, plan: Plan) -> Facts:
    """Runs a case by the commands that a user would type.

    Args:
        case: What is run and compared.
        plan: How.

    Returns:
        What came out.

    Raises:
        RunError: A command failed, or has left something else than was expected.
    """
    folder = plan.jobs / case.name
    commands = [_swept(case, sweep, folder, plan) for sweep in case.sweeps]
    runs = find_runs([folder])
    verdicts = []
    for split in case.splits:
        if case.baseline is None:
            verdicts.append(estimates(runs, split, _METRICS))
        else:
            command, found = _compared(case, split, folder, plan)
            commands.append(command)
            verdicts.append(found)
    return facts_of(case, commands, runs, verdicts)


def _swept(case: Case, sweep: str, folder: Path, plan: Plan) -> str:
    """Runs a sweep; returns its command, as it is shown."""
    seeds = ",".join(str(seed) for seed in range(1, 1 + (plan.seeds or case.seeds)))
    place = folder if len(case.sweeps) == 1 else folder / sweep
    own = [f"seed={seeds}", f"hydra.sweep.dir={place}"]
    typed, shown = (
        ["project.train", "--multirun", *case.words(sweep, plan.scale, photos), *own]
        for photos in (plan.photos or "", PLACEHOLDER)
    )
    _run(typed)
    return _shown(shown)


def _compared(case: Case, split: str, folder: Path, plan: Plan) -> tuple[str, Verdicts]:
    """Compares; returns the command, and what it wrote."""
    several = len(case.splits) > 1
    name = f"{case.name}_{split}" if several else case.name
    own = [] if split == "test" else [f"split={split}"]
    words = ["project.compare", f"runs={folder}", f"baseline={case.baseline}", *own, *case.compare]
    words.append(f"name={name}")
    _run(words)
    return _shown(words), read_verdicts(plan.output / "comparisons" / name, split)


def _shown(words: Sequence[str]) -> str:
    return shlex.join(["python", "-m", *words])


def _run(words: Sequence[str]) -> None:
    """Runs a command of the project. Ctrl-C reaches it as well: it is given time to stop."""
    print(f"$ {_shown(words)}", flush=True)
    interrupted = False
    with subprocess.Popen([sys.executable, "-m", *words]) as process:
        while process.returncode is None:
            try:
                process.wait()
            except KeyboardInterrupt:
                interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    if process.returncode:
        raise RunError(
            f"expected exit code 0, got {process.returncode} from: {_shown(words)}\n"
            "What it said stands above."
        )


def _check_committed() -> None:
    code = code_version()
    if code is None or code.dirty:
        raise ConfigError(
            f"expected code as it was committed, got {'changes' if code else 'no commit'}: nobody "
            "could run the same again. Commit first, or take --with-changes for a trial."
        )


def _write_page(cases: Sequence[Case], facts: Path, target: Path) -> None:
    files = {case.name: facts / f"{case.name}.json" for case in cases}
    known = {name: Facts.read(file) for name, file in files.items() if file.exists()}
    write_text(target, page(cases, known))


def _chosen(cases: Sequence[Case], names: Sequence[str]) -> list[Case]:
    known = {case.name: case for case in cases}
    for name in names:
        if name not in known:
            raise ConfigError(
                f"expected cases among {', '.join(known)}, got {name!r}.{suggestion(name, known)}"
            )
    return [case for case in cases if case.name in names or not names]


def _plan(given: argparse.Namespace) -> Plan:
    output = Path(os.environ.get("EVENHAND_OUTPUT", "outputs"))
    return Plan(
        jobs=given.jobs_dir or output / "cases",
        output=output,
        scale=given.scale,
        seeds=given.seeds,
        photos=given.clothing or None,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Runs the published cases.")
    parser.add_argument("cases", nargs="*", help="names; none: all")
    parser.add_argument("--seeds", type=int, help="how many; without it, as many as a case wants")
    parser.add_argument(
        "--clothing",
        default=os.environ.get("EVENHAND_CLOTHING"),
        metavar="FOLDER",
        help="of the public clothing photos; without it, EVENHAND_CLOTHING",
    )
    parser.add_argument("--scale", default="small", help="of the experiments")
    parser.add_argument("--jobs-dir", type=Path, metavar="FOLDER", help="gets the runs")
    parser.add_argument("--write", type=Path, default=Path("docs/results.md"), metavar="FILE")
    parser.add_argument(
        "--with-changes", action="store_true", help="for a trial: runs code that no commit has"
    )
    parser.add_argument("--page-only", action="store_true", help="runs nothing")
    parser.add_argument(
        "--texts", type=Path, default=FOLDER, metavar="FOLDER", help="of the cases and facts"
    )
    return parser


if __name__ == "__main__":
    main()
