# Takes a file from standard input, whole or not at all: SPOOL OWNER DIGEST SIZE DAYS.
# What was not used for so many DAYS goes.
umask 077
dir=$1/files/${2:-.}
mkdir -p "$dir" || exit 1
new=$dir/.$3.$$
trap 'rm -f "$new"' 0
trap 'exit 1' 1 2 13 15
cat >"$new" || exit 1
[ "$(wc -c <"$new")" -eq "$4" ] || { echo "the file did not arrive whole" >&2; exit 1; }
mv -f "$new" "$dir/$3" || exit 1
find "$dir" -type f -mtime "+$5" -exec rm -f {} +
