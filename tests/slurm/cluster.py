"""A throw-away Slurm of two nodes on this host, with own ports, sockets and folders; preemption by a second partition.

Needs root and Debian's slurm-wlm and munge. Every process of it is known by its environment, which names the cluster's
own slurm.conf, and is ended by its number: by `stop`, or, where the tests are killed, by a guard (`python cluster.py`)
whose input ends with them.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")
LARGEST_ARRAY = 4
REQUEUE = 40  # seconds that a requeued job waits: as long as its last credential lives (Slurm's own choice is 120)
CONF = """\
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={control}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire={requeue}
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
    missing = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    return f"no {' '.join(missing)} here: apt-get install slurm-wlm munge" if missing else ""


class Cluster:
    """Up after `start`, gone after `stop`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        self.daemons: dict[str, subprocess.Popen] = {}

    def start(self) -> None:
        """Returns when both nodes are idle; AssertionError says which daemon was not up and what it wrote."""
        self.guard = subprocess.Popen([sys.executable, __file__, str(self.conf)], stdin=subprocess.PIPE,
                                      start_new_session=True)  # fmt: skip
        for name in ("state", "spool", "munge", "logs"):
            (self.folder / name).mkdir(parents=True)
        munge = self.folder / "munge"
        munge.chmod(0o700)
        key = munge / "key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o600)
        control, first, second = free_ports(3)
        host = socket.gethostname().partition(".")[0]
        self.conf.write_text(CONF.format(folder=self.folder, control=control, first=first, second=second, host=host,
                                         largest=LARGEST_ARRAY, requeue=REQUEUE))  # fmt: skip
        gres = "NodeName=n1 Name=gpu File=/dev/null\nNodeName=n2 Name=gpu File=/dev/zero\n"
        (self.folder / "gres.conf").write_text(gres)
        files = ("socket", "pid-file", "seed-file", "log-file")
        own = [f"--{name}={munge / name.partition('-')[0]}" for name in files]
        self.spawn("munged", "-F", "--force", f"--key-file={key}", *own)
        self.wait_for(lambda: (munge / "socket").exists(), "munged listens")
        self.spawn("slurmctld", "-D", "-i", "-c", "-f", str(self.conf))
        for node in ("n1", "n2"):
            self.start_node(node)
        self.wait_for(self.idle, "both nodes are idle")

    def idle(self) -> bool:
        return self.call("sinfo", "-h", "-N", "-p", "low", "-o", "%T").split() == ["idle", "idle"]

    def start_node(self, node: str) -> None:
        self.spawn("slurmd", "-D", "-N", node, "-f", str(self.conf), name=node)

    def spawn(self, program: str, *words: str, name: str = "") -> None:
        with open(self.folder / "logs" / f"{name or program}.out", "ab") as log:
            self.daemons[name or program] = subprocess.Popen(
                [program, *words], env=os.environ | {"PATH": PATH} | self.environment, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.conf)}

    def call(self, *words: str) -> str:
        """What one of Slurm's programs prints; "" if it does not answer."""
        try:
            done = subprocess.run(words, env=os.environ | self.environment, capture_output=True, text=True, timeout=60)
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout

    def ended(self) -> str:
        """The daemons that are not up any more, and the last that they wrote."""
        gone = [name for name, daemon in self.daemons.items() if daemon.poll() is not None]
        return "; ".join(
            f"{name} ended with {self.daemons[name].poll()}: {tail(self.folder / 'logs' / f'{name}.out')}"
            for name in gone
        )

    def wait_for(self, condition, what: str, seconds: float = 180) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert not self.ended(), self.ended()
            assert time.monotonic() < until, f"not within {seconds:.0f} s: {what}; {self.call('sinfo', '-N', '-l')}"
            time.sleep(0.3)

    def kill_node(self, node: str) -> None:
        """As a power cut does: the node's daemon and everything under it at once; nobody reports an end."""
        daemon = self.daemons.pop(node)
        victims = {daemon.pid, *(pid for pid in processes(self.conf) if works_on(pid, node))}
        victims |= {up for pid in victims for up in parents(pid) if b"slurmstepd" in read(pid=up, file="cmdline")}
        victims |= {down for pid in victims for down in children(pid)}
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in victims:
                kill(pid, number)
        daemon.wait()

    def clear(self) -> None:
        """No job in the queue, both nodes idle: what a test leaves to the next."""
        for node in {"n1", "n2"} - self.daemons.keys():
            self.start_node(node)
        self.call("scancel", "--state=PENDING", "--user=root")
        self.call("scancel", "--full", "--signal=KILL", "--user=root")
        self.wait_for(lambda: not self.queue() and self.idle(), "the queue is empty, both nodes are idle")

    def queue(self) -> str:
        return self.call("squeue", "--noheader", "--array").strip()

    def stop(self) -> None:
        """Jobs first, or a slurmd would wait for them; AssertionError names what does not end."""
        try:
            if "slurmctld" in self.daemons and not self.ended():
                self.clear()
                self.call("scontrol", "shutdown")
        finally:
            left = end_all(self.conf)
            for daemon in self.daemons.values():
                daemon.wait(20)
            self.guard.communicate(timeout=60)
        assert not left, f"still there: {' '.join(map(str, left))}"


def processes(conf: Path) -> list[int]:
    """Of the cluster with this file, but this one."""
    mark = f"SLURM_CONF={conf}".encode()
    found = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    return [pid for pid in found if pid != os.getpid() and mark in read(pid, "environ").split(b"\0")]


def works_on(pid: int, node: str) -> bool:
    return f"SLURMD_NODENAME={node}".encode() in read(pid, "environ").split(b"\0")


def end_all(conf: Path) -> list[int]:
    """Ask, then kill, until none is left or a minute is over; those that are left."""
    for number, seconds in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 60.0)):
        until = time.monotonic() + seconds
        while (left := processes(conf)) and time.monotonic() < until:
            for pid in left:
                kill(pid, number)
            time.sleep(0.2)
    return left


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
    words = read(pid, "stat").rpartition(b")")[2].split()
    above = int(words[1]) if words else 0
    return [above, *parents(above)] if above > 1 else []


def read(pid: int, file: str) -> bytes:
    """Of what the kernel knows of a process; nothing if it has ended."""
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes()
    except OSError:
        return b""


def tail(file: Path, lines: int = 5) -> str:
    return " | ".join(file.read_text(errors="replace").splitlines()[-lines:]) if file.exists() else ""


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def free_ports(count: int) -> range:
    """In a row, and below those that the kernel gives to whoever asks."""
    for _ in range(1000):
        ports = range(first := random.SystemRandom().randrange(22000, 32000), first + count)
        held = [socket.socket() for _ in ports]
        try:
            for one, port in zip(held, ports, strict=True):
                one.bind(("127.0.0.1", port))
        except OSError:
            continue
        finally:
            for one in held:
                one.close()
        return ports
    raise AssertionError(f"no {count} free ports in a row")


if __name__ == "__main__":
    sys.stdin.read()
    end_all(Path(sys.argv[1]))
