# Runs one attempt to its end: `run`, which the loop forks, and which outlives it. It knows
# sh, spool, host and boot; `become` is how to be the owner, empty when that is who runs this.
# See docs/design/jobs-on-nodes.md.
run() { # ID OWNER RSS-LIMIT GPUS; at 7 and 8 it has both ends of a pipe of its own
  id=$1 owner=$2 limit=$3 want=$4 d=$spool/$1
  sid= stop= killer= watch= held= spare=
  CLSH_OWN=$d${become:+/own}; export CLSH_OWN
  exec </dev/null >/dev/null 2>&1 9>&-
  trap 'stop=1; [ -z "$sid" ] || end' TERM
  trap '' HUP INT QUIT
  read -r s </proc/self/stat
  pid=${s%% *}; start_of "$s"
  echo "$pid $start $boot $host ." >"$d/pid" || exit
  [ ! -e "$d/dead" ] || exit
  [ ! -e "$d/cancel" ] || finish ended 143 "cancelled before it began"
  [ "$want" = 0 ] || gpus
  trap - HUP INT QUIT
  # What the owner has open is to be opened again by /dev/stdout; no other comes to it here.
  [ -z "$become" ] || umask 0
  setsid $become $sh -s <"$d/cmd" >>"$d/out" 2>>"$d/err" 7<&- 9>&8 8>&- &
  sid=$!
  umask 077
  exec 8>&-
  # runuser, which then leads the session, would turn a TERM into a KILL after 2 s.
  case $become in runuser*) spare="/^$sid (/d;" ;; esac
  read -r s <"/proc/$sid/stat" && start_of "$s" && echo "$sid $start ." >"$d/child"
  [ -z "$stop" ] || end
  line=
  read -r line <&7 || line=${line:-it could not be started as $owner}
  exec 7<&-
  [ "$line" != ok ] || tell "$id running"
  if [ "$line" = ok ] && [ "$limit" != 0 ]; then (trap - TERM; sample) & watch=$!; fi
  while :; do
    wait "$sid"; code=$?
    [ -e "/proc/$sid" ] || break
  done
  trap 'stop=1' TERM # its number may be somebody else's from now on
  read -r up _ </proc/uptime
  # What ended with it may be seen for a moment more. For what has left the process group the
  # loop looks, once for many: see `sweep`.
  if lives && nap && lives || ! listens || ! echo "$boot $up ." >"$left/$sid"; then clear_up; fi
  [ -z "$killer$watch" ] || kill $killer $watch
  [ "$line" = ok ] || [ "$stop" ] || finish refused 0 "$line"
  why=${stop:+cancelled}
  [ ! -e "$d/over" ] || why=rss
  finish ended $code "$why"
}
finish() { # PHASE CODE REASON; the disk may be full: then again until there is room
  rss=0; [ ! -e "$d/rss" ] || read -r rss <"$d/rss"
  read -r up _ </proc/uptime
  for g in $held; do rm -rf "$spool/gpu/$host/$g"; done
  until printf '%s\n' "$1 $2 $rss $up $3 ." >"$d/status"; do [ -d "$d" ] || exit; sleep 1; done
  tell "$id $1 $2 $rss $up $up $3"
  exit
}
listens() { for f in "$ends"/*; do [ ! -p "$f" ] || return 0; done; return 1; }
tell() { for f in "$ends"/*; do [ ! -p "$f" ] || printf 'clsh - %s\n' "$*" 1<>"$f"; done; }
start_of() { s=${1##*) }; set -- $s; start=${20}; } # what /proc/PID/stat says
nap() { sleep 0.1 || sleep 1; }
lives() { kill -0 "-$sid"; } # its process group
members() { # [PATTERN]: all processes of the session but zombies, and those of the pattern
  sed -n "$1${spare}s/^\([0-9]*\) (.*) [A-Y] [0-9]* [0-9]* $sid .*/\1/p" /proc/[0-9]*/stat
}
end() { # TERM to all, KILL after 5 s; to read all of /proc for each of many takes long
  [ -z "$killer" ] || return
  if [ "$spare" ]; then kill -TERM $(members); else kill -TERM "-$sid" || kill -TERM "$sid"; fi
  (trap - TERM
    sleep 1; kill -TERM $(members "/) [A-Y] [0-9]* $sid $sid /d;")
    sleep 4; kill -KILL $(members)) &
  killer=$!
}
clear_up() { # what it left in the background ends with it
  i=0
  while [ $i -lt 12 ] && [ "$(members)" ]; do
    end
    if [ $i = 0 ]; then nap; else sleep 1; fi
    i=$((i + 1))
  done
}
gpus() { # take free ones by mkdir; a lock whose attempt has ended is free
  n=0 list= at=$spool/gpu/$host
  mkdir -p "$at"
  count=$(timeout 10 nvidia-smi -L | grep -c '^GPU ')
  while [ "$n" -lt "${count:-0}" ] && [ "$want" -gt 0 ]; do
    by=; read -r by <"$at/$n/by"
    if [ "$by" ] && { [ -e "$spool/$by/status" ] || [ ! -d "$spool/$by" ]; }; then
      mv "$at/$n" "$at/$n.$pid" && rm -rf "$at/$n.$pid"
    fi
    if mkdir "$at/$n"; then
      echo "$id" >"$at/$n/by"; held="$held $n" list=$list,$n want=$((want - 1))
    fi
    n=$((n + 1))
  done
  [ "$want" = 0 ] || finish refused 0 "$want more GPUs are needed than are free"
  CUDA_VISIBLE_DEVICES=${list#,}; export CUDA_VISIBLE_DEVICES
}
sample() { # the resident memory of the session and of what descends from it
  page=$(getconf PAGESIZE) peak=0
  while sleep 1; do
    now=$(cat /proc/[0-9]*/stat | awk -v s="$sid" -v page="${page:-4096}" '
      { p = $1; sub(/.*\) /, ""); up[p] = $2; in_[p] = $4 == s; rss[p] = $22 }
      END { for (p in up) { q = p; n = 0
        while (q in up && !in_[q] && n++ < 100) q = up[q]
        if (q in up && in_[q]) sum += rss[p] }
        printf "%.0f\n", sum * page }')
    [ "$now" -le "$peak" ] || { peak=$now; echo "$peak" >"$d/rss"; }
    if [ "$peak" -gt "$limit" ]; then echo >"$d/over"; kill -TERM "$pid"; return; fi
  done
}
