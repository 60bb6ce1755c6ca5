# What the manager may have a node's loop do: `ask`, `bury`, `start`, `cancel`, `forget`, `sweep`.
# Answers are lines `clsh NUMBER ID PHASE ...`. See docs/design/jobs-on-nodes.md.
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
  if alive "$d"; then
    read -r up _ </proc/uptime
    say "$1 $2 running $((${up%.*} - t / hz))"; return
  fi
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
    shift
    [ -d "$spool/$i" ] && [ ! -e "$spool/$i/status" ] || set -- "$@" "$spool/$i" "$spool/sent/$i"
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
  become="$setpriv --reuid=${ids%:*} --regid=${ids#*:} --"
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
