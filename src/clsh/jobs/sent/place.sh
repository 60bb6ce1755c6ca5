# Makes the directory of an attempt, whole or not at all, out of what receive.sh has brought:
# SPOOL ID OWNER and for each file `DIGEST MODE NAME`. OWNER is empty when it is who runs this.
# Says `need DIGEST` for what is not there, else `placed`, or `skip` for who may run nothing.
umask 077
spool=$1 id=$2 owner=$3
shift 3
to=$spool/sent/$id from=$spool/files/${owner:-.}
[ ! -d "$to" ] || { echo placed; exit 0; }
if [ "$owner" ]; then
  u=$(id -u -- "$owner" 2>/dev/null) && [ "$(id -u)" = 0 ] && [ "$u" -ge 1000 ] &&
    [ "$u" -lt 65534 ] || { echo skip; exit 0; }
fi
missing=
for e; do
  d=${e%% *}
  touch -c "$from/$d" 2>/dev/null
  [ -f "$from/$d" ] || { echo "need $d"; missing=1; }
done
[ -z "$missing" ] || exit 0
mkdir -p "$spool/sent" || exit 1
[ -z "$owner" ] || chmod 711 "$spool" "$spool/sent" || exit 1
# Nobody else can come into it before it is whole.
new=$spool/sent/.$id.$$
trap 'rm -rf "$new"' 0
trap 'exit 1' 1 2 13 15
mkdir "$new" || exit 1
for e; do
  d=${e%% *} rest=${e#* }
  name=${rest#* }
  cp "$from/$d" "$new/$name" && chmod "${rest%% *}" "$new/$name" || exit 1
done
[ -z "$owner" ] || chown -R "$owner" "$new" || exit 1
mv -T "$new" "$to" 2>/dev/null || [ -d "$to" ] || { echo "cannot make $to" >&2; exit 1; }
echo placed
