"""The shell scripts that make the demo's head and nodes out of Linux namespaces. Pure text.

Layout: the head's root is one tmpfs, mounted where only the head sees it. It shows this
machine's directories (bind mounts, so clsh and the caller's files are there as they are)
except /etc, /home and /shared, and keeps its own things under /.demo:

    real/  this machine's root file system     layer/head, layer/node  files laid over it
    home/ shared/  common to head and nodes    nodes/NAME/{layer,upper,work,root}
    proc/  the processes of the demo           old/  what was the root before

A node's root is an overlay: its own layer, layer/node and real/ below, upper/ to write on.
"""

from __future__ import annotations

HEAD = r"""
# usage: head.sh STATE USERS HEAD_ADDRESS NODE=ADDRESS...   as pid 1 of new namespaces
set -eu
umask 022
state=$1 users=$2 address=$3
shift 3
root=$state/root
demo=$root/.demo

mount -t tmpfs -o mode=755 clsh-demo "$root"
mount --make-unbindable "$root"   # or the bind mounts below would hold themselves
mkdir "$demo"
cd "$demo"
mkdir real proc old shared home nodes etc etc/upper etc/work
chmod 1777 shared
mount --bind / real
mount -t proc proc proc
cp -R -p "$state/layer" layer

# What every node has: the places to mount on, and devices.
cd layer/node
mkdir home shared root run tmp proc sys mnt dev dev/pts dev/shm
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr

# Keys. Every user may log in from head and nodes to all nodes as himself, and root as anyone.
cd "$demo/home"
key() { ssh-keygen -q -t ed25519 -N '' -C "$2" -f "$1"; }
for entry in root:0 $users; do
    user=${entry%%:*}
    mkdir -p "$user/.ssh"
    chmod 700 "$user" "$user/.ssh"
    key "$user/.ssh/id_ed25519" "$user@head" &
done
for entry; do
    node=$demo/nodes/${entry%%=*}
    mkdir -p "$node/layer/etc/ssh" "$node/upper" "$node/work" "$node/root"
    echo "${entry%%=*}" >"$node/layer/etc/hostname"
    key "$node/layer/etc/ssh/ssh_host_ed25519_key" "${entry%%=*}" &
done
wait
for entry; do
    read -r type key rest <"$demo/nodes/${entry%%=*}/layer/etc/ssh/ssh_host_ed25519_key.pub"
    echo "${entry%%=*},${entry#*=} $type $key"
done >"$demo/known_hosts"
for entry in root:0 $users; do
    user=${entry%%:*}
    cp "$demo/known_hosts" "$user/.ssh/known_hosts"
    cat root/.ssh/id_ed25519.pub "$user/.ssh/id_ed25519.pub" >"$user/.ssh/authorized_keys"
    chown -R "${entry#*:}:${entry#*:}" "$user"
done

# For what reaches the nodes without seeing the head's files.
cp -p "$demo/known_hosts" root/.ssh/id_ed25519 "$state/access/"

# The head's root.
for path in /* /home/*; do
    case $path in
    /etc | /home | /shared | /lost+found) continue ;;
    /home/*) to=$demo$path ;;
    *) to=$root$path ;;
    esac
    if [ -e "$to" ]; then
        continue   # a home of the demo's own users
    elif [ -L "$path" ]; then
        cp -P "$path" "$to"
    elif [ -d "$path" ]; then
        mkdir "$to"
        mount --rbind "$path" "$to"
    fi
done
mount --make-private "$root"
mkdir "$root/etc" "$root/home" "$root/shared"
mount --rbind "$demo/home" "$root/home"
mount --bind "$demo/shared" "$root/shared"
mount -t overlay \
    -o "lowerdir=$demo/layer/head/etc:$demo/layer/node/etc:$demo/real/etc" \
    -o "upperdir=$demo/etc/upper,workdir=$demo/etc/work" clsh-demo "$root/etc"
cd "$root"
pivot_root . .demo/old
umount -l /.demo/old
chmod 700 /.demo

hostname head
ip link set lo up
ip link add demo type bridge
ip address add "$address/16" dev demo
ip link set demo up

echo head
exec >&2
sleep infinity &
wait
"""

START = r"""
# usage: start.sh SSHD NODE=ADDRESS...   in the head's namespaces
# Each node prints a word: its name when its sshd listens, or failed.
sshd=$1
shift
for entry; do
    ip link delete "v${entry%%=*}" 2>/dev/null   # what a node killed just now may have left
    unshare --net --uts --ipc --pid --mount --fork --kill-child \
        sh /.demo/layer/node.sh "$sshd" "${entry%%=*}" "${entry#*=}" </dev/null &
done
"""

NODE = r"""
# usage: node.sh SSHD NODE ADDRESS   as pid 1 of new namespaces, started by start.sh
trap 'echo failed' EXIT
set -eu
umask 022
sshd=$1 name=$2 address=$3
cd "/.demo/nodes/$name"

hostname "$name"
ip link set lo up
# The same hardware address each time, so that no table of neighbours is ever out of date.
ip link add eth0 address "02:00:$(printf '%02x:%02x:%02x:%02x' $(echo "$address" | tr . ' '))" \
    type veth peer name "v$name" netns /.demo/proc/1/ns/net
ip address add "$address/16" dev eth0
ip link set eth0 up
nsenter --net=/.demo/proc/1/ns/net ip link set "v$name" master demo up
# Who asked for this address while nobody had it would be told so for a while yet.
nsenter --net=/.demo/proc/1/ns/net ip neighbour flush to "$address" dev demo 2>/dev/null || :

mount -t overlay -o "lowerdir=layer:/.demo/layer/node:/.demo/real" \
    -o upperdir=upper,workdir=work clsh-demo root
cd root
mount --bind /.demo/home home
mount --bind /.demo/shared shared
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=700 tmpfs root
mkdir run/sshd root/.ssh
cp -p home/root/.ssh/authorized_keys home/root/.ssh/known_hosts home/root/.ssh/id_ed25519 root/.ssh/
pivot_root . mnt
exec sh -c '
    umount -l /mnt
    if ! "$0" -E /run/sshd.log >&2; then
        cat /run/sshd.log >&2
        echo failed
        exit 1
    fi
    until [ -s /run/sshd.pid ]; do sleep 0.01; done
    echo "$1"
    exec >&2
    sleep infinity &
    wait
' "$sshd" "$name"
"""
