from copy import deepcopy
from typing import Any

import pytest

from project.errors import RunError
from project.runs.groups import Group, find_group, group_runs, nearest_group
from tests.left_runs import MakeRun

CONFIG: dict[str, Any] = {
    "seed": 1,
    "data": {"root": "/photos", "num_workers": 0, "size": 24},
    "sampler": {"_target_": "Power", "q": 1.0},
    "oversampling": {"_target_": "Oversampling", "factors": None, "transforms": None},
    "optimizer": {"_target_": "AdamW", "lr": 0.001},
    "trainer": {"devices": 1},
    "logger": {},
    "paths": {"run": "/somewhere"},
}
NODES: dict[str, Any] = {
    "oversampling=none": {},
    "oversampling=copy": {"oversampling.factors": {"outer": 4}},
    "oversampling=color": {
        "oversampling.factors": {"outer": 4},
        "oversampling.transforms": {"hue": 0.1, "saturation": 0.2},
    },
    "sampler=natural": {},
    "sampler=balanced": {"sampler.q": 0.0},
}


def config(**changes: Any) -> dict[str, Any]:
    """The configuration with other values; a double underscore stands for the dot."""
    changed = deepcopy(CONFIG)
    for key, value in changes.items():
        *parents, last = key.replace("__", ".").split(".")
        node = changed
        for parent in parents:
            node = node[parent]
        node[last] = value
    return changed


@pytest.fixture
def train(make_run: MakeRun) -> Any:
    """``train("oversampling=copy", "seed=2", **facts)`` leaves a run of the overrides."""
    count = iter(range(100))

    def trained(*overrides: str, **facts: Any) -> Any:
        changes: dict[str, Any] = {}
        for override in overrides:
            key, _, value = override.partition("=")
            changes |= NODES.get(override, {} if key in CONFIG and key != "seed" else {key: value})
        changes = {k: int(v) if k == "seed" else v for k, v in changes.items()}
        return make_run(f"runs/{next(count)}", config(**changes), overrides, **facts)

    return trained


def names(groups: tuple[Group, ...]) -> list[str]:
    return [group.name for group in groups]


def test_runs_that_differ_in_their_seed_are_one_group(train: Any) -> None:
    runs = [train("sampler=balanced", f"seed={seed}") for seed in (2, 1, 3)]
    (group,) = group_runs(runs).groups
    assert group.seeds == (1, 2, 3)
    assert group.runs == (runs[1], runs[0], runs[2])
    assert group.name == "sampler=balanced"
    assert group.settings == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data.cache", "none"),
        ("data.cache_limit_gb", 5),
        ("data.num_workers", 4),
        ("paths.run", "/elsewhere"),
        ("logger", {"wandb": {"mode": "offline"}}),
        ("trainer.devices", [1]),  # one, in another slot
        ("data.root", "/moved"),  # the same photos
        ("headline", "recall/hat"),
    ],
)
def test_what_cannot_change_a_result_does_not_split_a_group(
    make_run: MakeRun, key: str, value: object
) -> None:
    runs = [make_run("a", CONFIG), make_run("b", config(**{"seed": 2, key: value}))]
    assert len(group_runs(runs).groups) == 1


def test_other_photos_at_the_same_place_are_another_group(train: Any) -> None:
    runs = [train(data="some"), train("seed=2", data="others")]
    groups = group_runs(runs).groups
    assert [g.settings for g in groups] == [
        {"data.fingerprint": "some"},
        {"data.fingerprint": "others"},
    ]
    assert names(groups) == ["fingerprint=some", "fingerprint=others"]


def test_photos_of_a_run_that_never_saw_them_are_known_by_their_place(make_run: MakeRun) -> None:
    runs = [make_run(r, config(data__root=r), data="", state="failed") for r in ("a", "b")]
    assert names(group_runs(runs).groups) == ["root=a", "root=b"]


def test_groups_are_named_after_the_overrides_that_differ(train: Any) -> None:
    runs = [
        train("data.size=24", f"oversampling={o}", f"sampler={s}", f"seed={seed}")
        for o in ("none", "copy")
        for s in ("natural", "balanced")
        for seed in (1, 2)
    ]
    assert names(group_runs(runs).groups) == [
        "oversampling=none,sampler=natural",
        "oversampling=none,sampler=balanced",
        "oversampling=copy,sampler=natural",
        "oversampling=copy,sampler=balanced",
    ]


def test_a_group_without_an_override_is_named_by_the_option_that_it_had(train: Any) -> None:
    runs = [train(choices={"oversampling": "none"}), train("oversampling=copy")]
    assert names(group_runs(runs).groups) == ["oversampling=none", "oversampling=copy"]


def test_an_option_that_nothing_tells_is_the_default(train: Any) -> None:
    runs = [train(), train("oversampling=copy")]
    assert names(group_runs(runs).groups) == ["oversampling=default", "oversampling=copy"]


def test_values_come_from_the_configuration_where_nobody_overrode_them(make_run: MakeRun) -> None:
    runs = [
        make_run("a", config()),
        make_run("b", config(optimizer__lr=0.1), ["optimizer.lr=1e-1"]),
    ]
    assert names(group_runs(runs).groups) == ["lr=0.001", "lr=0.1"]


def test_a_key_that_a_group_lacks_is_named_so(make_run: MakeRun) -> None:
    added = config(**{"sampler.draws": 9})
    groups = group_runs([make_run("a", CONFIG), make_run("b", added, ["+sampler.draws=9"])]).groups
    assert names(groups) == ["no_draws", "draws=9"]
    assert [g.settings for g in groups] == [{}, {"sampler.draws": 9}]


def test_runs_without_overrides_are_named_after_keys_that_differ(make_run: MakeRun) -> None:
    runs = [make_run(str(size), config(data__size=size)) for size in (24, 32)]
    assert names(group_runs(runs).groups) == ["size=24", "size=32"]


def test_an_experiment_names_the_group_that_it_made(make_run: MakeRun) -> None:
    made = make_run("a", config(sampler__q=0.5), ["experiment=mine"])
    groups = group_runs([make_run("b", CONFIG, choices={"experiment": None}), made]).groups
    assert names(groups) == ["experiment=null", "experiment=mine"]


def test_names_stay_unique_where_words_cannot_tell_values_apart(make_run: MakeRun) -> None:
    runs = [make_run(name, config(data__size=s)) for name, s in (("a", 24), ("b", "24"))]
    first, second = names(group_runs(runs).groups)
    assert first != second
    assert first.startswith("size=24-")


def test_settings_list_all_keys_that_a_switch_changed(train: Any) -> None:
    groups = group_runs([train(), train("oversampling=color")]).groups
    assert groups[1].settings == {
        "oversampling.factors.outer": 4,
        "oversampling.transforms.hue": 0.1,
        "oversampling.transforms.saturation": 0.2,
    }


def test_a_seed_that_ran_twice_counts_once(train: Any) -> None:
    first, second, failed = (
        train(started="2024-01-01"),
        train(started="2024-01-02"),
        train(started="2024-01-03", state="failed"),
    )
    grouping = group_runs([second, failed, first])
    assert grouping.groups[0].runs == (second,)
    assert len(grouping.remarks) == 2
    assert f"{failed.path} is left out: {first.path} is the same" in grouping.remarks[0]
    assert grouping.remarks[0].endswith("seed 1, and this one is failed.")
    assert grouping.remarks[1].endswith("same seed 1, with the same results.")


def test_a_repeat_with_other_results_is_called_out(train: Any) -> None:
    runs = [train(metrics={"test/accuracy": value}) for value in (0.5, 0.6)]
    assert group_runs(runs).remarks[0].endswith("with OTHER results.")


def test_photos_that_nobody_knows_are_not_taken_for_the_same(train: Any) -> None:
    runs = [train(data="x"), train("seed=2", data="")]
    assert len(group_runs(runs).groups) == 2  # nobody knows whether the photos are the same


def test_baseline_is_the_group_that_the_others_differ_least_from(train: Any) -> None:
    runs = [
        train("oversampling=color", "sampler=balanced"),
        train("oversampling=none", "sampler=balanced"),
        train("oversampling=none", "sampler=natural"),
        train("oversampling=copy", "sampler=balanced"),
    ]
    assert nearest_group(group_runs(runs).groups).name == "oversampling=none,sampler=balanced"


def test_of_two_near_baselines_the_one_with_fewer_overrides_is_taken(train: Any) -> None:
    runs = [train("oversampling=copy"), train()]
    assert nearest_group(group_runs(runs).groups).name == "oversampling=default"


def test_of_equals_the_first_to_start_is_the_baseline(train: Any) -> None:
    runs = [train("sampler=balanced", started="2"), train("sampler=natural", started="1")]
    assert nearest_group(group_runs(runs).groups).name == "sampler=natural"


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        ("oversampling=none,sampler=natural", 0),
        ("sampler=natural, oversampling=copy", 2),
        ("oversampling=color", 3),
        ("oversampling.transforms.hue=1e-1", 3),
        ("sampler.q=0,oversampling.factors=null", 1),
    ],
)
def test_a_group_is_found_by_name_overrides_or_keys(
    train: Any, baseline: str, expected: int
) -> None:
    recipes = [
        ("none", "natural"), ("none", "balanced"), ("copy", "natural"), ("color", "natural")
    ]  # fmt: skip
    groups = group_runs([train(f"oversampling={o}", f"sampler={s}") for o, s in recipes]).groups
    assert find_group(groups, baseline) is groups[expected]


def test_lists_and_quotes_are_no_obstacle(make_run: MakeRun) -> None:
    runs = [make_run(str(s), config(data__size=s), [f"data.size={s}"]) for s in ([8, 9], [8, 8])]
    groups = group_runs(runs).groups
    assert find_group(groups, "data.size=[8, 9],sampler._target_='Power'") is groups[0]


def test_a_baseline_that_fits_several_groups_lists_them(train: Any) -> None:
    recipes = [("none", "natural"), ("none", "balanced"), ("copy", "natural")]
    groups = group_runs([train(f"oversampling={o}", f"sampler={s}") for o, s in recipes]).groups
    with pytest.raises(RunError, match=r"one group of runs, got 2; .*:\n  oversampling=none,s.*\n"):
        find_group(groups, "oversampling=none")


def test_a_baseline_that_fits_nothing_lists_the_groups(train: Any) -> None:
    groups = group_runs([train("oversampling=none"), train("oversampling=copy")]).groups
    with pytest.raises(
        RunError,
        match=r'none like it\. Did you mean "oversampling=copy"\? The groups are:\n  oversampling=',
    ):
        find_group(groups, "oversampling=cpy")


def test_value_with_a_comma_names_a_group_in_quotes(make_run: MakeRun) -> None:
    runs = [
        make_run(name, {"seed": 1, "note": note}, [f"note={note}"])
        for name, note in (("one", "'a,b'"), ("two", "c"))
    ]
    groups = group_runs(runs).groups
    assert find_group(groups, "note='a,b'") is groups[0]
