"""Measures a finished run again, on its own photos or on others."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from project import build
from project.checking import check
from project.commands.recorded import (
    Origin,
    describe_split,
    log_agreement,
    metrics_of,
    recorded,
    report,
    task_overrides,
)
from project.data.catalog.catalog import SPLITTING
from project.errors import ConfigError, RunError, suggestion
from project.launch.processes import ctrl_c_raises, first_process
from project.runs.directory import RunDirectory
from project.runs.metric_names import NAMED_TEST
from project.runs.record import RunRecord, read_record
from project.runs.saved_config import read_config

_SPLITS = ("train", "val", "test")
_UNUSED = ("classes", *SPLITTING, "split_seed")  # where a run is evaluated on other photos
_LOOK = ("size", "crop", "interpolation", "crop_area", "crop_aspect")  # what the model was used to


def evaluate(cfg: DictConfig) -> RunRecord:
    """Evaluates the weights of a run; writes predictions, figures and a record of its own.

    Args:
        cfg: A composed ``evaluate`` configuration.

    Returns:
        The record of the evaluation; its metrics carry the name of the split.

    Raises:
        EvenhandError: If the run, its checkpoint or the photos cannot be used.
    """
    directory = RunDirectory(Path(cfg.paths.run))
    with recorded(cfg, directory, Origin(kind="evaluation")) as record:
        of_run = RunDirectory.open(Path(cfg.run))
        run = read_record(of_run)
        record.headline = run.headline
        weights = of_run.existing_checkpoint(cfg.checkpoint)
        if not run.classes:
            raise RunError(f"{of_run.path}: the run ended before it knew its classes. Train again.")
        own_data = "_target_" not in cfg.data
        merged = _merged(cfg, of_run)
        split = _split(cfg.data.split, merged)
        check(merged)
        with record.stage("scan"):
            data = build.datamodule(merged)
            data.freeze(run.classes, split, of_run.splits_file if own_data else None)
            describe_split(record, data, run, split)
        model = build.classifier(merged, run.classes, list(run.counts["train"].values()))
        model.test_stage = split
        trainer = build.trainer(merged, directory, data, training=False)
        with record.stage("test"), ctrl_c_raises(trainer):
            trainer.test(model, data, ckpt_path=str(weights), weights_only=True, verbose=False)
        record.metrics = metrics_of(trainer)
    if first_process():
        report(directory, record)
        if own_data and cfg.checkpoint == "best":
            log_agreement(record.metrics, run.metrics, "the run")
    return record


def _split(name: str, merged: DictConfig) -> str:
    """The name of a split, or of a test set that the run or this command line names."""
    known = [*_SPLITS, *(f"{NAMED_TEST}{one}" for one in merged.data.get("tests") or {})]
    if name not in known:
        raise ConfigError(
            f"data.split: expected one of {', '.join(known)}, got {name!r}."
            f"{suggestion(str(name), known)}"
        )
    return name


def _merged(cfg: DictConfig, run: RunDirectory) -> DictConfig:
    """The run's configuration, with today's data, paths and placement."""
    merged = OmegaConf.create(read_config(run))
    chosen = {str(k): v for k, v in cfg.data.items_ex(resolve=False) if k != "split"}
    if "_target_" in chosen:
        overridden = {o.partition("=")[0] for o in task_overrides()}
        if unused := overridden & {f"data.{key}" for key in _UNUSED}:
            raise ConfigError(
                f"{', '.join(sorted(unused))}: not used when a run is evaluated on other photos, "
                "which keep its classes and their own splits. Choose with data.split."
            )
        look = {k: merged.data[k] for k in _LOOK if f"data.{k}" not in overridden}
        merged.data = {**chosen, **look}
    else:
        tests = {**(merged.data.get("tests") or {}), **(chosen.pop("tests", None) or {})}
        merged.data.update({k: v for k, v in chosen.items() if v is not None})
        merged.data.update({"tests": tests} if tests else {})
    merged.paths = cfg.paths
    merged.trainer.update(strategy="auto", num_nodes=1, sync_batchnorm=False)
    merged.trainer.update(cfg.trainer)
    for key, nothing in (("pretrained", False), ("checkpoint_path", None)):
        if key in merged.model:  # the weights are the run's
            merged.model[key] = nothing
    return merged
