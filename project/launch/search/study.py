"""The study of a search: which trials there are, and what is known of each."""

import math
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from project.atomic import write_text
from project.errors import RunError
from project.launch.search.samplers import be_quiet, make_pruner, make_sampler
from project.launch.search.settings import Search
from project.launch.search.storage import open_storage, shown
from project.runs.fingerprint import can_change_a_result
from project.runs.lock import Lock
from project.runs.sweeps import SweepDirectory

_NOTHING = "nothing"
_FOLDER = "folder"


class SearchStudy:
    """The study of a search, shared by all launchers and trials of it.

    Args:
        search: The search.
        sweep: Directory of the sweep. A file in it is locked while trials are counted and made, so
            that launchers agree; those of another directory would not.

    Raises:
        ConfigError: If the storage cannot be opened.
        RunError: If there is a study of that name for another search, with the differences, or in
            another directory.
    """

    def __init__(self, search: Search, sweep: SweepDirectory) -> None:
        be_quiet()
        self._search = search
        self._sweep = sweep
        self._guard = sweep.own / "search.lock"
        with self.alone():
            self._study = optuna.create_study(
                storage=open_storage(search.storage),
                pruner=make_pruner(search.pruner, search.pruner_options),
                study_name=search.study,
                directions=[objective.direction for objective in search.objectives],
                load_if_exists=True,
            )
            self._agree()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Has the block run while no other launcher is in such a block."""
        lock = Lock.take(self._guard, seconds=math.inf)
        assert lock is not None
        try:
            yield
        finally:
            lock.release()

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials, by number."""
        return self._study.get_trials(deepcopy=False)

    def ask(self) -> FrozenTrial:
        """Makes the next trial, or takes one from the queue, and chooses its parameters."""
        self._place_sampler(len(self.trials))
        return self._chosen(self._study.ask())

    def completed(self, trial: FrozenTrial) -> FrozenTrial:
        """Chooses the parameters that a trial lacks, because it was made by a process that died.

        Args:
            trial: Any that has not ended.
        """
        if self._search.space.parameters.keys() <= trial.params.keys():
            return trial
        self._place_sampler(trial.number)
        identity = trial._trial_id  # noqa: SLF001 - as `ask` makes it
        return self._chosen(optuna.Trial(self._study, identity))

    def note(self, trial: FrozenTrial, notes: Mapping[str, Any]) -> None:
        """Keeps facts with a trial that has not ended."""
        for key, value in notes.items():
            self._study._storage.set_trial_user_attr(trial._trial_id, key, value)  # noqa: SLF001

    def tell(self, number: int, state: TrialState, values: Sequence[float] | None = None) -> None:
        """Ends a trial, unless another launcher has.

        Args:
            number: Of the trial.
            state: How it ended.
            values: Of the objectives, if it is complete.
        """
        self._study.sampler = RandomSampler()  # that of a grid would want to stop a loop
        self._study.tell(number, values, state, skip_if_finished=True)

    def importances(self) -> dict[str, float]:
        """How much of the first objective's spread each parameter explains, the largest first.

        Raises:
            ValueError: If there are too few trials to tell.
            RuntimeError: If all trials reached the same.
        """
        many = len(self._search.objectives) > 1
        target = (lambda trial: float(trial.values[0])) if many else None
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        found = optuna.importance.get_param_importances(
            self._study, evaluator=evaluator, target=target
        )
        return {key: float(value) for key, value in found.items()}

    @property
    def best(self) -> list[FrozenTrial]:
        """The best trial; with several objectives, all that no other beats in each of them."""
        complete = [trial for trial in self.trials if trial.state is TrialState.COMPLETE]
        if not complete:
            return []
        if len(self._search.objectives) == 1:
            return [self._study.best_trial]
        return self._study.best_trials

    def _chosen(self, trial: optuna.Trial) -> FrozenTrial:
        """Chooses what is not chosen yet, the same whenever that is done."""
        self._place_sampler(trial.number)
        _ = trial.relative_params  # drawn together, whatever of them has been kept already
        for place, (key, kind) in enumerate(self._search.space.parameters.items()):
            self._place_sampler(trial.number, place)
            _suggest(trial, key, kind)
        return self.trials[trial.number]

    def _place_sampler(self, *place: int) -> None:
        search = self._search
        self._study.sampler = make_sampler(
            search.sampler, search.sampler_options, search.space, search.seed, *place
        )

    def _agree(self) -> None:
        """Keeps what the search is with a new study, and compares it with that of an old one."""
        now = _kept(self._search)
        then = self._study.user_attrs
        if "parameters" not in then and not self.trials:
            self._agree_on_folder()
            for key, value in now.items():
                self._study.set_user_attr(key, value)
            return
        changes = [
            f"\n  {what}: {then.get(what, _NOTHING)} there, {now[what]} here"
            for what in ("objectives", "overrides")
            if then.get(what) != now[what]
        ]
        changes += _changed_parameters(then.get("parameters", {}), now["parameters"])
        if changes:
            raise RunError(
                f"{shown(self._search.storage)} holds the study {self._search.study} of another "
                f"search, which stays as it is:{''.join(changes)}\nChoose another folder with "
                "hydra.sweep.dir=<folder>, or another study with hydra.sweeper.study_name=<name>."
            )
        self._agree_on_folder()

    def _agree_on_folder(self) -> None:
        """Keeps whose the study is, or refuses that of another folder.

        Whether the launcher of a trial is alive can be seen in its own folder only.
        """
        here = {"host": socket.gethostname(), "path": str(self._sweep.path.absolute())}
        mark = self._mark()
        there = self._study.user_attrs.get(_FOLDER)
        if there is None:
            self._study.set_user_attr(_FOLDER, {**here, "mark": mark})
        elif there["mark"] != mark and any(there[key] != here[key] for key in here):
            raise RunError(
                f"{shown(self._search.storage)} holds the study {self._search.study} of the sweep "
                f"in {there['path']} on {there['host']}, expected one of {here['path']} on "
                f"{here['host']}. Go on there, or choose another study with "
                "hydra.sweeper.study_name=<another>."
            )

    def _mark(self) -> str:
        """What tells the sweep's folder from all others, by whatever path it is reached."""
        file = self._sweep.own / "search.id"
        if not file.exists():
            write_text(file, uuid.uuid4().hex)
        return file.read_text(encoding="utf-8")


def _kept(search: Search) -> dict[str, Any]:
    """What must be the same whenever the search goes on."""
    return {
        "objectives": [f"{one.direction} {one.name}" for one in search.objectives],
        "overrides": [
            word
            for word in search.space.fixed
            if can_change_a_result(word.lstrip("+~").partition("=")[0])
        ],
        # Last, as its being there says that all is there.
        "parameters": search.space.described(),
    }


def _changed_parameters(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [
        f"\n  {key}: {then.get(key, _NOTHING)} there, {now.get(key, _NOTHING)} here"
        for key in dict.fromkeys([*then, *now])
        if then.get(key) != now.get(key)
    ]


def _suggest(trial: optuna.Trial, key: str, kind: Any) -> None:
    """Has a trial choose a parameter, or keep what it has chosen."""
    if isinstance(kind, CategoricalDistribution):
        trial.suggest_categorical(key, kind.choices)
    elif isinstance(kind, IntDistribution):
        trial.suggest_int(key, kind.low, kind.high, step=kind.step, log=kind.log)
    else:
        assert isinstance(kind, FloatDistribution)
        trial.suggest_float(key, kind.low, kind.high, step=kind.step, log=kind.log)
