"""The completion scripts, tried in bash, zsh and fish, and the names that they ask for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clsh.cli import main

CONFIG = """\
[nodes.node1]
[nodes.node2]
[nodes.web01]
[groups]
gpu = "node[1-2]"
"""
# What is typed, and what is offered for it; the names come from the inventory above.
OFFERED = [
    (("clsh", "--hos"), {"--hosts", "--hostfile"}),
    (("clsh", "-h", "no"), {"node1", "node2"}),
    (("clsh", "-h", "node1,w"), {"node1,web01"}),
    (("clsh", "-g", "g"), {"gpu"}),
    (("clsh", "--on-lost", ""), {"continue", "stop"}),
    (("clsh", "-h", "node1", "mkfif"), {"mkfifo"}),
    (("cl", "nod"), {"nodes"}),
    (("cl", "demo", "sta"), {"status", "start"}),
    (("cl", "completion", "z"), {"zsh"}),
]


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "clsh.toml"
    path.write_text(CONFIG)
    monkeypatch.setenv("CLSH_CONFIG", str(path))
    bin_ = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
    return path


def say(what: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main.main(["completion", what]) == 0
    return capsys.readouterr().out.splitlines()


def test_names_come_from_the_inventory(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert say("nodes", capsys) == ["node1", "node2", "web01"]
    assert say("groups", capsys) == ["gpu"]


def test_without_an_inventory_there_are_no_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert say("nodes", capsys) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_for_both_commands(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join(say(shell, capsys))
    assert "--hostfile" in text or "-l hostfile" in text
    assert "completion" in text


def offered(argv: list[str]) -> set[str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=50)
    assert done.stderr == ""
    return {line.split("\t")[0].strip() for line in done.stdout.splitlines() if line.strip()}


@pytest.mark.parametrize(("words", "expected"), OFFERED)
def test_bash(inventory: Path, words: tuple[str, ...], expected: set[str]) -> None:
    script = (
        'eval "$(cl completion bash)"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        '"_shtab_$1"; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    assert offered(["bash", "--norc", "-c", script, "bash", *words]) == expected


@pytest.mark.parametrize(("words", "expected"), OFFERED)
def test_fish(inventory: Path, words: tuple[str, ...], expected: set[str]) -> None:
    assert shutil.which("fish")
    line = " ".join(words)
    script = f"cl completion fish | source; complete -C '{line}'"
    assert offered(["fish", "--no-config", "-c", script]) == expected


# zsh completes at a prompt only: one on a pty of its own, told to write down what it offers.
ZSH_INNER = r"""
PS1= ; unset zle_bracketed_paste
autoload -Uz compinit; compinit -u -D
eval "$(cl completion zsh)"
compadd() {
  local -a hits
  if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)* ]]; then
    builtin compadd -O hits "$@"
    print -rl -- $hits >>$OUT
  fi
  builtin compadd "$@"
}
ended() { print -r -- END >>$OUT }
comppostfuncs=(ended)
print -r -- READY >>$OUT
"""
ZSH = r"""
zmodload zsh/zpty
zpty -b inner 'TERM=dumb zsh -f -i'
said() { for _ in {1..200}; do grep -q "^$1" $OUT 2>/dev/null && return; sleep 0.05; done; exit 1 }
zpty -w inner "source $INNER"
said READY
zpty -w -n inner "$1"$'\t'
said END
zpty -d inner
"""


@pytest.mark.parametrize(("words", "expected"), OFFERED)
def test_zsh(inventory: Path, words: tuple[str, ...], expected: set[str]) -> None:
    out, inner = inventory.with_name("out"), inventory.with_name("inner.zsh")
    inner.write_text(ZSH_INNER)
    done = subprocess.run(
        ["zsh", "-f", "-c", ZSH, "zsh", " ".join(words)],
        env={**os.environ, "OUT": str(out), "INNER": str(inner)},
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    before = words[-1].rpartition(",")[0]  # zsh itself keeps the names before the last comma
    offered = {word for word in out.read_text().split("\n") if word not in {"READY", "END", ""}}
    assert {f"{before},{word}" if before else word for word in offered} == expected
