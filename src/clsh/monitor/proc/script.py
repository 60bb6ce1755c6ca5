"""The script that a node runs: it reads the needed fields of /proc each time it is asked.

It goes over the standard input of `/bin/sh -s`, so nothing is written on the node. After its
greeting, from `clsh monitor` to `R`, it reads one line for each sample, `NUMBER [WHAT...]`,
and answers with lines whose first letter says what they are; `. NUMBER` is the last one. So
the head sets the pace, no process waits on the node between samples, and the shell ends as
soon as its standard input does.

Only builtins are used for a sample: a fork costs more than all the reading. What can block
(`df`, `nvidia-smi`) runs in the background, when WHAT has `d` or `g`; `, d` says that it has
ended, and until then the head does not ask for it again. POSIX sh; tried with dash, ash, bash
and zsh. `echo` is given nothing that begins with '-' and no backslash: neither is in /proc.
"""

from __future__ import annotations

import shlex

COMMAND = "exec /bin/sh -s"
"""What the login shell, whichever it is, is told to run."""

_LIMITS = "most_disks=64 most_files=16 file_bytes=4096\n"
_SMI = (
    'smi="nvidia-smi --format=csv,noheader,nounits --query-gpu=index,utilization.gpu,'
    'memory.used,memory.total,temperature.gpu,power.draw"\n'
)

# Each line of /proc/mounts whose file system is on a disk of this node, every disk once; when
# there is none (a container), the root. df is told nothing else, so that it asks nothing of a
# server that is away. A read-only file system is full by nature.
_DISKS = r"""disks() {
  set --
  seen=' ' root=
  while read -r dev dir type opts rest; do
    case $type,$dir in
      nfs*,/|cifs,/|rootfs,/|autofs,/) continue;;
      *,/) root=/;;
    esac
    case $type in
      ext[234]|xfs|btrfs|f2fs|jfs|nilfs2|reiserfs|bcachefs|vfat|exfat|ntfs3) ;;
      zfs) dev=${dev%%/*};;
      *) continue;;
    esac
    case $opts in ro|ro,*) continue;; esac
    case $seen in *" $dev "*) continue;; esac
    seen="$seen$dev "
    case $dir in
      *'\'134*) continue;;
      *'\'*) dir=$(echo "$dir" | sed 's/\\040/ /g; s/\\011/	/g');;
    esac
    set -- "$@" "$dir"
    [ $# -lt $most_disks ] || break
  done </proc/mounts
  [ $# -gt 0 ] || set -- $root
  [ $# -eq 0 ] || $limit df -Pk -- "$@" | sed -n '1d; s/^/F /p'
}
"""
# /dev/null makes head name each file, also when there is but one. What is in the files may hold
# anything, so it is printed by printf, and each line gets its letter.
_DROPPED = r"""dropped() {
  set --
  for f in "$drop"/*; do
    case ${f##*/} in .*|*[!A-Za-z0-9._-]*|*.tmp|*.swp) continue;; esac
    [ -f "$f" ] && [ -r "$f" ] || continue
    set -- "$@" "$f"
    [ $# -lt $most_files ] || break
  done
  [ $# -gt 0 ] || return
  all=$(head -c $file_bytes /dev/null "$@") o=
  IFS='
'
  set -f
  for l in $all; do o="${o}X $l
"; done
  set +f
  unset IFS
  printf %s "$o"
}
"""
# Names of disks end in a letter or in a digit, their partitions go on with `1` or with `p1`.
# What stands on other disks (dm, md, ...) and what bridges other links would count twice.
_SAMPLE = r"""sample() {
  s= l= u=
  read -r s </proc/stat
  read -r l </proc/loadavg
  read -r u rest </proc/uptime
  o="S $s
L $l
U $u"
  while read -r k v rest; do
    case $k in
      MemTotal:|MemFree:|MemAvailable:|Buffers:|Cached:|SwapTotal:) o="$o
M $k $v";;
      SwapFree:) o="$o
M $k $v"; break;;
    esac
  done </proc/meminfo
  while IFS=': 	' read -r k a b c d e f g h i j rest; do
    case $k in
      lo|Inter-*|face*|*.*|veth*|br-*|docker*|virbr*|vnet*|tap*|cali*|cni*|flannel*|lxc*) ;;
      bond[0-9]*|team[0-9]*|dummy*|ifb*) ;;
      *) o="$o
N $k $a $b $i $j";;
    esac
  done </proc/net/dev
  p=/
  while read -r a b k c d e f g h i rest; do
    case $k in
      "$p"[0-9]*) continue;;
      loop*|ram*|zram*|dm-*|md[0-9]*|sr[0-9]*|fd[0-9]*|drbd*|bcache*|zd[0-9]*|nvme*c*n*) continue;;
    esac
    case $k in *[0-9]) p=${k}p;; *) p=$k;; esac
    [ "$e$i" = 00 ] || o="$o
D $k $e $i"
  done </proc/diskstats
}
"""
_MAIN = r"""exec 2>/dev/null
echo 'clsh monitor'
LC_ALL=C
export LC_ALL
PATH=${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin
if [ ! -r /proc/stat ] || [ ! -r /proc/meminfo ]; then
  echo "Z $(uname -s)"
  exit 1
fi
limit=
timeout 9 true && limit='timeout 9'
n=0
while read -r k v rest; do
  case $k in
    cpu[0-9]*) n=$((n+1));;
    btime) echo "B $v"; break;;
  esac
done </proc/stat
echo "P $n"
command -v nvidia-smi >/dev/null && echo Y
echo "I $(uname -srm)"
echo R
while read -r number what; do
  case $what in *d*) { disks; echo ', d'; } & ;; esac
  case $what in *g*) { $limit $smi | sed 's/^/G /'; echo ', g'; } & ;; esac
  sample
  echo "$o"
  [ -d "$drop" ] && dropped
  echo ". $number"
done
exit 0
"""


def script(drop_dir: str) -> bytes:
    """Return the script; `drop_dir` is where nodes keep files of metrics, "" nowhere."""
    values = f"drop={shlex.quote(drop_dir)} {_LIMITS}{_SMI}"
    # In braces, so that the shell has read all of it before the first request can come.
    text = f"{{\n{values}{_DISKS}{_DROPPED}{_SAMPLE}{_MAIN}}}\n"
    return text.encode(errors="surrogateescape")
