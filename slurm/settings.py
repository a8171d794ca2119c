"""The words of a cluster: `slurm.NAME=value` on the command line, or the same names in a site's file."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

SITE = "MTDA_SLURM"  # the environment's name for the site's file, if slurm.site= does not name one
SHORTEST = (
    30  # minutes: below, starting and stopping would be most of a job, and schedulers mistake stops for time-outs
)


class SettingsError(ValueError):
    """A word of the cluster is not understood; one line says what would be right."""


@dataclass(kw_only=True)
class Settings:
    """How a site runs jobs. A file of these names in YAML serves all sweeps of a site."""

    cluster: str = "slurm"  # or local: processes on this machine; debug: in this process, one after the other
    site: str = ""  # the YAML file that the other settings are taken from first
    partition: str = ""  # for jobs with a GPU
    cpu_partition: str = ""  # for jobs without; "": the same
    account: str = ""
    qos: str = ""
    constraint: str = ""
    gpus: int = 1  # on a node
    nodes: int = 1
    cpus: int = 8  # of a job with a GPU, on a node
    memory_gb: float = 0.0  # on a node; 0: the site's default
    minutes: int = 720  # after which the scheduler ends a job; a longer stage is requeued and continues
    parallel: int = 64  # jobs of an array that run at once
    array: int = 0  # jobs in an array at most; 0: ask the scheduler
    warn_seconds: int = 120  # between the signal and the end of the time
    python: str = ""  # a shell command: `apptainer exec --nv image.sif python`; "": this Python
    setup: list[str] = field(default_factory=list)  # shell lines before it: `module load cuda`
    options: dict[str, str] = field(default_factory=dict)  # further options of sbatch by name
    copy: bool = True  # run from a copy of the code: edits while jobs queue change nothing
    step_seconds: float = 0.5  # of a training step, where no record says it
    preemptions: float = 0.0  # expected in a GPU day, for the simulation


def split_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of the runs, and those of the cluster."""
    ours = [word for word in words if word.lstrip("+").startswith("slurm.")]
    return [word for word in words if word not in ours], ours


def read(words: Sequence[str]) -> Settings:
    """Defaults, then the site's file, then the words. SettingsError in one line."""
    given = [word.lstrip("+").removeprefix("slurm.") for word in words]
    named = [word.partition("=")[2] for word in given if word.startswith("site=")]
    file = named[-1] if named else os.environ.get(SITE, "")
    tree: Any = OmegaConf.structured(Settings)
    try:
        if file:
            tree = OmegaConf.merge(tree, _known(OmegaConf.load(Path(file).expanduser()), file))
        tree = OmegaConf.merge(tree, _known(OmegaConf.from_dotlist(given), "the command line"))
        found: Any = OmegaConf.to_object(tree)
    except OSError as error:
        raise SettingsError(f"slurm.site={file}: {error.strerror}; give the path of a YAML file") from None
    except OmegaConfBaseException as error:
        key = f"slurm.{error.full_key!s}: " if error.full_key else ""
        raise SettingsError(key + str(error).splitlines()[0]) from None
    settings: Settings = found
    _check(settings)
    return settings


def _known(tree: Any, where: str) -> Any:
    if not isinstance(values := OmegaConf.to_container(tree), Mapping):
        raise SettingsError(f"{where}: expected lines of `name: value`, got {type(values).__name__}")
    names = [f.name for f in fields(Settings)]
    for name in map(str, values):
        if name not in names:
            near = difflib.get_close_matches(name, names, 1, 0.5)
            hint = f"; did you mean slurm.{near[0]}?" if near else ""
            raise SettingsError(f'{where}: no word "slurm.{name!s}"{hint} known: {" ".join(names)}')
    return tree


def _check(settings: Settings) -> None:
    clusters = ("slurm", "local", "debug")
    if settings.cluster not in clusters:
        raise SettingsError(f"slurm.cluster={settings.cluster}: known are {' '.join(clusters)}")
    if settings.minutes < SHORTEST:
        raise SettingsError(f"slurm.minutes={settings.minutes} is too short; ask for {SHORTEST} or more: a stage that"
                            " takes longer is requeued and continues")  # fmt: skip
    if settings.cluster == "local" and settings.nodes > 1:
        raise SettingsError(f"slurm.nodes={settings.nodes} with slurm.cluster=local: one machine is one node")
    if min(settings.nodes, settings.parallel, settings.cpus) < 1 or min(settings.gpus, settings.array) < 0:
        raise SettingsError("slurm.nodes, slurm.cpus and slurm.parallel are at least 1, slurm.gpus and slurm.array 0")
    if not 0 < settings.warn_seconds < 60 * settings.minutes:
        raise SettingsError(
            f"slurm.warn_seconds={settings.warn_seconds} must be less than the {settings.minutes} minutes"
        )
