"""What a node runs: one job of a sweep, from its folder alone. Signals, torchrun, heart-beat, requeue.

The pickle of a job holds the path of its folder, nothing else; every start looks for the checkpoint anew. This file
imports nothing heavy: its ears are open before the first long import, which happens in a process of its own.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

LIVES, BEAT, DONE, FAILED, STOPPED, CANCELLED = "lives.jsonl", "beat", "done", "failed.json", "stopped", "cancelled"
ASKING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT)
SECONDS = 20.0  # between two beats
STALE = 4 * SECONDS  # without a beat a job of another host is taken for dead
LIVES_WITHOUT_PROGRESS = 5
REQUEUE = 75  # the exit code for: run me again


def run(folder: str) -> str:
    """One start of the job in this folder; how it ended. Where that is not "done", the process ends with its code."""
    place = Path(folder)
    code, how = (in_process if "SUBMITIT_DEBUG_JOB_ID" in os.environ else live)(place)
    if code and "SUBMITIT_DEBUG_JOB_ID" not in os.environ:
        raise SystemExit(code)
    return how


def in_process(place: Path) -> tuple[int, str]:
    """Here and now: for a debugger."""
    from bench import job

    if missing := absent(place):
        return fail(place, "needs", f"{missing} is not done")
    start(place)
    return settle(place, job.perform(place), asked=False)


def live(place: Path) -> tuple[int, str]:
    """Start the work, pass on the wish to stop, beat, and say how it ended. Only the first node of a job writes."""
    first = os.environ.get("SLURM_NODEID", "0") == "0"
    asked = json.loads((place / "job.json").read_text())
    if missing := absent(place):
        return fail(place, "needs", f"{missing} is not done") if first else (1, "failed")
    if first:
        wait_for_the_last_life(place)
        start(place)
        if stuck(place):
            return fail(place, "stuck", f"no progress in {LIVES_WITHOUT_PROGRESS} starts; see the log")
    heard: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, frame: object) -> None:
        heard.append(number)
        if child is not None and len(heard) == 1:
            end(child)

    for number in ASKING:
        signal.signal(number, pass_on)
    words = command(asked, place)
    # torchrun would die of these two; its ranks are asked by SIGTERM, which it passes on. A blocked signal is inherited
    blocked = {signal.SIGUSR1, signal.SIGUSR2} if "torch.distributed.run" in words else set()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    child = subprocess.Popen(words, start_new_session=True, preexec_fn=end_with_the_parent)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if heard:
        end(child)
    while True:
        if first:
            (place / BEAT).touch()
            if not mine(place):  # a scheduler that took this node for dead started the job elsewhere
                end(child, signal.SIGKILL)
                return 1, "replaced"
        try:
            code = child.wait(SECONDS)
            break
        except subprocess.TimeoutExpired:
            continue
    if not first:
        return (0, "done") if code == 0 else (REQUEUE, "stopped")
    return settle(place, code, asked=bool(heard))


def end_with_the_parent() -> None:
    """Linux: a job that is killed leaves nobody behind who goes on working in its folder."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def end(child: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> None:
    """The whole group: a job may have started programs of its own."""
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        pass


def command(asked: dict[str, Any], place: Path) -> list[str]:
    """One process, or torchrun for several GPUs of a node; the nodes' ranks find each other by Slurm's environment."""
    work = ["-m", "bench.job", str(place)]
    gpus, nodes = asked["gpus"], asked["nodes"]
    if asked["work"] != "stage" or (gpus <= 1 and nodes == 1):
        return [sys.executable, *work]
    launcher = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={max(1, gpus)}"]
    if nodes == 1:
        return [*launcher, "--standalone", *work]
    return [*launcher, f"--nnodes={nodes}", f"--node-rank={os.environ['SLURM_NODEID']}",
            f"--master-addr={first_host()}", f"--master-port={port()}", *work]  # fmt: skip


def first_host() -> str:
    """The address of the first node: srun was started there."""
    if address := os.environ.get("SLURM_LAUNCH_NODE_IPADDR"):
        return address
    from submitit import JobEnvironment

    return JobEnvironment().hostnames[0]


def port() -> int:
    """The same on every node, another for every job."""
    return 20000 + int(os.environ["SLURM_JOB_ID"]) % 20000


def absent(place: Path) -> str:
    """The first job that this one needs and that is not done; a collector takes what is there."""
    asked = json.loads((place / "job.json").read_text())
    needs = [] if asked["work"] == "collect" else asked["needs"]
    return next((name for name in needs if not (place.parent / name / DONE).exists()), "")


def lives(place: Path) -> list[dict[str, Any]]:
    """Starts and ends, oldest first; a kill may have torn the last line."""
    file = place / LIVES
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def note(place: Path, event: str, **more: Any) -> None:
    about = {"event": event, "time": round(time.time(), 1), "host": os.uname().nodename, "pid": os.getpid(), **more}
    with open(place / LIVES, "a") as file:
        file.write(json.dumps(about) + "\n")


def start(place: Path) -> None:
    for name in (FAILED, STOPPED):
        (place / name).unlink(missing_ok=True)
    note(place, "start", id=scheduler_id(), step=step(place))
    (place / BEAT).touch()


def mine(place: Path) -> bool:
    starts = [life for life in lives(place) if life["event"] == "start"]
    return (starts[-1]["host"], starts[-1]["pid"]) == (os.uname().nodename, os.getpid())


def wait_for_the_last_life(place: Path) -> None:
    """Two jobs in one folder would write over each other: a life without an end may still be going on."""
    known = lives(place)
    while known and known[-1]["event"] == "start" and alive(place, known[-1]):
        print(f"waiting: {known[-1]['host']} pid {known[-1]['pid']} seems to be at work in {place}", flush=True)
        time.sleep(5)
        known = lives(place)


def alive(place: Path, life: dict[str, Any]) -> bool:
    if life["host"] == os.uname().nodename:
        try:
            return b"submitit" in Path(f"/proc/{life['pid']}/cmdline").read_bytes() and life["pid"] != os.getpid()
        except OSError:
            return False
    return (place / BEAT).exists() and time.time() - (place / BEAT).stat().st_mtime < STALE


def step(place: Path) -> int:
    """How far the stage has come, by the checkpoint that a start would find; -1: there is none."""
    try:
        folder = Path(json.loads((place / "key.json").read_text())["folder"])
        return int((folder / "state.pt").stat().st_mtime)
    except (OSError, ValueError, KeyError):
        return -1


def stuck(place: Path) -> bool:
    """So many starts in a row from the same checkpoint, and none of them ended by itself."""
    recent: list[dict[str, Any]] = []
    for life in lives(place):
        recent = [] if life["event"] == "failed" else [*recent, life]
    starts = [life["step"] for life in recent if life["event"] == "start"][-LIVES_WITHOUT_PROGRESS - 1 :]
    return len(starts) > LIVES_WITHOUT_PROGRESS and len(set(starts)) == 1


def fail(place: Path, reason: str, message: str) -> tuple[int, str]:
    """Say why, unless the work itself has said it."""
    if not (place / FAILED).exists():
        (place / FAILED).write_text(json.dumps({"reason": reason, "message": message}))
    note(place, "failed", reason=reason)
    print(f"failed: {message}", flush=True)
    return 1, "failed"


def settle(place: Path, code: int, asked: bool) -> tuple[int, str]:
    """Done, stopped or failed, in the job's folder; a stopped job asks to be run again."""
    if code == 0:
        (place / FAILED).unlink(missing_ok=True)
        note(place, "done")
        (place / DONE).write_text(f"{time.time():.0f}\n")
        return 0, "done"
    signalled = -code in ASKING or code - 128 in ASKING
    if asked or code == REQUEUE or signalled or (place / STOPPED).exists():
        (place / FAILED).unlink(missing_ok=True)  # a rank that lost its partner to the signal
        note(place, "stopped")
        requeue(place)
        return REQUEUE, "stopped"
    if code in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return fail(place, "killed", "by SIGKILL, as the kernel does when a node's memory is full; see the log")
    return fail(place, "error", f"exit code {code}; see the log")


def scheduler_id() -> str:
    """As squeue shows it."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")


def requeue(place: Path) -> bool:
    """Ask Slurm to run this job again; False, and `slurm.resume` does it, where that cannot be or must not be.

    A job that is being cancelled is not running any more; one that a preemption already put back is not either.
    """
    name = scheduler_id()
    if not name or (place.parents[1] / CANCELLED).exists() or shutil.which("scontrol") is None:
        return False
    shown = subprocess.run(["scontrol", "show", "job", "-o", name], capture_output=True, text=True, check=False)
    if "JobState=RUNNING" not in shown.stdout:
        return False
    done = subprocess.run(["scontrol", "requeue", name], capture_output=True, text=True, check=False)
    print(f"requeued {name}" if done.returncode == 0 else f"not requeued: {done.stderr.strip()}", flush=True)
    if done.returncode == 0:
        time.sleep(60)  # Slurm ends this process; to leave before would look like an end of the job
    return done.returncode == 0
