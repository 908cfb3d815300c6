"""Writes the split of raw photos as folders or as a file, and proves that nothing was lost."""

import logging
from pathlib import Path
from typing import Any, get_args

from omegaconf import DictConfig, OmegaConf
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from project import build
from project.checking import FOR_SOURCES, check_part
from project.commands.recorded import task_overrides
from project.data.catalog.catalog import SPLITTING, Catalog, build_catalog
from project.data.catalog.split_file import splits_from_file
from project.data.preparation.links import Link
from project.data.preparation.placement import placed, placed_csv
from project.data.preparation.tree import LISTED, Tree
from project.data.progress import bars
from project.data.sources import Source
from project.data.sources.listing import SPLITS, absolute, first_few
from project.errors import ConfigError, DataError, suggestion
from project.launch.cli.quoting import path_override
from project.launch.composition.overlay import key_of

log = logging.getLogger(__name__)

_WRITE = ("folders", "split_file")
_DECIDING = ("class_map", "classes", *SPLITTING)
_READING = ("on_bad_image", "max_pixels")
_USED = {"root", "source", "download", "split_seed", *FOR_SOURCES, *_DECIDING, *_READING}


def prepare(cfg: DictConfig) -> Catalog:
    """Splits photos as training would, and writes the split.

    Args:
        cfg: A composed ``prepare`` configuration.

    Returns:
        The photos as they were read, with class and split.

    Raises:
        EvenhandError: If a value cannot be used, the photos cannot, or the folder cannot be written
            or holds something else.
        KeyboardInterrupt: After Ctrl-C; the same command goes on.
    """
    _check(cfg)
    with bars(shown=cfg.progress):
        return _prepared(cfg)


def _prepared(cfg: DictConfig) -> Catalog:
    source = _source(cfg)
    place = absolute(str(cfg.to))
    _refuse_nested(source.root, place)
    data: dict[str, Any] = OmegaConf.to_container(cfg.data, resolve=True)  # type: ignore[assignment]
    catalog = build_catalog(
        source,
        cache_dir=cfg.paths.cache,
        seed=data["split_seed"],
        **{key: data[key] for key in (*_DECIDING, *_READING)},
    )
    tree = Tree(place, _settings(cfg, data, catalog))
    try:
        with tree.claimed():
            if cfg.write == "folders":
                _write_folders(tree, catalog, cfg.link)
            else:
                _write_file(tree, catalog)
            tree.complete()
    except KeyboardInterrupt:
        log.warning("The same command goes on where this one was stopped.")
        raise
    _report(catalog, place, cfg.write)
    return catalog


def _check(cfg: DictConfig) -> None:
    for key, known in (("write", _WRITE), ("link", get_args(Link))):
        if cfg[key] not in known:
            raise ConfigError(
                f"{key}: expected one of {', '.join(known)}, got {cfg[key]!r}."
                f"{suggestion(str(cfg[key]), known)}"
            )
    if cfg.write == "split_file" and cfg.link != "copy":
        raise ConfigError(
            f"link={cfg.link}: no photo is copied or linked for write=split_file. Leave link out, "
            "or take write=folders."
        )
    keys = [key_of(override).split(".") for override in task_overrides()]
    unused = sorted({key[1] for key in keys if key[0] == "data" and len(key) > 1} - _USED)
    if unused:
        raise ConfigError(
            f"data.{unused[0]}: not used when photos are prepared, but when they are trained on. "
            f"Used are {', '.join(f'data.{key}' for key in sorted(_USED))}."
        )


def _source(cfg: DictConfig) -> Source:
    if cfg.source is not None:
        cfg.data.root = str(cfg.source)
    if OmegaConf.is_missing(cfg.data, "root"):
        raise ConfigError("source: a value is needed and none was given. Add source=<folder>.")
    check_part(cfg, "data")
    known = {} if cfg.data.get("download") is None else {"download": cfg.data.download}
    source: Source = build.part(cfg.data, "source")(root=cfg.data.root, **known)
    return source


def _refuse_nested(root: Path, place: Path) -> None:
    one, other = root.resolve(), place.resolve()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise ConfigError(
            f"to: expected a folder apart from the photos in {root}, got {place}. Set to=<folder> "
            "to another place."
        )


def _settings(cfg: DictConfig, data: dict[str, Any], catalog: Catalog) -> dict[str, Any]:
    """All that decides about what is written, the contents of the photos included."""
    return {
        "source": str(catalog.root.resolve()),
        "images": len(catalog),
        "write": cfg.write,
        "link": cfg.link,
        **{key: data[key] for key in _DECIDING},
        "split_seed": data["split_seed"],
        "fingerprint": catalog.fingerprint,
    }


def _write_folders(tree: Tree, catalog: Catalog, link: Link) -> None:
    plan = placed(catalog)
    brought = tree.fill(catalog.root, plan, link)
    tree.write(LISTED, placed_csv(catalog, plan))
    tree.verify(plan)
    log.info("Verified: %d photos, %d of them were there already.", len(plan), len(plan) - brought)


def _write_file(tree: Tree, catalog: Catalog) -> None:
    tree.write(LISTED, catalog.splits_csv())
    read = splits_from_file(tree.path / LISTED, catalog.paths, set(catalog.skipped))
    if not (read == catalog.splits).all():
        raise DataError(
            f'"{tree.path / LISTED}" is not what was written. Start the same command again.'
        )


def _report(catalog: Catalog, place: Path, write: str) -> None:
    console = Console()
    console.print(_table(catalog))
    lines = [f"{len(catalog):,} photos of {catalog.root}, each once, in {place}"]
    if catalog.skipped:
        few = first_few(sorted(catalog.skipped))
        lines.append(f"Left out: {len(catalog.skipped):,} unusable photos, {few}.")
    lines += catalog.remarks()
    if write == "folders":
        root = path_override("data.root", place)
        lines.append(f"Train on them: python -m project.train data=folder {root}")
    else:
        root = path_override("data.root", catalog.root)
        file = path_override("data.split_file", place / LISTED)
        lines.append(f"Train with it: {root} {file}")
    for line in lines:
        console.print(Text(line), soft_wrap=True)


def _table(catalog: Catalog) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("class", overflow="fold")
    for heading in (*SPLITS, "all"):
        table.add_column(heading, justify="right", no_wrap=True)
    counts = [catalog.counts(split) for split in ("train", "val", "test")]
    for name in catalog.classes:
        row = [one[name] for one in counts]
        table.add_row(Text(name), *(f"{number:,}" for number in (*row, sum(row))))
    totals = [sum(one.values()) for one in counts]
    table.add_row("all", *(f"{number:,}" for number in (*totals, sum(totals))))
    return table
