"""What a node runs in a copy: POSIX sh with cat, mv, chmod and mkdir, and tar for a tree.

Pure text. Names arrive as arguments, so nothing in them is read as shell code; a relative
one gets `./` before it, so it is no option either.
"""

from __future__ import annotations

# Sets $d to the path $1 with a leading ~ or ~user expanded.
_PATH = r"""
case $1 in
  "~"|"~/"*) d=$HOME${1#"~"};;
  "~"*)
    u=${1%%/*}
    case $u in *[!A-Za-z0-9_.~-]*) h=$u;; *) eval "h=$u";; esac
    d=$h${1#"$u"};;
  *) d=$1;;
esac
case $d in /*|.|./*|..|../*) ;; *) d=./$d;; esac
"""

# $1 is the destination, $2 the name of the source, $3 `file` or `directory`, $4 its mode, $5 its
# time, $6 its size, $7 a random token, $8 is `y` when the destination must be a directory.
# $x is where it is received, $t where it will be.
_PUT = (
    r"""
umask 077
nl='
'
fail() { e=${1%%"$nl"*}; echo "cannot write '$t': ${e##*: }" >&2; exit 1; }
"""
    + _PATH
    + r"""
t=$d
if [ -d "$d" ]; then
  t=${d%/}/$2
else
  case $8$3$d in y*|?file*/) fail "not a directory";; esac
  case $d in */) t=${d%/};; esac
fi
p=${t%/*}
[ -d "$p/" ] || fail "no directory '$p'"
case $3 in
  file) [ ! -d "$t" ] || fail "it is a directory";;
  *) [ -d "$t" ] || [ ! -e "$t" ] || fail "it is not a directory";;
esac
x=$p/.clsh-$7
trap '{ chmod -R u+rwx "$x"; rm -rf "$x"; } 2>/dev/null' 0
trap 'exit 1' 1 2 13 15
"""
)

PUT_FILE = (
    _PUT
    + r"""
e=$(cat 2>&1 >"$x") || fail "$e"
[ "$(wc -c <"$x")" -eq "$6" ] || fail "it did not arrive whole"
e=$(chmod "$4" "$x" 2>&1) || fail "$e"
TZ=UTC0 touch -t "$5" "$x" 2>/dev/null
e=$(mv -f "$x" "$t" 2>&1) || fail "$e"
"""
)

# A directory that is there already gets what is new, each file by rename, 200 by one mv.
PUT_DIRECTORY = (
    _PUT
    + r"""
move() { e=$(mv -f "$@" "$to/" 2>&1) || fail "$e"; }
merge() {
  from=$1 to=$2
  set --
  for s in "$from"/* "$from"/.[!.]* "$from"/..?*; do
    [ -e "$s" ] || [ -h "$s" ] || continue
    n=$to/${s##*/}
    if [ ! -d "$n" ]; then
      set -- "$@" "$s"
      [ $# -lt 200 ] || { move "$@"; set --; }
    elif [ -d "$s" ] && [ ! -h "$s" ]; then
      (merge "$s" "$n") || exit 1
    else
      fail "'$n' is a directory"
    fi
  done
  [ $# = 0 ] || move "$@"
}
command -v tar >/dev/null 2>&1 || fail "tar is not installed on this node"
e=$(mkdir "$x" 2>&1) || fail "$e"
e=$(cd "$x" && tar -xpf - 2>&1) || fail "$e"
[ -e "$x/.clsh-$7" ] || fail "it did not arrive whole"
rm -f "$x/.clsh-$7"
if [ -d "$t" ]; then
  merge "$x" "$t"
else
  chmod "$4" "$x"
  TZ=UTC0 touch -t "$5" "$x" 2>/dev/null
  e=$(mv -f "$x" "$t" 2>&1) || fail "$e"
fi
exit 0
"""
)

# $1 is the path, $2 a random token. The header tells the kind, the mode and the time.
GET = (
    r"""
fail() { echo "cannot read '$d': $1" >&2; exit 1; }
about() {
  stat -L -c '%a %Y' "$d" 2>/dev/null || stat -L -f '%Lp %m' "$d" 2>/dev/null || echo 644 -
}
"""
    + _PATH
    + r"""
if [ -d "$d" ]; then
  command -v tar >/dev/null 2>&1 || fail "tar is not installed on this node"
  cd "$d/" 2>/dev/null || fail "permission denied"
  d=.
  printf '\036%s directory %s\037' "$2" "$(about)"
  exec tar -cf - .
fi
[ -e "$d" ] || fail "no such file or directory"
[ -f "$d" ] || fail "it is neither file nor directory"
[ -r "$d" ] || fail "permission denied"
printf '\036%s file %s\037' "$2" "$(about)"
exec cat "$d"
"""
)
