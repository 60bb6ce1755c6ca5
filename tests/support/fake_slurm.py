"""Slurm's commands as shell scripts over a directory, to have them fail as they seldom do.

Nothing is run by itself: a test says what became of a job, or runs its script; after `lives`
jobs run at once, as they would on a node.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from typing import TYPE_CHECKING

from clsh.base.clock import SystemClock
from clsh.jobs.engine import EngineContext
from clsh.jobs.engines.slurm import Slurm
from clsh.remote.transport import TransportOptions
from clsh.remote.transports import local
from tests.support import slurm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from clsh.jobs.engine import Launch

ID = "q1-12.0.1"
ME = pwd.getpwuid(os.geteuid()).pw_name


def launch(id_: str = ID, *argv: str, **fields: Any) -> Launch:
    return slurm.launch(id_, *(argv or ("true",)), owner=ME, **fields)


_COMMANDS = {
    "sbatch": """\
[ ! -e {at}/sbatch-before ] || . {at}/sbatch-before
n=$(($(cat {at}/last) + 1))
echo $n >{at}/last
for word; do
    case $word in --comment=*) token=${{word#*=}} ;; esac
    last=$word
    echo "$word" >>{at}/options.$n
done
cp "$last" {at}/script.$n
echo "PENDING|Priority|$USER||$token" >{at}/job.$n
[ ! -e {at}/sbatch-after ] || . {at}/sbatch-after
echo $n
""",
    "squeue": """\
[ ! -e {at}/squeue-before ] || . {at}/squeue-before
all=; case " $* " in *" -t all "*) all=y ;; esac
for word; do format=$word; done
for file in {at}/job.*; do
    [ -e "$file" ] || continue
    IFS='|' read -r state reason user nodes token <"$file"
    case $all$state in PENDING|RUNNING|COMPLETING|y*) ;; *) continue ;; esac
    case $format in
    *'|'*) echo "${{file##*.}}|$state|$reason|$user|$nodes|$token" ;;
    *) echo "${{file##*.}} $token" ;;
    esac
done
""",
    "scontrol": """\
for word; do job=$word; done
[ ! -e {at}/end.$job ] || echo "JobId=$job JobName=x ExitCode=$(cat {at}/end.$job)"
""",
    "scancel": """\
[ ! -e {at}/scancel-before ] || . {at}/scancel-before
for job; do echo "CANCELLED|None|$USER||$(cut -d'|' -f5 {at}/job.$job)" >{at}/job.$job; done
""",
    "sinfo": 'echo "main|node[1-4]"\n',
    "srun": 'if [ "$1" = --mpi=list ]; then echo none; echo pmi2; exit; fi\nshift 3; exec "$@"\n',
}

# A runner is the leader of a session, in which all of its job is. Of a scancel and a runner
# that begins one sees what the other has written.
_LIVES = {
    "sbatch-after": """\
in=/dev/null
for word; do
    case $word in
    --chdir=*) dir=${{word#*=}} ;;
    --input=*) in=${{word#*=}} ;;
    --output=*) out=${{word#*=}} err=$out ;;
    esac
done
for word; do case $word in --error=*) err=${{word#*=}} ;; esac; done
real() {{ echo "$1" | sed 's/%N/node1/g; s/%%/%/g'; }}
setsid sh {at}/runner $n "$dir" "$(real "$in")" "$(real "$out")" "$(real "$err")" \
    >/dev/null 2>&1 </dev/null 9>&- &
""",
    "runner": """\
n=$1 token=$(cut -d'|' -f5 {at}/job.$1)
state() {{
    echo "$1|None|$USER|node1|$token" >{at}/new.$n
    mv {at}/new.$n {at}/job.$n
}}
trap : TERM
echo $$ >{at}/pid.$n
[ ! -e {at}/cancelled.$n ] || {{ rm {at}/pid.$n; state CANCELLED; exit; }}
state RUNNING
cd "$2" 2>/dev/null || cd /tmp
export SLURM_JOB_ID=$n SLURMD_NODENAME=node1 PATH={at}/bin:$PATH
: >"$4"
: >"$5"
sh {at}/script.$n <"$3" >>"$4" 2>>"$5" &
script=$!
[ ! -e {at}/cancelled.$n ] || pkill -TERM -s $$
while :; do
    wait $script
    code=$?
    kill -0 $script 2>/dev/null || break
done
rm {at}/pid.$n
echo $code:0 >{at}/end.$n
[ $code = 0 ] && state COMPLETED || state FAILED
[ ! -e {at}/cancelled.$n ] || state CANCELLED
""",
    "scancel-before": """\
for job; do
    touch {at}/cancelled.$job
    [ ! -e {at}/pid.$job ] || pkill -TERM -s $(cat {at}/pid.$job)
done
exit 0
""",
}


class FakeSlurm:
    """The commands, in `at/bin`; `engine` uses them as who runs the tests."""

    def __init__(self, at: Path) -> None:
        self.at = at
        self.spool = at / "spool"
        self.sent: Callable[[str, str], Path] | None = None
        (at / "bin").mkdir(parents=True)
        self.spool.mkdir()
        (at / "last").write_text("0")
        for name, text in _COMMANDS.items():
            path = at / "bin" / name
            path.write_text("#!/bin/sh\n" + text.format(at=at))
            path.chmod(0o755)

    def engine(self, **settings: object) -> Slurm:
        return Slurm(
            EngineContext(
                SystemClock(),
                (),
                local.build(TransportOptions()),
                str(self.spool),
                {"host": "local://", "path": str(self.at / "bin"), **settings},
                self.sent,
            )
        )

    def lives(self) -> None:
        """Run all jobs from now on."""
        for name, text in _LIVES.items():
            (self.at / name).write_text(text.format(at=self.at))

    def end_all(self) -> None:
        """End what still runs."""
        for file in self.at.glob("pid.*"):
            subprocess.run(["pkill", "-KILL", "-s", file.read_text().strip()], check=False)

    def breaks(self, when: str, text: str) -> None:
        """Have a command (`sbatch-before`, `sbatch-after`, ...) do something more."""
        (self.at / when).write_text(text)

    def mend(self, when: str) -> None:
        (self.at / when).unlink()

    def of(self, id_: str) -> Path:
        """Return what the spool has of an attempt."""
        return self.spool / ME / id_

    def count(self) -> int:
        """Return how many jobs were ever submitted."""
        return int((self.at / "last").read_text())

    def becomes(self, job: int, state: str, reason: str = "None", nodes: str = "node1") -> None:
        file = self.at / f"job.{job}"
        token = file.read_text().rstrip().rpartition("|")[2]
        file.write_text(f"{state}|{reason}|{ME}|{nodes}|{token}\n")

    def ends(self, job: int, state: str, code: str) -> None:
        (self.at / f"end.{job}").write_text(code)
        self.becomes(job, state)

    def forgets(self, job: int) -> None:
        (self.at / f"job.{job}").unlink()

    def runs(self, job: int) -> subprocess.CompletedProcess[str]:
        """Run the script of a job to its end, as its node would."""
        return subprocess.run(
            ["sh", str(self.at / f"script.{job}")],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env={
                "PATH": f"{self.at}/bin:/usr/bin:/bin",
                "SLURM_JOB_ID": str(job),
                "SLURMD_NODENAME": "node1",
            },
        )

    def options(self, job: int) -> list[str]:
        return (self.at / f"options.{job}").read_text().splitlines()
