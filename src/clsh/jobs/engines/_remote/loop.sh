# What a node runs for the manager, after runner.sh and calls.sh: it makes the spool ready and
# says hello, and then its sh reads calls from standard input. See docs/design/jobs-on-nodes.md.
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
rm -f "$ends/$$" "$pipes/$$".*
mkfifo "$ends/$$" || { echo "clsh fault cannot make a fifo in $ends"; exit 1; }
exec 9<>"$ends/$$"
cat <&9 &
cat=$!
trap 'kill $cat; rm -f "$ends/$$" "$pipes/$$".*' 0
trap 'exit 1' 1 2 13 15
# Without a session of PAM, which costs more than all the rest.
setpriv="setpriv --init-groups --inh-caps=-all"
[ "$uid" = 0 ] && $setpriv --reuid=0 --regid=0 true 2>/dev/null || setpriv=

# Where a container has an uptime of its own, no start can be compared with it.
hz=$(getconf CLK_TCK 2>/dev/null) || hz=100
read -r up _ </proc/uptime
read -r s <"/proc/$$/stat" && start_of "$s"
[ "$start" -le $(((${up%.*} + 1) * hz)) ] || left=/dev/null/none
cores=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
while read -r k v _; do [ "$k" != MemTotal: ] || break; done </proc/meminfo
gpus=$(command -v nvidia-smi >/dev/null && timeout 10 nvidia-smi -L 2>/dev/null | grep -c '^GPU ')
sweep 0
say "0 - hello $cores $v ${gpus:-0} $me $spool"
