"""A scheduler that accepts, lists and cancels jobs, and runs none. Its state is a folder, FAKE_SLURM:

limit: MaxArraySize; accept: how many more submissions it takes; refusal: what it says afterwards; queue.json: its jobs.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

HERE = Path(os.environ["FAKE_SLURM"])


def told(name: str, otherwise: str) -> str:
    return (HERE / name).read_text().strip() if (HERE / name).exists() else otherwise


def jobs() -> list[dict]:
    return json.loads(told("queue.json", "[]"))


def write(queue: list[dict]) -> None:
    (HERE / "queue.json").write_text(json.dumps(queue))


def refuse(text: str) -> None:
    print(f"sbatch: error: {text}", file=sys.stderr)
    raise SystemExit(1)


def sbatch(words: list[str]) -> None:
    options = dict(re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", Path(words[0]).read_text(), re.MULTILINE))
    accept = int(told("accept", "1000000"))
    if options.get("partition", "low") not in ("low", "high"):
        refuse("Batch job submission failed: Invalid partition name specified")
    count = int(options["array"].partition("-")[2].partition("%")[0]) + 1 if "array" in options else 0
    if count > int(told("limit", "1001")):
        refuse("Batch job submission failed: Invalid job array specification")
    if accept <= 0:
        refuse(told("refusal", "Batch job submission failed: Unspecified error"))
    (HERE / "accept").write_text(str(accept - 1))
    number = int(told("last", "100")) + 1
    (HERE / "last").write_text(str(number))
    ids = [f"{number}_{k}" for k in range(count)] or [str(number)]
    write([*jobs(), *({"id": one, "state": "PENDING", "options": options} for one in ids)])
    print(f"Submitted batch job {number}")


def squeue(words: list[str]) -> None:
    for job in jobs():
        print(f"{job['id']}|{job['state']}|{job['options']['job-name']}|{job.get('reason', 'Priority')}")


def scancel(words: list[str]) -> None:
    write([job for job in jobs() if job["id"] not in words and job["id"].partition("_")[0] not in words])


def scontrol(words: list[str]) -> None:
    if words == ["show", "config"]:
        print(f"MaxArraySize            = {told('limit', '1001')}")


if __name__ == "__main__":
    with open(HERE / "calls", "a") as log:
        log.write(Path(sys.argv[1]).name + "\n")
    {"sbatch": sbatch, "squeue": squeue, "scancel": scancel, "scontrol": scontrol}[Path(sys.argv[1]).name](sys.argv[2:])
