"""The parts and which of them may import which."""

import ast
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

import project

PACKAGE = Path(project.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# Each part and the parts below it, which it may import. Every part may import what is for all.
BELOW = {
    "data": set(),
    "models": set(),
    "runs": set(),
    "stats": set(),
    "callbacks": {"runs"},
    "report": {"runs", "stats"},
    "launch": {"runs"},
}
FOR_ALL = {"errors", "memory", "atomic"}
HYDRA_MAY = {
    "build", "checking", "choosing", "commands", "launch",
    "train", "evaluate", "rerun", "compare", "sweep", "cache", "prepare", "fingerprints",
}  # fmt: skip
HEAVY = (
    "torch", "pytorch_lightning", "timm", "albumentations", "wandb", "matplotlib", "pandas", "scipy"
)  # fmt: skip


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("project", include_external_packages=True, cache_dir=None)


def part_of(module: str) -> str:
    names = module.split(".")
    return names[1] if len(names) > 1 else ""


def imports(graph: grimp.ImportGraph) -> list[tuple[str, str]]:
    return [
        (importer, imported)
        for importer in graph.modules
        if importer.startswith("project")
        for imported in graph.find_modules_directly_imported_by(importer)
    ]


@pytest.mark.parametrize("part", sorted(BELOW))
def test_part_imports_only_what_lies_below_it(graph: grimp.ImportGraph, part: str) -> None:
    reached = {
        part_of(imported)
        for importer, imported in imports(graph)
        if part_of(importer) == part and imported.startswith("project.")
    }
    assert reached - {part} - FOR_ALL <= BELOW[part]


def test_every_folder_of_the_package_is_a_known_part() -> None:
    folders = {f.name for f in PACKAGE.iterdir() if f.is_dir() and f.name != "__pycache__"}
    assert folders == {*BELOW, "commands"}


def test_only_entry_points_import_what_the_commands_do(graph: grimp.ImportGraph) -> None:
    importing = {
        part_of(importer)
        for importer, imported in imports(graph)
        if part_of(imported) == "commands"
    }
    assert importing == {"commands", "train", "evaluate", "rerun", "compare", "prepare"}


@pytest.mark.parametrize("bottom", sorted(FOR_ALL))
def test_what_all_may_import_imports_nothing_but_errors(
    graph: grimp.ImportGraph, bottom: str
) -> None:
    found = graph.find_modules_directly_imported_by(f"project.{bottom}")
    ours = {name for name in found if name.startswith("project.")}
    assert ours <= ({"project.errors"} if bottom != "errors" else set())


def test_only_entry_points_build_and_launch_know_hydra(graph: grimp.ImportGraph) -> None:
    knowing = {
        part_of(importer)
        for importer, imported in imports(graph)
        if imported in ("hydra", "omegaconf")
    }
    assert knowing <= HYDRA_MAY


def test_only_build_instantiates() -> None:
    calling = [
        file.relative_to(PACKAGE).as_posix()
        for file in MODULES
        if any(
            isinstance(node, ast.ImportFrom)
            and node.module in ("hydra.utils", "project.launch.cli.hydra_versions")
            and "instantiate" in {alias.name for alias in node.names}
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        )
    ]
    assert calling == ["build.py"]


def test_no_import_goes_in_a_circle(graph: grimp.ImportGraph) -> None:
    modules = [name for name in graph.modules if name.startswith("project.")]
    circles = [
        (one, other)
        for one in modules
        for other in graph.find_modules_directly_imported_by(one)
        if other.startswith("project.") and graph.chain_exists(importer=other, imported=one)
    ]
    assert not circles


@pytest.mark.parametrize(
    "entry", ["train", "evaluate", "rerun", "compare", "sweep", "cache", "prepare"]
)
def test_entry_point_starts_without_heavy_imports(entry: str) -> None:
    code = f"import sys, project.{entry}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not [name for name in HEAVY if name in loaded]


def test_every_file_is_linted() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--show-files"]
    root = PACKAGE.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    missed = {*MODULES, *(root / "tests").rglob("*.py")} - set(map(Path, done.stdout.splitlines()))
    assert not missed


def test_no_file_is_a_drawer_for_anything() -> None:
    names = {file.stem for file in MODULES}
    assert not names & {"utils", "util", "helpers", "helper", "manager", "misc", "common"}


def test_tests_mirror_the_package() -> None:
    tests = Path(__file__).parent
    known = {file.relative_to(PACKAGE).with_suffix("") for file in MODULES}
    orphans = [
        file.relative_to(tests).as_posix()
        for file in tests.glob("*/**/test_*.py")
        if file.relative_to(tests).parent / file.stem.removeprefix("test_") not in known
    ]
    # Of W&B under all launchers, of all sources alike, and of the options in conf/.
    assert sorted(orphans) == [
        "callbacks/tracking/test_sweeps.py",
        "data/sources/test_all_sources.py",
        "models/test_presets.py",
    ]
