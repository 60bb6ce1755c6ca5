# Runs one attempt to its end, in a session of its own: SPOOL ID OWNER RSS-LIMIT GPUS HOST BOOT.
# See docs/design/jobs-on-nodes.md. OWNER is empty when it is the user who runs this.
umask 077
spool=$1 id=$2 owner=$3 limit=$4 want=$5 host=$6 boot=$7
d=$spool/$id sid= stop= killer= watch= held=
CLSH_OWN=$d${owner:+/own}; export CLSH_OWN
say() {
  for f in "$spool/ends/$host"/*; do [ ! -p "$f" ] || printf 'clsh - %s\n' "$*" 1<>"$f"; done
}
settle() { # PHASE CODE REASON; the disk may be full: then again until there is room
  rss=0; { read -r rss <"$d/rss"; } 2>/dev/null
  read -r up _ </proc/uptime
  for g in $held; do rm -rf "$g"; done
  until printf '%s\n' "$1 $2 $rss $up $3" >"$d/status.$$" && mv -f "$d/status.$$" "$d/status"; do
    sleep 1
  done
  say "$id $1 $2 $rss $up $up $3"
  exit 0
}
# runuser, which then leads the session, would turn a TERM into a KILL after 2 s.
members() {
  sed -n "${owner:+/^$sid (/d;}s/^\([0-9]*\) (.*) [A-Y] [0-9]* [0-9]* $sid .*/\1/p" \
    /proc/[0-9]*/stat
} 2>/dev/null
end() { # TERM to all, KILL after 5 s
  [ -z "$killer" ] || return
  kill -TERM $(members)
  (trap - TERM; sleep 5; kill -KILL $(members)) >/dev/null 2>&1 &
  killer=$!
} 2>/dev/null
start_of() { read -r s <"/proc/$1/stat"; s=${s##*) }; set -- $s; start=${20}; }
gpus() { # take free ones by mkdir; a lock whose attempt has ended is free
  n=0 list=
  mkdir -p "$spool/gpu/$host"
  count=$(timeout 10 nvidia-smi -L 2>/dev/null | grep -c '^GPU ')
  while [ "$n" -lt "${count:-0}" ] && [ "$want" -gt 0 ]; do
    g=$spool/gpu/$host/$n by=
    { read -r by <"$g/by"; } 2>/dev/null
    if [ "$by" ] && { [ -e "$spool/$by/status" ] || [ ! -d "$spool/$by" ]; }; then
      mv "$g" "$g.$$" && rm -rf "$g.$$"
    fi
    if mkdir "$g"; then
      echo "$id" >"$g/by"; held="$held $g" list=$list,$n want=$((want - 1))
    fi
    n=$((n + 1))
  done 2>/dev/null
  [ "$want" = 0 ] || settle refused 0 "$want more GPUs are needed than are free"
  CUDA_VISIBLE_DEVICES=${list#,}; export CUDA_VISIBLE_DEVICES
}
sample() { # the resident memory of the session and of what descends from it
  page=$(getconf PAGESIZE) peak=0
  while sleep 1; do
    now=$(cat /proc/[0-9]*/stat 2>/dev/null | awk -v s="$sid" -v page="${page:-4096}" '
      { p = $1; sub(/.*\) /, ""); up[p] = $2; in_[p] = $4 == s; rss[p] = $22 }
      END { for (p in up) { q = p; n = 0
        while (q in up && !in_[q] && n++ < 100) q = up[q]
        if (q in up && in_[q]) sum += rss[p] }
        printf "%.0f\n", sum * page }')
    [ "$now" -le "$peak" ] || { peak=$now; echo "$peak" >"$d/rss"; }
    if [ "$peak" -gt "$limit" ]; then : >"$d/over"; kill -TERM $$; return; fi
  done
}
trap 'stop=1; [ -z "$sid" ] || end' TERM
trap '' HUP INT QUIT
start_of $$
printf '%s\n' "$$ $start $boot $host" >"$d/pid.$$" && mv -f "$d/pid.$$" "$d/pid" || exit 1
[ ! -e "$d/dead" ] || settle lost 0 "it was claimed and began too late"
[ ! -e "$d/cancel" ] || settle ended 143 "cancelled before it began"
[ "$want" = 0 ] || gpus
mkfifo "$d/gate" || settle refused 0 "cannot write to the spool"
exec 8<>"$d/gate"
trap - HUP INT QUIT
if [ "$owner" ]; then
  setsid runuser -u "$owner" -- /bin/sh -s 9>&8 8>&- <"$d/cmd" >/dev/null 2>&1 &
else
  setsid /bin/sh -s 9>&8 8>&- <"$d/cmd" >/dev/null 2>&1 &
fi
sid=$!
exec 7<"$d/gate" 8>&-
{ start_of $sid; echo "$sid $start" >"$d/child"; } 2>/dev/null
[ -z "$stop" ] || end
line=
read -r line <&7 || line=${line:-it could not be started as $owner}
exec 7<&-
[ "$line" != ok ] || say "$id running"
if [ "$line" = ok ] && [ "$limit" != 0 ]; then (trap - TERM; sample) & watch=$!; fi
while :; do
  wait $sid; code=$?
  [ -e "/proc/$sid" ] || break
done
# What it left in the background ends with it.
left=$(members) i=0
[ -z "$left" ] || end
while [ "$left" ] && [ $i -lt 100 ]; do sleep 0.1 || sleep 1; left=$(members); i=$((i + 1)); done
kill $killer $watch 2>/dev/null
[ "$line" = ok ] || [ "$stop" ] || settle refused 0 "$line"
why=; [ -z "$stop" ] || why=cancelled
[ ! -e "$d/over" ] || why=rss
settle ended $code "$why"
