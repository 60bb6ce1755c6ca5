# What a node runs for the manager: it reads calls of these functions from standard input
# and answers in lines `clsh NUMBER ID PHASE ...`. See docs/design/jobs-on-nodes.md.
umask 077
uid=$(id -u) me=$(id -un) known= calls=0 pipe=0 spare=
if [ -z "$spool" ]; then
  spool=$HOME/.local/state/clsh/spool
  [ "$uid" != 0 ] || spool=/var/lib/clsh/spool
fi
mkdir -p "$spool" || { echo "clsh fault cannot make the directory $spool"; exit 1; }
# Users pass through to what is theirs, and can list nothing.
if [ "$uid" = 0 ]; then
  chmod 711 "$spool"
  [ "$spool" != /var/lib/clsh/spool ] || chmod go+x /var/lib/clsh
fi
[ -O "$spool" ] || { echo "clsh fault $spool is not owned by $me"; exit 1; }
read -r host </proc/sys/kernel/hostname
read -r boot </proc/sys/kernel/random/boot_id
{ read -r s </proc/1/stat; } 2>/dev/null && { start_of "$s"; boot=$boot.$start; }
ends=$spool/ends/$host left=$spool/left/$host pipes=$spool/pipes/$host
mkdir -p "$ends" "$left" "$pipes" || { echo "clsh fault cannot write to $spool"; exit 1; }
for f in "$ends"/* "$pipes"/*; do
  p=${f##*/}
  [ ! -p "$f" ] || [ -e "/proc/${p%.*}" ] || rm -f "$f"
done
rm -f "$ends/$$" "$pipes/$$".*; mkfifo "$ends/$$" || { echo "clsh fault cannot make a fifo in $ends"; exit 1; }
exec 9<>"$ends/$$"
cat <&9 &
cat=$!
trap 'kill $cat; rm -f "$ends/$$" "$pipes/$$".*' 0
trap 'exit 1' 1 2 13 15
# Without a session of PAM, which costs more than all the rest.
setpriv=; [ "$uid" != 0 ] || ! setpriv --reuid=0 --regid=0 --init-groups --inh-caps=-all true 2>/dev/null || setpriv=y

# Where a container has an uptime of its own, no start can be compared with it.
hz=$(getconf CLK_TCK 2>/dev/null) || hz=100
read -r up _ </proc/uptime
read -r s <"/proc/$$/stat" && start_of "$s"
[ "$start" -le $(((${up%.*} + 1) * hz)) ] || left=/dev/null/none

say() { printf 'clsh %s\n' "$*" >&9; }
settle() { # DIRECTORY PHASE CODE REASON
  read -r up _ </proc/uptime
  printf '%s\n' "$2 $3 0 $up $4 ." >"$1/status"
}
alive() { # the pid file in $1
  p= mark=; read -r p t b h mark <"$1/pid"
  [ "$mark" = . ] || p=
  [ "$p" ] && [ "$b" = "$boot" ] && same "$p" "$t"
} 2>/dev/null
same() { # PID START
  read -r s <"/proc/$1/stat" || return 1
  start_of "$s"
  case $s in Z*) return 1 ;; esac
  [ "$start" = "$2" ]
} 2>/dev/null
ended() { # NUMBER ID: tell the status if there is one
  why=; { read -r ph code rss at why <"$spool/$2/status"; } 2>/dev/null
  case $why in .) why= ;; *" .") why=${why% .} ;; *) return 1 ;; esac
  read -r up _ </proc/uptime
  say "$1 $2 $ph $code $rss $at $up $why"
}
state() { # NUMBER ID
  d=$spool/$2
  ! ended "$1" "$2" || return 0
  [ -d "$d" ] || { say "$1 $2 absent"; return; }
  if alive "$d"; then say "$1 $2 running"; return; fi
  ! ended "$1" "$2" || return 0
  if [ -z "$p" ]; then say "$1 $2 starting"; return; fi
  if [ "$h" != "$host" ]; then say "$1 $2 unknown it is of the node $h"; return; fi
  why="its runner vanished without a status"
  [ "$b" = "$boot" ] || why="the node was started again meanwhile"
  mark=; { read -r sid t mark <"$d/child"; } 2>/dev/null
  [ "$mark" != . ] || [ "$b" != "$boot" ] || ! same "$sid" "$t" || kill -9 $(members) 2>/dev/null
  settle "$d" lost 0 "$why"
  ended "$1" "$2"
}
ask() { q=$1; shift; for i in "$@"; do state "$q" "$i"; done; }
bury() { # NUMBER ID: it was claimed, and never came to write its pid
  echo >"$spool/$2/dead"
  alive "$spool/$2" || [ "$p" ] || settle "$spool/$2" lost 0 "it was claimed and never began"
  state "$1" "$2"
}
cancel() { # NUMBER ID
  d=$spool/$2
  if [ ! -d "$d" ] && mkdir "$d"; then
    settle "$d" ended 143 "cancelled before it began"
  elif [ ! -d "$d" ]; then
    say "$1 $2 fault cannot write to $spool"; return
  else
    echo >"$d/cancel"
    if alive "$d"; then kill -TERM "$p"; fi
  fi
  state "$1" "$2"
} 2>/dev/null
forget() { # NUMBER ID...
  q=$1; shift
  for i in "$@"; do
    shift; [ ! -e "$spool/$i/status" ] || set -- "$@" "$spool/$i"
  done
  [ $# = 0 ] || rm -rf "$@"
  say "$q - done"
}
sweep() { # NUMBER: end what has left the process group, not the session, of a task that ended
  q=$1; set -- "$left"/*
  [ -e "$1" ] || { say "$q - done"; return; }
  # A session whose number was free meanwhile is somebody else's: all of it is younger.
  for sid in $({
    for f in "$@"; do
      mark=; read -r b up mark <"$f"
      [ "$mark" != . ] || [ "$b" != "$boot" ] || echo "left ${f##*/} $up"
    done
    cat /proc/[0-9]*/stat
  } 2>/dev/null | awk -v hz="$hz" '
    $1 == "left" { until[$2] = $3 * hz + 1; next }
    { sub(/.*\) /, "") }
    $1 != "Z" && $4 in until && $20 <= until[$4] { found[$4] }
    END { for (s in found) print s }'); do
    { clear_up; kill "$killer"; } </dev/null >/dev/null 2>&1 9>&- &
  done
  rm -f "$@"
  say "$q - done"
}
allowed() { # OWNER; user and group are kept, for each start of theirs
  case $known in *" $1="*) ids=${known##*" $1="}; ids=${ids%% *}; return ;; esac
  ids=:
  if [ "$1" != "$me" ]; then
    why="jobs of $1 need a login as $1 or root, not as $me"
    [ "$uid" = 0 ] || return
    why="there is no user $1 on this node"
    u=$(id -u -- "$1") && ids=$u:$(id -g -- "$1") || return
    why="jobs of $1 are refused: it is a user of the system"
    [ "$u" -ge 1000 ] && [ "$u" -lt 65534 ] || return
  fi
  known="$known $1=$ids "
} 2>/dev/null
claim() { # ID...: make their directories; `mine` has those that this has made
  mine=' '
  for i in "$@"; do shift; [ -d "$spool/$i" ] || set -- "$@" "$spool/$i"; done
  [ $# != 0 ] || return
  said=$(mkdir "$@" 2>&1); code=$?
  [ $code -le 1 ] || return # it was killed: what it made is nobody's
  for i in "$@"; do # it names those that it has not made
    case $said in *"/${i##*/}"[!A-Za-z0-9._-]*) ;; *) mine="$mine${i##*/} " ;; esac
  done
}
open_pipe() { # at 7 and 8, for one attempt alone; many are made at once
  while [ ! -p "$pipes/$$.$pipe" ]; do
    pipe=0
    set --; while [ $# -lt 32 ]; do set -- "$@" "$pipes/$$.$#"; done
    rm -f "$@"; mkfifo "$@" || return
  done
  exec 8<>"$pipes/$$.$pipe" 7<"$pipes/$$.$pipe"
  pipe=$((pipe + 1))
} 2>/dev/null
prepare() { # OWNER HOW
  allowed "$1" || return
  why= become=
  [ "$1" != "$me" ] || return
  become="setpriv --reuid=${ids%:*} --regid=${ids#*:} --init-groups --inh-caps=-all --"
  [ "$2" = pam ] || [ -z "$setpriv" ] || return
  become="runuser -u $1 --"
  for i in $mine; do
    chmod 711 "$spool/$i" && install -d -m 700 -o "$1" "$spool/$i/own" && continue
    why="cannot write to $spool"
  done
}
start() { # NUMBER OWNER HOW IDS, then for each of them: RSS-LIMIT GPUS COMMAND
  q=$1 owner=$2 how=$3 all=$4 why=; shift 4
  claim $all
  [ "$mine" = ' ' ] || prepare "$owner" "$how"
  fault=$why
  for id in $all; do
    d=$spool/$id why=$fault
    case $mine in
    *" $id "*)
      [ "$why" ] || { printf '%s\n' "$3" >"$d/cmd" && open_pipe; } || why="cannot write to $spool"
      if [ -z "$why" ]; then
        run "$id" "$owner" "$1" "$2" &
        exec 7<&- 8>&-
      else
        settle "$d" refused 0 "$why"; ended "$q" "$id"
      fi ;;
    *) if [ -d "$d" ]; then state "$q" "$id"; else say "$q $id fault cannot write to $spool"; fi ;;
    esac
    shift 3
  done
  # A shell keeps in mind what it started until it has told of the end.
  calls=$((calls + 1)); [ $((calls % 16)) != 0 ] || jobs >/dev/null
  say "$q - done"
}
cores=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
while read -r k v _; do [ "$k" != MemTotal: ] || break; done </proc/meminfo
gpus=$(command -v nvidia-smi >/dev/null && timeout 10 nvidia-smi -L 2>/dev/null | grep -c '^GPU ')
sweep 0
say "0 - hello $cores $v ${gpus:-0} $me $spool"
