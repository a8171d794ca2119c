"""A throw-away Slurm of two nodes on this host, with own ports, sockets and folders; preemption by a second partition.

Needs root and Debian's slurm-wlm and munge. Every process it starts is ended by its number.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")
LARGEST_ARRAY = 11
CONF = """\
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={control}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/logs/ctld.log
SlurmdLogFile={folder}/logs/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SwitchType=switch/none
MaxArraySize={largest}
ReturnToService=2
SlurmdTimeout=30
SchedulerParameters=batch_sched_delay=0,sched_interval=2
SlurmctldParameters=preempt_send_user_signal
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=5
GresTypes=gpu
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{second}] CPUs=2 Gres=gpu:1 State=UNKNOWN
PartitionName=low Nodes=n[1-2] Default=YES MaxTime=60 State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=60
PartitionName=high Nodes=n[1-2] MaxTime=60 State=UP PriorityTier=10 PreemptMode=OFF
"""


def why_not() -> str:
    """What is missing for a cluster here; "" if nothing is."""
    if os.geteuid() != 0:
        return "a Slurm of its own needs root"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"no {' '.join(missing)} here: apt-get install slurm-wlm munge" if missing else ""


class Cluster:
    """Up after `start`, gone after `stop`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen] = {}

    def start(self) -> None:
        for name in ("state", "spool", "munge", "logs"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "munge").chmod(0o700)
        key = self.folder / "munge" / "key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o600)
        control, first = free_port(), free_ports()
        conf = CONF.format(folder=self.folder, control=control, first=first, second=first + 1, largest=LARGEST_ARRAY,
                           host=socket.gethostname().partition(".")[0])  # fmt: skip
        (self.folder / "slurm.conf").write_text(conf)
        gres = "NodeName=n1 Name=gpu File=/dev/null\nNodeName=n2 Name=gpu File=/dev/zero\n"
        (self.folder / "gres.conf").write_text(gres)
        munge = self.folder / "munge"
        files = ("socket", "pid-file", "seed-file", "log-file")
        own = [f"--{name}={munge / name.partition('-')[0]}" for name in files]
        self.spawn("munged", "-F", "--force", f"--key-file={key}", *own)
        wait_for(lambda: (munge / "socket").exists(), 30, "munged")
        self.spawn("slurmctld", "-D", "-i", "-c", "-f", str(self.folder / "slurm.conf"))
        for node in ("n1", "n2"):
            self.start_node(node)
        wait_for(
            lambda: self.call("sinfo", "-h", "-N", "-p", "low", "-o", "%T").split() == ["idle", "idle"], 180, "nodes"
        )

    def start_node(self, node: str) -> None:
        self.spawn("slurmd", "-D", "-N", node, "-f", str(self.folder / "slurm.conf"), name=node)

    def spawn(self, program: str, *words: str, name: str = "") -> None:
        log = open(self.folder / "logs" / f"{name or program}.out", "ab")
        path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
        self.processes[name or program] = subprocess.Popen(
            [program, *words], env=os.environ | {"PATH": path} | self.environment, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        log.close()

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def call(self, *words: str) -> str:
        done = subprocess.run(words, env=os.environ | self.environment, capture_output=True, text=True, check=False)
        return done.stdout

    def kill_node(self, node: str) -> None:
        """As a power cut does: the node's daemon and everything under it at once; nobody reports an end."""
        daemon = self.processes[node]
        victims = {daemon.pid, *self.steps(node)}
        victims |= {up for pid in victims for up in parents(pid) if b"slurmstepd" in command(up)}
        victims |= {down for pid in victims for down in children(pid)}
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in victims:
                kill(pid, number)
        daemon.wait()

    def steps(self, node: str = "") -> list[int]:
        """Processes of this cluster's jobs, known by their environment."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
                words = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            ours = f"SLURM_CONF={self.folder / 'slurm.conf'}".encode() in environment
            there = not node or f"SLURMD_NODENAME={node}".encode() in environment
            daemon = int(folder.name) in [process.pid for process in self.processes.values()]
            if ours and there and not daemon and (b"SLURM_JOB_ID" in b"".join(environment) or b"slurmstepd" in words):
                found.append(int(folder.name))
        return [pid for pid in found if pid != os.getpid()]

    def stop(self) -> None:
        if "slurmctld" in self.processes:
            self.call("scancel", f"--user={os.environ.get('USER', 'root')}")
            try:
                wait_for(lambda: not self.call("squeue", "-h").strip(), 60, "empty queue")
            except AssertionError:
                pass
            self.call("scontrol", "shutdown")
        for pid in self.steps():
            kill(pid)
        for process in reversed(self.processes.values()):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def children(pid: int) -> list[int]:
    """All processes below."""
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            below = [int(word) for word in file.read_text().split()]
        except OSError:
            continue
        found += [*below, *(p for child in below for p in children(child))]
    return found


def parents(pid: int) -> list[int]:
    """All processes above, but the first."""
    try:
        above = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return []
    return [above, *parents(above)] if above > 1 else []


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def free_ports() -> int:
    """The first of two in a row."""
    for _ in range(100):
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            try:
                two.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port
    raise AssertionError("no two free ports in a row")


def wait_for(condition, seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.5)
