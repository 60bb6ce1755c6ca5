# What a node runs for the manager: it reads calls of these functions from standard input
# and answers in lines `clsh NUMBER ID PHASE ...`. See docs/design/jobs-on-nodes.md.
umask 077
uid=$(id -u) me=$(id -un) nl='
'
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
{ read -r s </proc/1/stat; } 2>/dev/null && { s=${s##*) }; set -- $s; boot=$boot.${20}; }
runner=$spool/runner-$version.sh
[ -s "$runner" ] || { printf '%s' "$text" >"$runner.$$" && mv -f "$runner.$$" "$runner"; } ||
  { echo "clsh fault cannot write to $spool"; exit 1; }
ends=$spool/ends/$host
mkdir -p "$ends"
for f in "$ends"/*; do [ ! -p "$f" ] || [ -e "/proc/${f##*/}" ] || rm -f "$f"; done
rm -f "$ends/$$"; mkfifo "$ends/$$" || { echo "clsh fault cannot make a fifo in $ends"; exit 1; }
exec 9<>"$ends/$$"
cat <&9 &
cat=$!
trap 'kill $cat; rm -f "$ends/$$"' 0
trap 'exit 1' 1 2 13 15
say() { printf 'clsh %s\n' "$*" >&9; }
settle() { # DIRECTORY PHASE CODE REASON
  read -r up _ </proc/uptime
  printf '%s\n' "$2 $3 0 $up $4" >"$1/status.$$" && mv -f "$1/status.$$" "$1/status"
}
alive() { # the pid file in $1
  p=; read -r p t b h child ct <"$1/pid" || return 1
  [ "$b" = "$boot" ] && same "$p" "$t"
} 2>/dev/null
same() { # PID START
  read -r s <"/proc/$1/stat" || return 1
  s=${s##*) }; n=$2; set -- $s
  [ "$1" != Z ] && [ "${20}" = "$n" ]
} 2>/dev/null
ended() { # NUMBER ID: tell the status if there is one
  { read -r ph code rss at why <"$spool/$2/status"; } 2>/dev/null || return 1
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
  { read -r c t <"$d/child"; } 2>/dev/null && [ "$b" = "$boot" ] && same "$c" "$t" && kill_all "$c"
  settle "$d" lost 0 "$why"
  ended "$1" "$2"
}
kill_all() { # SESSION
  kill -9 $(sed -n "s/^\([0-9]*\) (.*) [A-Y] [0-9]* [0-9]* $1 .*/\1/p" /proc/[0-9]*/stat)
} 2>/dev/null
ask() { q=$1; shift; for i in "$@"; do state "$q" "$i"; done; }
bury() { # NUMBER ID: it was claimed, and never came to write its pid
  : >"$spool/$2/dead"
  alive "$spool/$2" || [ -n "$p" ] || settle "$spool/$2" lost 0 "it was claimed and never began"
  state "$1" "$2"
}
allowed() { # OWNER
  [ "$1" != "$me" ] || return 0
  why="jobs of $1 need a login as $1 or root, not as $me"
  [ "$uid" = 0 ] || return 1
  u=$(id -u -- "$1" 2>/dev/null) || { why="there is no user $1 on this node"; return 1; }
  why="jobs of $1 are refused: it is a user of the system"
  [ "$u" -ge 1000 ] && [ "$u" -lt 65534 ]
}
start() { # NUMBER ID OWNER RSS-LIMIT GPUS COMMAND
  d=$spool/$2 q=$1 id=$2 as=
  if ! mkdir -m 711 "$d" 2>/dev/null; then
    [ -d "$d" ] || { say "$1 $2 fault cannot write to $spool"; return; }
    state "$1" "$2"; return
  fi
  case $known in *" $3 "*) ;; *)
    if ! allowed "$3"; then settle "$d" refused 0 "$why"; ended "$q" "$id"; return; fi
    known="$known $3 "
  esac
  if [ "$3" != "$me" ]; then as=$3; install -d -m 700 -o "$3" "$d/own"; fi &&
    printf '%s\n' "$6" >"$d/cmd" || { settle "$d" refused 0 "cannot write to $spool"
    ended "$q" "$id"; return; }
  setsid /bin/sh "$runner" "$spool" "$id" "$as" "$4" "$5" "$host" "$boot" \
    </dev/null >/dev/null 2>&1 9>&- &
}
cancel() { # NUMBER ID
  d=$spool/$2
  if mkdir -m 711 "$d" 2>/dev/null; then
    settle "$d" ended 143 "cancelled before it began"
  else
    : >"$d/cancel"
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
cores=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
while read -r k v _; do [ "$k" != MemTotal: ] || break; done </proc/meminfo
gpus=$(command -v nvidia-smi >/dev/null && timeout 10 nvidia-smi -L 2>/dev/null | grep -c '^GPU ')
say "0 - hello $cores $v ${gpus:-0} $me $spool"
