"""What stands for Slurm's srun in a script: it calls mpirun. Pure text.

What it leaves out is said for the whole script (the nodes, their cores, how ranks find each
other); what it does not know it refuses.
"""

from __future__ import annotations

SRUN = r"""#!/bin/sh
# Made by clsh: this job is none of Slurm's.
n=${SLURM_NTASKS:-1} tag=
while [ $# -gt 0 ]; do
  case $1 in
  --) shift; break ;;
  -n | --ntasks) n=$2; shift ;;
  -n?*) n=${1#-n} ;;
  --ntasks=*) n=${1#*=} ;;
  -l | --label) tag=--tag-output ;;
  # The places were chosen for the whole script, and have what it asked for.
  -N | -c | -m | -J | --nodes | --cpus-per-task | --ntasks-per-node | --distribution | --mpi | \
    --cpu-bind | --mem-bind | --hint | --mem | --mem-per-cpu | --job-name) shift ;;
  -N?* | -c?* | -m?* | -J?* | --nodes=* | --cpus-per-task=* | --ntasks-per-node=* | \
    --distribution=* | --mpi=* | --cpu-bind=* | --mem-bind=* | --hint=* | --mem=* | \
    --mem-per-cpu=* | --job-name=*) ;;
  -u | -K* | -Q | --unbuffered | --kill-on-bad-exit* | --exclusive* | --overlap | --exact) ;;
  -*) echo "srun: there is no $1 here: this starts mpirun, call that yourself" >&2; exit 2 ;;
  *) break ;;
  esac
  shift
done
case $n in
'' | *[!0-9]*) echo "srun: the number of tasks cannot be '$n'" >&2; exit 2 ;;
esac
[ $# -gt 0 ] || { echo "srun: there is nothing to run" >&2; exit 2; }
command -v mpirun >/dev/null || {
  [ "$n" != 1 ] || exec "$@"
  echo "srun: mpirun is not installed on $(uname -n)" >&2
  exit 2
}
exec mpirun $tag -np "$n" "$@"
"""
