"""A SLURM of one node, in a folder of its own: munged, slurmctld and slurmd from the system's
packages, as the ordinary user, on ports of its own. Nothing outside the folder is touched.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo")
PATIENCE = 30  # seconds

SITE = {
    "slurm-status-command": "squeue",  # without accounting sacct waits for ever
    "slurm-init-seconds-before-status-checks": 1,
}
"""What a profile has to say here."""

CONFIGURATION = """\
ClusterName=local
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=20
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MinJobAge=600
KillWait=2
DefMemPerCPU=500
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=ALL MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """The programs of SLURM that are not installed."""
    return [name for name in PROGRAMS if not _program(name)]


class Slurm:
    """One node; a context manager that stops what it started."""

    def __init__(self, folder: Path):
        """`folder`: short, munge's socket lies in it."""
        self.folder = folder
        self.daemons: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> "Slurm":
        for name in ("state", "spool", "bin"):
            (self.folder / name).mkdir(parents=True)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self.folder.chmod(0o755)
        (self.folder / "slurm.conf").write_text(
            CONFIGURATION.format(
                folder=self.folder,
                host=_host(),
                user=_user(),
                ports=_free_ports(2),
                cpus=os.cpu_count(),
                memory=int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 0.8 / 2**20),
            )
        )
        # SLURM only hands the GPU out: a file stands for it
        gpu = f"NodeName={_host()} Name=gpu File=/dev/null Count=1\n"
        (self.folder / "gres.conf").write_text(gpu)
        # the plugin for job steps drops SLURM_CONF before it calls srun
        srun = self.folder / "bin" / "srun"
        srun.write_text(
            f'#!/bin/sh\nexec env SLURM_CONF={self.folder}/slurm.conf {_program("srun")} "$@"\n'
        )
        srun.chmod(0o755)
        try:
            self._munge()
            self.start("slurmctld")
            self.start("slurmd")
            self.until_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        if "slurmctld" in self.daemons:
            self.call("scancel", "--user", _user(), check=False)
        for name in reversed(list(self.daemons)):
            self.stop(name)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to find this SLURM."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def start(self, name: str) -> None:
        """Start a daemon (again)."""
        self._spawn(name, [_program(name), "-D"])

    def stop(self, name: str, how: int = signal.SIGTERM) -> None:
        """Stop a daemon by a signal, and wait for its end."""
        process = self.daemons.pop(name)
        process.send_signal(how)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def call(self, *command: str, check: bool = True) -> str:
        """What a command of SLURM prints."""
        environment = os.environ | self.environment
        process = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=check, timeout=PATIENCE
        )
        return process.stdout

    def jobs(self) -> list[str]:
        """Ids of the jobs that wait or run."""
        return self.call("squeue", "--noheader", "--format=%i").split()

    def submitted(self) -> int:
        """How many jobs there have been."""
        log = (self.folder / "slurmctld.log").read_text()
        return log.count("_slurm_rpc_submit_batch_job: JobId=")

    def until_up(self) -> None:
        """Wait until the node is known to be there."""
        for _ in range(2 * PATIENCE):
            state = self.call("sinfo", "--noheader", "--format=%T", check=False).strip()
            if state in ("idle", "mixed", "allocated"):
                return
            time.sleep(0.5)
        logs = [(self.folder / f"{name}.out").read_text() for name in self.daemons]
        raise RuntimeError("SLURM did not start:\n" + "\n".join(logs))

    def _munge(self) -> None:
        names = ("key-file", "socket", "pid-file", "log-file", "seed-file")
        files = ("munge.key", "munge.socket", "munge.pid", "munge.log", "munge.seed")
        options = [f"--{n}={self.folder / f}" for n, f in zip(names, files, strict=True)]
        self._spawn("munged", [_program("munged"), "--foreground", "--force", *options])
        for _ in range(2 * PATIENCE):
            if (self.folder / "munge.socket").exists():
                return
            time.sleep(0.5)
        raise RuntimeError("munged did not start:\n" + (self.folder / "munged.out").read_text())

    def _spawn(self, name: str, command: list[str]) -> None:
        with open(self.folder / f"{name}.out", "a") as out:
            self.daemons[name] = subprocess.Popen(
                command,
                env=os.environ | {"SLURM_CONF": str(self.folder / "slurm.conf")},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"]))


def _host() -> str:
    return socket.gethostname().split(".")[0]


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
