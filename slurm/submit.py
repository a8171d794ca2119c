"""Jobs to submitit: one array for each level and kind of resources on Slurm; one after the other elsewhere."""

from __future__ import annotations

import gc
import json
import os
import shlex
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError

from slurm import copies, scheduler
from slurm.job import DONE, FAILED, run
from slurm.scheduler import job_name
from slurm.settings import Settings
from slurm.sweep import JOB, SUBMITTED, Job, Sweep, note_submission, replace

LOGS = "submitit"  # a folder of the sweep


class SubmitError(RuntimeError):
    """The scheduler refused; nothing of this command is left in its queue."""


@dataclass(frozen=True)
class Resources:
    """What a node must have for a job; jobs that ask for the same make an array."""

    nodes: int
    gpus: int  # on a node
    partition: str


@dataclass(frozen=True)
class Array:
    """Jobs to be submitted at once, after others."""

    level: int
    resources: Resources
    jobs: tuple[Job, ...]
    parallel: int  # of them at once


def resources(job: Job, settings: Settings) -> Resources:
    cpu_partition = settings.cpu_partition or settings.partition
    if job.work == "stage":
        return Resources(settings.nodes, settings.gpus, settings.partition)
    if job.work == "predict" and settings.gpus:
        return Resources(1, 1, settings.partition)
    return Resources(1, 0, settings.partition if job.gpu else cpu_partition)


def arrays(jobs: Sequence[Job], settings: Settings, largest: int) -> list[Array]:
    """Jobs by level and resources, cut at the largest array; the cuts share the parallelism."""
    grouped: dict[tuple[int, Resources], list[Job]] = {}
    for job in jobs:
        grouped.setdefault((job.level, resources(job, settings)), []).append(job)
    found = []
    for (level, asked), members in sorted(grouped.items(), key=lambda item: (item[0][0], str(item[0][1]))):
        cuts = [tuple(members[i : i + largest]) for i in range(0, len(members), largest)]
        parallel = max(1, settings.parallel // len(cuts))
        found += [Array(level, asked, cut, parallel) for cut in cuts]
    return found


def submit(sweep: Sweep, jobs: Sequence[Job], settings: Settings, queued: Mapping[str, str]) -> list[Array]:
    """Submit on Slurm. queued: {job: id} of what is in the queue already. SubmitError: then nothing was submitted."""
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise SubmitError("sbatch and srun are not here: run this on a login node of the cluster, or say"
                          " slurm.cluster=local")  # fmt: skip
    planned = arrays(jobs, settings, settings.array or scheduler.largest_array())
    write_folders(sweep, jobs, settings)
    ids, before = dict(queued), _content(sweep.folder / SUBMITTED)
    fresh: list[str] = []
    try:
        for array in planned:
            given = one_array(sweep, array, settings, ids)
            fresh += given.values()
            ids |= given
            note_submission(sweep.folder, "slurm", given)
    except (FailedJobError, FailedSubmissionError, OSError) as error:
        left = scheduler.cancel({name.partition("_")[0] for name in fresh}) if fresh else ""
        replace(sweep.folder / SUBMITTED, before)
        tail = f"; still in the queue, for scancel failed ({left}): {' '.join(fresh)}" if left else ""
        raise SubmitError(f"{_refusal(error)}; nothing was submitted{tail}") from error
    return planned


def one_array(sweep: Sweep, array: Array, settings: Settings, ids: Mapping[str, str]) -> dict[str, str]:
    """Submit one array after the arrays of what its jobs need; {job: id}.

    `afterany`, and each job looks for its own needs when it starts: under `afterok` one failure would keep a whole
    level from starting.
    """
    needs = {ids[need].partition("_")[0] for job in array.jobs for need in job.needs if need in ids}
    maker = executor(sweep, array.resources, array.parallel, settings, sorted(needs, key=int))
    with maker.batch():
        handed = [maker.submit(run, str(sweep.of(job))) for job in array.jobs]
    return {job.name: one.job_id for job, one in zip(array.jobs, handed, strict=True)}


def executor(
    sweep: Sweep, asked: Resources, parallel: int, settings: Settings, after: Sequence[str] = (), slot: int = 0
) -> submitit.Executor:
    """submitit's, with all that a job may use said explicitly. slot: on this machine, which GPUs."""
    cluster = settings.cluster
    if cluster == "local":  # the automatic one would not let jobs have different GPUs
        here = submitit.LocalExecutor(sweep.folder / LOGS, python=settings.python or None)
        devices = [slot * asked.gpus + number for number in range(asked.gpus)]
        here.update_parameters(
            tasks_per_node=1, timeout_min=settings.minutes, gpus_per_node=asked.gpus, visible_gpus=devices,
            signal_delay_s=settings.warn_seconds, stderr_to_stdout=True,
        )  # fmt: skip
        return here
    own: dict[str, Any] = {}
    if cluster == "slurm":
        own = {"slurm_max_num_timeout": 1000}  # ours are counted by their progress (slurm.job)
        own |= {"slurm_python": settings.python} if settings.python else {}
    made = submitit.AutoExecutor(sweep.folder / LOGS, cluster=cluster, **own)
    made.update_parameters(
        name=job_name(sweep.name), nodes=asked.nodes, tasks_per_node=1, timeout_min=settings.minutes,
        cpus_per_task=settings.cpus, stderr_to_stdout=True,
    )  # fmt: skip
    if asked.gpus:
        made.update_parameters(gpus_per_node=asked.gpus)
    if settings.memory_gb:
        made.update_parameters(mem_gb=settings.memory_gb)
    if cluster == "slurm":
        words = {
            "partition": asked.partition,
            "account": settings.account,
            "qos": settings.qos,
            "constraint": settings.constraint,
            "dependency": ":".join(["afterany", *after]) if after else "",
        }
        made.update_parameters(
            slurm_array_parallelism=parallel, slurm_signal_delay_s=settings.warn_seconds,
            slurm_setup=[*exports(sweep), *settings.setup],
            slurm_additional_parameters={"requeue": True, **settings.options},
            **{f"slurm_{name}": value for name, value in words.items() if value},
        )  # fmt: skip
    return made


def exports(sweep: Sweep) -> list[str]:
    """Lines of the shell that make a job run the sweep's copy of the code, whatever the folder it starts in."""
    return [f"export {name}={shlex.quote(value)}" for name, value in copies.environment(sweep.folder).items()]


def write_folders(sweep: Sweep, jobs: Sequence[Job], settings: Settings) -> None:
    """A folder a job, with all that it needs to know; what was done when the sweep was planned is marked so."""
    wanted = {need for job in jobs for need in job.needs}
    for job in sweep.jobs.values():
        place = sweep.of(job)
        if job.done and job.name in wanted and not (place / DONE).exists():
            place.mkdir(parents=True, exist_ok=True)
            (place / DONE).write_text("it was in the store\n")
    for job in jobs:
        place = sweep.of(job)
        place.mkdir(parents=True, exist_ok=True)
        for name in (FAILED, DONE):  # a job that is submitted again has neither failed nor finished
            (place / name).unlink(missing_ok=True)
        about = sweep.describe(job, settings.gpus, settings.nodes)
        if job.work == "collect":
            about["keys"] = [sweep.jobs[need].key for need in job.needs if sweep.jobs[need].done]
        (place / JOB).write_text(json.dumps(about))


def walk(sweep: Sweep, jobs: Sequence[Job], settings: Settings) -> Iterator[Job]:
    """Run the jobs on this machine, each when what it needs has ended, so many at once; yields what has ended.

    submitit knows no dependencies here, so the terminal stays until all is done.
    """
    write_folders(sweep, jobs, settings)
    os.environ.update(copies.environment(sweep.folder))
    slots = list(range(1 if settings.cluster == "debug" else settings.parallel))[::-1]
    waiting, going = list(jobs), dict[str, tuple[Job, Any, int]]()
    while waiting or going:
        blocked = {job.name for job in waiting} | going.keys()
        for job in [job for job in waiting if not blocked.intersection(job.needs)][: len(slots)]:
            waiting.remove(job)
            slot = slots.pop()
            maker = executor(sweep, resources(job, settings), settings.parallel, settings, slot=slot)
            handed = maker.submit(run, str(sweep.of(job)))
            note_submission(sweep.folder, settings.cluster, {job.name: handed.job_id})
            going[job.name] = job, handed, slot
        for name, (job, handed, slot) in list(going.items()):
            ended = _ended(handed)
            if ended:
                del going[name]
                slots.append(slot)
                yield job
        if going and settings.cluster == "local":
            time.sleep(0.2)


def _ended(handed: Any) -> bool:
    """Whether submitit's job has ended; its debug job runs only now, and leaves its log open for the collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        ended = bool(handed.done())
        if ended:
            gc.collect()
    return ended


def _content(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _refusal(error: Exception) -> str:
    """What sbatch said, in one line, and what is usually meant."""
    said = [line.strip() for line in str(error).splitlines() if "error:" in line]
    text = "; ".join(line.partition("error:")[2].strip() for line in said) or " ".join(str(error).split())
    hints = {
        "partition": "slurm.partition= names a partition that `sinfo` lists",
        "array": "slurm.array= says how many jobs an array may have",
        "policy": "the queue takes no more of your jobs now: run slurm.resume when some have ended",
        "unable to accept": "the queue is full: try again later",
    }
    hint = next((f" ({words})" for mark, words in hints.items() if mark in text.lower()), "")
    return f"sbatch refused: {text}{hint}"
