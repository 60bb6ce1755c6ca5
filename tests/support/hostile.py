"""Names that no entry may take: each is refused wherever a node can be written.

None of them is good when it is split at commas or colons, stands on a line of a host file, or
follows `podman://` or `@`. NUL cannot be in an argument or a variable of a real process:
ARGUMENTS leaves such names out.
"""

from __future__ import annotations

NAMES = (
    # options
    "-oProxyCommand=touch${IFS}/tmp/clsh-was-here",
    "-F/tmp/clsh-was-here",
    "-",
    "--",
    "--help",
    "-l@node1",
    "root@-oProxyCommand=id",
    "node1\n-oProxyCommand=id",
    # shell text
    "$(touch /tmp/clsh-was-here)",
    "`touch /tmp/clsh-was-here`",
    "node1;id",
    "node1|id",
    "node1&id",
    "node1>x",
    "<node1",
    "${HOME}",
    "$HOME@node1",
    "~root",
    "!node1",
    "node1'",
    'node1"',
    "node1\\",
    "(node1)",
    "{node1}",
    "node*",
    "node?",
    "node1=x",
    "node1#x",
    # paths and addresses of other things
    "../node1",
    "..",
    ".",
    "/etc/passwd",
    "node1/../x",
    "a/b",
    ".hidden",
    "file:///etc/passwd",
    "ssh://node1",
    "podman:///x",
    "docker://../x",
    "podman://-x",
    "podman://--privileged",
    "local://../x",
    "@../x",
    "@-x",
    "@",
    # tokens that ssh expands
    "%h",
    "node%h",
    "%%",
    "node1%eth0",
    "gw%r",
    # bytes that a terminal or a file name takes amiss
    "node1\x00",
    "no\rde1",
    "no\nde$1",
    "node\x1b[31m",
    "node\x07",
    "node\x7f",
    "node\x0b1",
    "node1 x",
    # letters that only look right
    "n\u043ede1",
    "node\uff11",
    "node\u0661",
    "no\u200bde1",
    "\u202enode1",
    "node\u00a01",
    "n\u00f6de1",
    "node\udcff",
    # brackets
    "[",
    "]",
    "[]",
    "n[1-",
    "n]1[",
    "n[3-1]",
    "n[1-2/0]",
    "n[a-b]",
    "n[[1]]",
    "n[01-100]",
    "n[1-3]$(id)",
    "[::1",
    "[::1]x",
    "[::g]",
    "n[1-999999999]",
    "n[1-999][1-999]",
    # length
    "n" * 254,
    "n" * 100_000,
)
ARGUMENTS = tuple(name for name in NAMES if "\0" not in name)
