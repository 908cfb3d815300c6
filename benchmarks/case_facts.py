"""What the runs of a case have left, as far as the page tells of it.

Kept as ``benchmarks/published/<case>.json``, so that a page can be written without the runs.
"""

import json
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from benchmarks.case_texts import Case
from project.atomic import write_text
from project.errors import RunError
from project.runs.alignment import align
from project.runs.directory import RunDirectory
from project.runs.environment import Hardware
from project.runs.groups import Group, group_runs
from project.runs.record import RunRecord, read_record
from project.runs.saved_config import read_config

_DRAWN = ("project.data.drawn.", "project.data.wardrobe.")
_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")  # statistics, not weights
_COMMIT_DIGITS = 8


@dataclass(frozen=True)
class Variant:
    """The runs of one recipe.

    Attributes:
        name: What sets it apart, as overrides.
        seeds: Of its runs.
        scores: What each run reached, by metric and in the order of the seeds; None where a run
            has no such number.
        diagnoses: Runs in which each was said.
    """

    name: str
    seeds: list[int]
    scores: dict[str, list[float | None]]
    diagnoses: dict[str, int]


@dataclass(frozen=True)
class Verdicts:
    """What `project.compare` wrote about one split.

    Attributes:
        split: The split, or named test set.
        baseline: Name of the group that others were compared with; empty where there are none.
        confidence: Of the intervals.
        findings: The answer, a sentence a variant.
        notes: What a reader should know besides.
        table: Lines of its ``comparison.csv``.
    """

    split: str
    baseline: str
    confidence: float
    findings: list[str]
    notes: list[str]
    table: list[str]


@dataclass(frozen=True)
class Facts:
    """All that was measured of a case.

    Attributes:
        commands: What was typed, fit to be typed again.
        measured: On what, how large, when and how long, by heading.
        variants: The baseline first.
        verdicts: One a split.
    """

    commands: list[str]
    measured: dict[str, str]
    variants: list[Variant]
    verdicts: list[Verdicts]

    @property
    def runs(self) -> int:
        """How many there are."""
        return sum(len(variant.seeds) for variant in self.variants)

    def write(self, file: Path) -> None:
        """Writes the facts, replacing earlier ones.

        Args:
            file: Where to.

        Raises:
            RunError: The disk is full, or the place cannot be written.
        """
        plain = json.dumps(asdict(self), ensure_ascii=False, allow_nan=False, indent=1)
        write_text(file, plain + "\n")

    @classmethod
    def read(cls, file: Path) -> Self:
        """Reads facts.

        Args:
            file: Where they are.

        Raises:
            RunError: It was changed by something else.
        """
        try:
            plain = json.loads(file.read_bytes())
            return cls(
                plain["commands"],
                plain["measured"],
                [Variant(**variant) for variant in plain["variants"]],
                [Verdicts(**verdicts) for verdicts in plain["verdicts"]],
            )
        except (ValueError, TypeError, KeyError) as error:
            raise RunError(
                f"expected what a case has measured in {file}, got content that is none "
                f"({error}). Remove it, and measure the case again."
            ) from error


def facts_of(
    case: Case, commands: Sequence[str], runs: Sequence[RunDirectory], verdicts: list[Verdicts]
) -> Facts:
    """Reads what the page tells of some runs.

    Args:
        case: What they are to show.
        commands: That made them.
        runs: All of them finished.
        verdicts: About them.
    """
    groups = group_runs(runs).groups
    baselines = {said.baseline for said in verdicts}
    variants = [_variant(group, case) for group in groups]
    variants.sort(key=lambda variant: variant.name not in baselines)
    return Facts(list(commands), _measured(groups), variants, verdicts)


def read_verdicts(folder: Path, split: str) -> Verdicts:
    """Reads what a comparison wrote.

    Args:
        folder: Of the comparison.
        split: That it was about.

    Raises:
        RunError: There is none.
    """
    try:
        plain = json.loads((folder / "comparison.json").read_bytes())
        table = (folder / "comparison.csv").read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise RunError(f"expected a comparison in {folder}, got: {error.strerror}.") from error
    said = [plain["caution"]] if plain["caution"] else []
    return Verdicts(
        split, plain["baseline"], plain["confidence"], plain["findings"], said + plain["notes"],
        table,
    )  # fmt: skip


def estimates(runs: Sequence[RunDirectory], split: str, metrics: Sequence[str]) -> Verdicts:
    """Estimates with intervals where there is nothing to compare: one recipe, some seeds.

    Args:
        runs: All of them finished.
        split: That they were measured on.
        metrics: Kinds of metrics.

    Raises:
        RunError: The runs were measured on other images or classes.
    """
    from project.report.comparison.files import as_csv  # noqa: PLC0415 - with it comes scipy
    from project.report.comparison.text import Compared  # noqa: PLC0415
    from project.stats.comparison import compare  # noqa: PLC0415

    aligned = align(group_runs(runs).groups, split)
    found = compare(
        aligned.predicted, aligned.labels, aligned.classes, aligned.groups[0].name,
        units=aligned.units, metrics=metrics,
    )  # fmt: skip
    table = as_csv(Compared(found, [], [], "", split)).splitlines()
    return Verdicts(split, "", found.confidence, [], list(aligned.remarks), table)


def _variant(group: Group, case: Case) -> Variant:
    records = [read_record(run) for run in group.runs]
    said = Counter(name for record in records for name in {d.name for d in record.diagnoses})
    scores = {metric: [_known(r.metrics.get(metric)) for r in records] for metric in case.scores}
    return Variant(group.name, list(group.seeds), scores, dict(sorted(said.items())))


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _measured(groups: Sequence[Group]) -> dict[str, str]:
    runs = [run for group in groups for run in group.runs]
    records = [read_record(run) for run in runs]
    configs = [read_config(run) for run in runs]
    seeds = sorted({seed for group in groups for seed in group.seeds})
    return {
        "Photos": _photos(records, configs),
        "Network": _network(groups, records, configs),
        "Runs": f"{len(runs)} ({_recipes(len(groups))}, {_seeds(seeds)})",
        "Seconds a run": _seconds(records),
        "Machine": _joined(_machine(record.hardware) for record in records),
        "Versions": _joined(_versions(record) for record in records),
        "Date": _days(records),
    }


def _recipes(count: int) -> str:
    return "1 recipe" if count == 1 else f"{count} recipes"


def _seeds(seeds: Sequence[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


def _seconds(records: Sequence[RunRecord]) -> str:
    taken = [record.seconds["total"] for record in records]
    low, high = min(taken), max(taken)
    return f"{statistics.median(taken):,.0f} (median; {low:,.0f} to {high:,.0f})"


def _photos(records: Sequence[RunRecord], configs: Sequence[dict[str, Any]]) -> str:
    targets = {str(config["data"]["source"]["_target_"]) for config in configs}
    kind = "drawn" if all(target.startswith(_DRAWN) for target in targets) else "real"
    splits = dict.fromkeys(split for record in records for split in record.data.images)
    counts = [
        f"{_span(record.data.images.get(split, 0) for record in records)} {split}"
        for split in splits
    ]
    classes = _span(len(record.classes) for record in records)
    return f"{kind}; {classes} classes; {', '.join(counts)}"


def _network(
    groups: Sequence[Group], records: Sequence[RunRecord], configs: Sequence[dict[str, Any]]
) -> str:
    names = _joined(_name(r, c) for r, c in zip(records, configs, strict=True))
    sizes = _joined(_size(config["data"]["size"]) for config in configs)
    epochs = _span(config["trainer"]["max_epochs"] for config in configs)
    weights = [count for group in groups if (count := _weights(group.runs[0])) is not None]
    many = f" of {_span(weights)} weights" if weights else ""
    return f"{names}{many}, {sizes} pixels; epochs: {epochs} at most"


def _size(size: int | list[int]) -> str:
    return " x ".join(map(str, size)) if isinstance(size, list) else str(size)


def _name(record: RunRecord, config: dict[str, Any]) -> str:
    """What was chosen, and where the name hides it, what it stands for."""
    target = str(config["model"]["_target_"])
    chosen = record.choices.get("model") or target
    small = "/" in chosen or chosen == target
    return f"`{chosen}`, {_built(config['model'], target)}," if small else f"`{chosen}`"


def _built(model: dict[str, Any], target: str) -> str:
    return f"`{model['name']}`" if "name" in model else f"a `{target.rpartition('.')[2]}`"


def _weights(run: RunDirectory) -> int | None:
    """Of the network; None where no checkpoint has been kept."""
    import torch  # noqa: PLC0415 - takes seconds

    file = run.checkpoint("best")
    if not file.is_file():
        return None
    state = torch.load(file, map_location="cpu", mmap=True, weights_only=True)["state_dict"]
    weights = (
        tensor.numel()
        for name, tensor in state.items()
        if name.startswith("backbone.") and not name.endswith(_BUFFERS)
    )
    return int(sum(weights))


def _machine(hardware: Hardware | None) -> str:
    if hardware is None:
        return "unknown"
    memory = [] if hardware.memory_gib is None else [f"{hardware.memory_gib:.0f} GiB"]
    return ", ".join([hardware.cpu, f"{hardware.cores} cores", *memory, *hardware.gpus])


def _versions(record: RunRecord) -> str:
    named = [f"{name} {record.packages[name]}" for name in ("python", "torch", "timm")]
    if record.code is not None:
        changed = " with changes" if record.code.dirty else ""
        named.append(f"commit {record.code.commit[:_COMMIT_DIGITS]}{changed}")
    return ", ".join(named)


def _days(records: Sequence[RunRecord]) -> str:
    days = sorted({(record.finished or record.started)[:10] for record in records})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts))


def _span(values: Iterable[float]) -> str:
    """One number, or from the smallest to the largest."""
    known = sorted(set(values))
    return f"{known[0]:,}" if len(known) == 1 else f"{known[0]:,} to {known[-1]:,}"
