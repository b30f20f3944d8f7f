"""A real Slurm of one node on this machine, started by hand: no systemd, no accounting, one stand-in for a GPU."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from safety import SAFETY

ETC = Path("/etc/slurm")  # and nowhere else: a job step does not inherit SLURM_CONF
PROGRAMS = ("munged", "munge", "slurmctld", "slurmd", "squeue", "scontrol", "scancel", "sinfo")

MARK = "# Written by tests/slurm, which remove it at their end.\n"
SLURM_CONF = """\
ClusterName=lab
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
MailProg=/bin/true
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
# By process group: what a cancelled shell leaves behind would be lost to linuxproc.
ProctrackType=proctrack/pgid
TaskPlugin=task/none
# Without control groups memory is watched by polling, every second.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
MinJobAge=3600
KillWait=2
GresTypes=gpu
NodeName=localhost NodeAddr=127.0.0.1 CPUs=2 RealMemory=8000 Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
GRES_CONF = "NodeName=localhost Name=gpu File=/dev/null\n"


def obstacle() -> str | None:
    """Why no cluster can be started here, or None. What tests that were killed left of theirs is taken away first."""
    if os.geteuid() != 0:
        return "a Slurm of one's own is started by root"
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        return f"no {', '.join(missing)}; as root: apt-get install --no-install-recommends slurm-wlm munge"
    clear_leftovers()
    if there := [path for path in (ETC / "slurm.conf", ETC / "gres.conf") if path.exists()]:
        if _is_ours(there[0]):
            return f"{there[0]} is of tests that still run: wait for their end"
        return f"{there[0]} exists: this machine has a Slurm, which these tests leave alone"
    return None


def clear_leftovers() -> None:
    """Stop the daemons and remove the configuration of tests that were killed: of those whose lock nobody holds."""
    conf = ETC / "slurm.conf"
    if not _is_ours(conf):
        return
    with conf.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        for line in file:
            name, _, value = line.strip().partition("=")
            if name in ("SlurmctldPidFile", "SlurmdPidFile"):
                _stop(Path(value), Path(value).stem)
        for path in (ETC / "gres.conf", conf):
            path.unlink(missing_ok=True)


def _is_ours(path: Path) -> bool:
    return path.exists() and path.read_text(encoding="utf-8").startswith(MARK)


def _stop(pid_file: Path, program: str) -> None:
    try:
        pid = int(pid_file.read_text())
        if Path(f"/proc/{pid}/comm").read_text().strip() == program:
            os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):  # it has ended, with or without its file
        return


@contextmanager
def one_node(folder: Path) -> Iterator[None]:
    """Keep a cluster of one node with two cores and 8,000 MB, with its state and logs in ``folder``."""
    with ExitStack() as stack:
        for name in ("state", "spool"):
            (folder / name).mkdir()
        for name, text in (("slurm.conf", SLURM_CONF.format(folder=folder)), ("gres.conf", GRES_CONF)):
            file = stack.enter_context((ETC / name).open("w", encoding="utf-8"))
            fcntl.flock(file, fcntl.LOCK_EX)  # which ends with this process, however it ends
            file.write(MARK + text)
            file.flush()
            stack.callback((ETC / name).unlink)
        if subprocess.run(["munge", "--no-input"], capture_output=True).returncode != 0:
            _make_munge_folders()
            stack.enter_context(
                _running(["munged", "--foreground"], folder / "munged.out", user="munge", group="munge")
            )
            _wait_for(["munge", "--no-input"], "", folder)
        stack.enter_context(_running(["slurmctld", "-D"], folder / "slurmctld.out"))
        stack.enter_context(_running(["slurmd", "-D", "-N", "localhost"], folder / "slurmd.out"))
        _wait_for(["sinfo", "--noheader", "--format=%T"], "idle", folder)
        stack.callback(_cancel_all)
        yield


def jobs() -> dict[str, dict[str, str]]:
    """What Slurm knows of each job, by its id: the fields of ``scontrol show job``."""
    done = subprocess.run(["scontrol", "--oneliner", "show", "job"], capture_output=True, text=True, timeout=SAFETY)
    records = [
        dict(field.partition("=")[::2] for field in line.split() if "=" in field)
        for line in done.stdout.splitlines()
        if line.startswith("JobId=")
    ]
    return {record["JobId"]: record for record in records}


def _make_munge_folders() -> None:
    for path in (Path("/run/munge"), Path("/var/log/munge"), Path("/var/lib/munge")):
        path.mkdir(mode=0o755, exist_ok=True)
        shutil.chown(path, "munge", "munge")


@contextmanager
def _running(command: Sequence[str], output: Path, **options: str) -> Iterator[None]:
    with output.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, **options)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(command: Sequence[str], wanted: str, folder: Path) -> None:
    deadline = time.monotonic() + SAFETY
    while time.monotonic() < deadline:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SAFETY)
        if done.returncode == 0 and wanted in done.stdout:
            return
        time.sleep(0.5)
    logs = "\n".join(f"{path.name}:\n{path.read_text()[-2000:]}" for path in sorted(folder.glob("*.[lo][ou][gt]")))
    raise RuntimeError(f"no {wanted!r} from {' '.join(command)} within {SAFETY} s\n{logs}")


def _cancel_all() -> None:
    """Cancel what is left and wait until it is gone, or else the steps' processes outlive the cluster."""
    subprocess.run(["scancel", "--partition=main"], timeout=SAFETY)
    deadline = time.monotonic() + SAFETY
    while time.monotonic() < deadline:
        if not subprocess.run(["squeue", "--noheader"], capture_output=True, text=True, timeout=SAFETY).stdout.strip():
            return
        time.sleep(0.5)
