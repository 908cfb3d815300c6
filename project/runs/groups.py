"""Runs that repeat one recipe, and what sets the recipes apart."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from project.errors import RunError, suggestion
from project.runs.directory import RunDirectory
from project.runs.fingerprint import flattened, recipe_fingerprint, result_settings
from project.runs.group_names import (
    Recipe,
    Switches,
    as_text,
    differing_keys,
    name_all,
    overridden,
)
from project.runs.record import RunRecord, read_record
from project.runs.saved_config import read_config


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed alone.

    Attributes:
        name: Fit for a table: what sets the group apart from the others, as overrides.
        recipe: The recipe's fingerprint.
        runs: Directories of the runs, in the order of their seeds.
        seeds: Their seeds.
        settings: Value of each key (dotted) that differs between the groups compared; keys that
            the group's configuration lacks are left out.
        switches: What `name` says, in full: value by key or group, as on the command line; None
            for a key that the group lacks.
        overrides: How many overrides made the recipe, the seed not counted.
        started: When its first run started, ISO 8601 in UTC.
    """

    name: str
    recipe: str
    runs: tuple[RunDirectory, ...]
    seeds: tuple[int, ...]
    settings: dict[str, Any]
    switches: Switches = field(default_factory=dict)
    overrides: int = 0
    started: str = ""


@dataclass(frozen=True)
class Grouping:
    """All groups of a comparison.

    Attributes:
        groups: In the order in which the first run of each was given.
        remarks: What a reader must know: which runs were left out, and why.
    """

    groups: tuple[Group, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Trained:
    run: RunDirectory
    record: RunRecord
    config: dict[str, Any]
    recipe: str

    @property
    def seed(self) -> int:
        return self.record.seed or 0


def group_runs(runs: Sequence[RunDirectory]) -> Grouping:
    """Groups runs by what their results depend on besides the seed.

    Fingerprints are taken anew from the saved configurations, so that runs of other versions are
    judged by one rule. The fingerprint of the data stands for their place: the same photos may lie
    elsewhere for each run, and other photos at the same place make another group.

    A seed that ran twice in one group would count one result twice and feign certainty: only the
    run that finished, and of several the latest, is kept, and the others are remarked on.

    Args:
        runs: Training runs, in any state.

    Returns:
        The groups, with unique names.

    Raises:
        RunError: A record or a configuration is missing or damaged.
    """
    by_recipe: dict[str, list[_Trained]] = {}
    for run in runs:
        trained = _read(run)
        by_recipe.setdefault(trained.recipe, []).append(trained)
    remarks: list[str] = []
    members = [_one_of_each_seed(repeats, remarks) for repeats in by_recipe.values()]
    recipes = [_recipe(repeats[0]) for repeats in members]
    differing = differing_keys([recipe.settings for recipe in recipes])
    groups = [
        Group(
            name=name,
            recipe=recipe.fingerprint,
            runs=tuple(trained.run for trained in repeats),
            seeds=tuple(trained.seed for trained in repeats),
            settings={k: recipe.settings[k] for k in differing if k in recipe.settings},
            switches=switches,
            overrides=len(overridden(recipe.overrides)),
            started=min(trained.record.started for trained in repeats),
        )
        for repeats, recipe, (name, switches) in zip(
            members, recipes, name_all(recipes), strict=True
        )
    ]
    return Grouping(tuple(groups), tuple(remarks))


def nearest_group(groups: Sequence[Group]) -> Group:
    """The natural baseline: the group that the others differ least from.

    Args:
        groups: From one `group_runs`; at least one.

    Returns:
        The group with the fewest differing switches to all others together; of several the one
        made by the fewest overrides, then the one that started first, then the first by name.
    """
    return min(groups, key=lambda g: (_distance(g, groups), g.overrides, g.started, g.name))


def find_group(groups: Sequence[Group], baseline: str) -> Group:
    """Finds the group that a user means.

    Args:
        groups: From one `group_runs`.
        baseline: The name of a group, or overrides and keys of its configuration with their
            values, in any order and as many as are needed: ``sampler=natural,optimizer.lr=0.001``.

    Returns:
        The only group that fits.

    Raises:
        RunError: No group fits, or several do.
    """
    for group in groups:
        if group.name == baseline:
            return group
    wanted = _split(baseline)
    fitting = [group for group in groups if wanted and _fits(group, wanted)]
    if len(fitting) == 1:
        return fitting[0]
    listed = "".join(f"\n  {group.name}" for group in fitting or groups)
    if fitting:
        raise RunError(
            f"expected the baseline {baseline!r} to name one group of runs, got {len(fitting)}; "
            f"say more about the one that is meant:{listed}"
        )
    near = suggestion(baseline, (group.name for group in groups))
    raise RunError(
        f"expected the baseline {baseline!r} to name a group of runs, got none like it.{near} "
        f"The groups are:{listed}"
    )


def _split(overrides: str) -> list[str]:
    """At the commas that lie outside of brackets and quotes."""
    pieces = re.findall(r"""(?:'[^']*'|"[^"]*"|\[[^]]*\]|\{[^}]*\}|\([^)]*\)|[^,])+""", overrides)
    return [piece.strip() for piece in pieces if piece.strip()]


def _fits(group: Group, wanted: Sequence[str]) -> bool:
    record = read_record(group.runs[0])
    known: Switches = {k: as_text(v) for k, v in flattened(read_config(group.runs[0])).items()}
    known |= {key: as_text(option) for key, option in record.choices.items()}
    known |= overridden(record.overrides) | group.switches
    said = set(group.name.split(","))
    return all(part in said or _holds(known, part) for part in wanted)


def _holds(known: Switches, part: str) -> bool:
    key, _, value = part.lstrip("+").partition("=")
    shown = known.get(key)
    return shown is not None and _same(shown, value.strip("\"'").replace(" ", ""))


def _same(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)  # 1e-3 and 0.001
    except ValueError:
        return one.replace(" ", "").strip("\"'") == other


def _distance(one: Group, others: Sequence[Group]) -> int:
    return sum(
        one.switches.get(key) != other.switches.get(key)
        for other in others
        for key in one.switches.keys() | other.switches.keys()
    )


def _read(run: RunDirectory) -> _Trained:
    record, config = read_record(run), read_config(run)
    return _Trained(run, record, config, recipe_fingerprint(config, record.data.fingerprint))


def _one_of_each_seed(repeats: Sequence[_Trained], remarks: list[str]) -> list[_Trained]:
    """One run of each seed, in the order of seeds."""
    kept: dict[int, _Trained] = {}
    for this in sorted(repeats, key=_worth):
        if (before := kept.get(this.seed)) is not None:
            remarks.append(
                f"{before.run.path} is left out: {this.run.path} is the same recipe with the same "
                f"seed {this.seed}{_results(before.record, this.record)}."
            )
        kept[this.seed] = this
    return [kept[seed] for seed in sorted(kept)]


def _worth(this: _Trained) -> tuple[bool, str]:
    return this.record.state == "finished", this.record.started


def _results(before: RunRecord, this: RunRecord) -> str:
    if before.state != "finished":
        return f", and this one is {before.state}"
    same = repr(sorted(before.metrics.items())) == repr(sorted(this.metrics.items()))  # nan == nan
    return ", with the same results" if same else ", with OTHER results"


def _recipe(trained: _Trained) -> Recipe:
    flat = result_settings(trained.config, trained.record.data.fingerprint)
    return Recipe(
        fingerprint=trained.recipe,
        settings={key: value for key, value in flat.items() if key != "seed"},
        config=trained.config,
        overrides=tuple(trained.record.overrides),
        choices=trained.record.choices,
    )
