"""Compares groups of runs, or published counts, and reports verdicts."""

import logging
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from project.commands.published import read_counts
from project.errors import ConfigError, RunError, suggestion
from project.report.comparison.files import tables
from project.report.comparison.page import write_comparison
from project.report.comparison.table import print_comparison
from project.report.comparison.text import Compared
from project.runs.alignment import Alignment, align
from project.runs.directory import RunDirectory
from project.runs.finding import find_runs
from project.runs.groups import Group, find_group, group_runs, nearest_group
from project.runs.record import read_record
from project.stats import comparison as statistics
from project.stats.counts import compare_counts, same_mix
from project.stats.metrics import KINDS
from project.stats.results import Comparison

log = logging.getLogger(__name__)

_COMMIT_DIGITS = 8
_NAMED = 4  # classes of one sentence


@dataclass(frozen=True)
class Options:
    """How to compare; ``conf/compare.yaml`` has the same keys.

    Attributes:
        split: The split whose predictions are compared.
        baseline: Name or overrides of the group that the others are compared with; None takes the
            one that the others differ least from.
        strict: Refuse runs that are unfinished or measured on other images or classes; otherwise
            what all have in common is compared.
        metrics: Kinds of metrics that are tested.
        margin: Differences up to this are of no interest, in (0, 1).
        confidence: Of the intervals; one minus it is the level of the verdicts.
    """

    split: str = "test"
    baseline: str | None = None
    strict: bool = True
    metrics: Sequence[str] = KINDS
    margin: float = 0.01
    confidence: float = 0.95

    def check(self) -> None:
        """Refuses what cannot be meant.

        Raises:
            ConfigError: Naming the key.
        """
        for key, low, high in (("margin", 0, 1), ("confidence", 0.5, 1)):
            value = getattr(self, key)
            if not (isinstance(value, int | float) and low < value < high):
                raise ConfigError(
                    f"{key}: expected a share between {low} and {high}, got {value!r}."
                )
        if not isinstance(self.strict, bool):
            raise ConfigError(f"strict: expected true or false, got {self.strict!r}.")
        unknown = [kind for kind in self.metrics if kind not in KINDS]
        if unknown or not self.metrics:
            found = repr(unknown[0]) if unknown else "none"
            near = suggestion(unknown[0], KINDS) if unknown else ""
            raise ConfigError(f"metrics: expected some of {', '.join(KINDS)}, got {found}.{near}")


def compare(cfg: DictConfig) -> Comparison:
    """Compares what the configuration names; writes tables, figures and a page.

    Args:
        cfg: A composed ``compare`` configuration.

    Returns:
        The comparison.

    Raises:
        EvenhandError: If there is nothing to compare, or it cannot be compared.
    """
    values: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    options = _options(values)
    runs, counts = _listed(values["runs"]), values["counts"]
    output = Path(values["paths"]["run"])
    _check_input(runs, counts, options, values["logger"])
    if counts is not None:
        compared = _of_counts(Path(counts), options, output.name)
    else:
        compared = _of_runs(find_runs(runs), options, output.name)
    figures = _report(compared, output)
    if "wandb" in values["logger"]:
        _log_to_wandb(compared, output, figures, values["logger"]["wandb"])
    return compared.comparison


def _options(values: Mapping[str, Any]) -> Options:
    given = {option.name: values[option.name] for option in fields(Options)}
    baseline = given["baseline"]
    given["baseline"] = None if baseline is None else str(baseline)
    given["metrics"] = _listed(given["metrics"])
    options = Options(**given)
    options.check()
    return options


def _listed(value: object) -> list[str]:
    """One word, or several."""
    return [str(word) for word in value] if isinstance(value, list) else [str(value)]


def _check_input(
    runs: Sequence[str], counts: object, options: Options, loggers: Mapping[str, Any]
) -> None:
    if bool(runs) == (counts is not None):
        raise ConfigError(
            "expected runs=<directories, sweeps or patterns> or counts=<file>, got "
            f"{'both' if runs else 'neither'}. For example: "
            "python -m project.compare runs=outputs/sweeps/<name>"
        )
    if counts is not None and (options.split, options.strict) != (Options.split, Options.strict):
        raise ConfigError("split, strict: published counts have neither splits nor images.")
    if unknown := sorted(loggers.keys() - {"wandb"}):
        raise ConfigError(
            f"logger: a comparison goes to its folder and, with logger=wandb, to W&B; got "
            f"{', '.join(unknown)}."
        )


def compare_runs(
    runs: Sequence[RunDirectory], output: Path, options: Options | None = None
) -> Comparison:
    """Compares runs; prints the verdicts and writes tables, figures and a page.

    Args:
        runs: Runs of at least two recipes.
        output: Gets the files.
        options: How to compare.

    Returns:
        The comparison.

    Raises:
        RunError: If the runs cannot be compared; says which and why.
    """
    compared = _of_runs(runs, options or Options(), output.name)
    _report(compared, output)
    return compared.comparison


def _of_runs(runs: Sequence[RunDirectory], options: Options, name: str) -> Compared:
    grouping = group_runs(runs)
    _refuse_folds(grouping.groups)
    _require_two(grouping.groups, "runs")
    aligned = align(grouping.groups, options.split, strict=options.strict)
    groups = {group.name: group for group in aligned.groups}
    _require_two(aligned.groups, "finished runs")
    wanted = options.baseline
    chosen = find_group(aligned.groups, wanted) if wanted else nearest_group(aligned.groups)
    found = statistics.compare(
        aligned.predicted,
        aligned.labels,
        aligned.classes,
        chosen.name,
        units=aligned.units,
        metrics=options.metrics,
        confidence=options.confidence,
        margin=options.margin,
    )
    return Compared(
        comparison=replace(found, headline=_headline(aligned.groups, found, options.metrics)),
        groups=[groups[group] for group in found.groups],
        notes=[
            *grouping.remarks,
            *aligned.remarks,
            *_lending(aligned.groups),
            *_versions(aligned.groups),
            *_never_predicted(aligned, options.metrics),
        ],
        command=_command(),
        name=name,
        split=options.split,
    )


def _refuse_folds(groups: Sequence[Group]) -> None:
    """Runs of different folds have no test image in common; pooling them is another table."""
    folds = {group.settings["data.fold"] for group in groups if "data.fold" in group.settings}
    if folds:
        listed = ", ".join(sorted(map(str, folds)))
        raise RunError(
            f"expected runs on the same test images, got runs whose data.fold is {listed}: each "
            "fold is tested on images of its own. The summary.md of their sweep has one row for "
            "each recipe, over all folds; to compare recipes, name the runs of one fold, such as "
            f"runs='<sweep>/*fold={min(map(str, folds))}*'."
        )


def _require_two(groups: Sequence[Group], what: str) -> None:
    if len(groups) < 2:
        only = f", all of {groups[0].name}" if groups else ""
        raise RunError(
            f"expected {what} of at least two recipes, got {len(groups)}{only}. Runs that differ "
            "in their seed alone repeat one recipe; name those of another one, too."
        )


def _lending(groups: Sequence[Group]) -> list[str]:
    single = [group.name for group in groups if len(group.runs) == 1]
    if not single or len(single) == len(groups):
        return []
    return [
        (
            f"One run only: {'; '.join(single)}. Its intervals are about images alone. Where it is "
            "compared with several runs, it is taken to vary over seeds as much as they do."
        )
    ]


def _headline(groups: Sequence[Group], found: Comparison, kinds: Sequence[str]) -> str:
    """What tables lead with: the headline of all runs, or the first kind of metrics asked for.

    Empty where runs have different ones.
    """
    asked = {read_record(run).headline for group in groups for run in group.runs}
    if len(asked) > 1:
        return ""
    return next((headline for headline in asked if headline in found.metrics), kinds[0])


def _versions(groups: Sequence[Group]) -> list[str]:
    """Code that changed between groups may be the difference."""
    of_group = {group.name: {_version(run) for run in group.runs} for group in groups}
    if len(set(map(frozenset, of_group.values()))) == 1:
        return []
    told = "; ".join(f"{name}: {', '.join(sorted(found))}" for name, found in of_group.items())
    return [f"Not all groups were trained by the same version of the code ({told})."]


def _version(run: RunDirectory) -> str:
    code = read_record(run).code
    if code is None:
        return "unknown"
    return f"{code.commit[:_COMMIT_DIGITS]}{' with changes' if code.dirty else ''}"


def _never_predicted(aligned: Alignment, kinds: Sequence[str]) -> list[str]:
    """A sentence for each group with classes that some of its runs do not know."""
    remarks = []
    rule = " Its precision of such a class counts as 0." if "precision" in kinds else ""
    for name, predicted in aligned.predicted.items():
        never = {
            label: runs
            for number, label in enumerate(aligned.classes)
            if (runs := int((predicted != number).all(axis=1).sum()))
        }
        listed = [f"{label} ({runs} of {len(predicted)} runs)" for label, runs in never.items()]
        more = f" and {len(listed) - _NAMED} more classes" if len(listed) > _NAMED else ""
        if listed:
            remarks.append(f"{name} never predicted {', '.join(listed[:_NAMED])}{more}.{rule}")
    return remarks


def _of_counts(file: Path, options: Options, name: str) -> Compared:
    published = read_counts(file)
    baseline = options.baseline or published.baseline
    if baseline not in published.variants:
        raise ConfigError(
            f"baseline: expected one of {', '.join(published.variants)}, got {baseline!r}."
            f"{suggestion(baseline, published.variants)}"
        )
    notes = list(published.notes)
    if not same_mix(published.variants):
        notes.append("The variants were measured on other mixes of classes: accuracy is left out.")
    found = compare_counts(
        published.variants,
        baseline,
        metrics=options.metrics,
        confidence=options.confidence,
        margin=options.margin,
    )
    return Compared(found, [], notes, _command(), name)


def _report(compared: Compared, output: Path) -> dict[str, Path]:
    """Prints and writes everything; returns the figures by name."""
    print_comparison(compared, Console())
    written = write_comparison(compared, output)
    log.info("Tables, figures and the page: %s", output)
    return {path.stem: path for path in written if path.suffix == ".png"}


def _log_to_wandb(
    compared: Compared, output: Path, figures: Mapping[str, Path], logger: Mapping[str, Any]
) -> None:
    from project.callbacks.tracking.comparison import log_comparison  # noqa: PLC0415 - only on request

    verdicts = {f"{d.variant}/{d.metric}": str(d.verdict) for d in compared.comparison.differences}
    sync = log_comparison(
        output,
        project=logger["project"],
        entity=logger["entity"],
        name=logger["name"] or compared.name,
        group=logger["group"],
        tags=logger["tags"],
        mode=logger["mode"],
        tables=tables(compared),
        figures=figures,
        summary={"baseline": compared.comparison.baseline, **verdicts},
    )
    if sync:
        log.info("To upload the comparison to W&B: %s", sync)


def _command() -> str:
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    return shlex.join(["python", "-m", spec.name if spec else "project.compare", *sys.argv[1:]])
