"""`make onefile`: the executable runs below a root that has the C library and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tools.onefile import build

from tests.support.sshd import Sshd

# What Python's own libraries in the executable may need beyond what `ldd` says of it.
LIBRARIES = ("libm.so.6", "libutil.so.1", "librt.so.1", "libpthread.so.0", "libdl.so.2")


@pytest.fixture(scope="session")
def bare_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory to chroot to: /clsh, /cl, the C library, /dev/null; no Python and no shell."""
    root = tmp_path_factory.mktemp("onefile")
    made = build(tmp_path_factory.mktemp("dist"))
    listed = subprocess.run(["ldd", made], capture_output=True, text=True, check=True).stdout
    libraries = [Path(path) for path in re.findall(r"(/\S+) \(0x", listed)]
    (libc,) = (path for path in libraries if path.name.startswith("libc."))
    libraries += [path for name in LIBRARIES if (path := libc.with_name(name)).exists()]
    for path in {*libraries}:
        target = root / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    for name in ("dev", "tmp", "home"):
        (root / name).mkdir()
    os.mknod(root / "dev/null", 0o020666, os.makedev(1, 3))
    shutil.copy(made, root / "clsh")
    (root / "cl").symlink_to("clsh")
    return root


def run(root: Path, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    chroot = shutil.which("chroot", path=f"{os.environ['PATH']}:/usr/sbin")
    assert chroot
    return subprocess.run(
        [chroot, str(root), *argv],
        env={"HOME": "/home", "USER": "root", **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(180)
@pytest.mark.namespaces
def test_it_runs_where_there_is_no_python(bare_root: Path) -> None:
    assert not list(bare_root.rglob("*python*"))
    done = run(bare_root, "/clsh", "--version")
    assert (done.stdout[:5], done.stderr) == ("clsh ", "")
    assert run(bare_root, "/cl", "--version").stdout.startswith("cl ")


@pytest.mark.timeout(180)
@pytest.mark.namespaces
def test_it_reaches_a_node_over_ssh(bare_root: Path, sshd: Sshd) -> None:
    home = bare_root / "home"
    shutil.copy(sshd.identity, home / "key")
    shutil.copy(sshd.known_hosts, home / "known_hosts")
    (home / "clsh.toml").write_text(
        '[shell]\nidentities = ["/home/key"]\nknown_hosts = "/home/known_hosts"\n'
    )
    entry = f"{sshd.user}@{sshd.address}:{sshd.port}"
    done = run(bare_root, "/clsh", "-h", entry, "echo here; uname", CLSH_CONFIG="/home/clsh.toml")
    assert done.stderr == ""
    assert done.stdout == f"{sshd.address}: here\n{sshd.address}: Linux\n"


@pytest.mark.timeout(180)
@pytest.mark.namespaces
def test_it_speaks_korean(bare_root: Path) -> None:
    done = run(bare_root, "/clsh", "true", LC_ALL="ko_KR.UTF-8")
    assert "--hostfile 옵션이 제공되지 않았습니다" in done.stderr
    assert done.returncode == 2


@pytest.mark.timeout(180)
@pytest.mark.namespaces
def test_it_prints_its_completion_scripts(bare_root: Path) -> None:
    assert "complete -o bashdefault" in run(bare_root, "/cl", "completion", "bash").stdout
