from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from clsh.base.config import Config, Shell
from clsh.base.errors import UsageError
from clsh.cli import passwords, prepare
from clsh.cli.options import parse
from clsh.cli.output.printing import Look
from clsh.remote.fanout import Plan
from clsh.remote.transport import TransportOptions

CONFIG = Config(Path("clsh.toml"))
OTHER = Config(
    Path("clsh.toml"),
    shell=Shell(
        fanout=7, connect_timeout=3, timeout=9, grace=4, on_lost="stop", color="always", retry=2
    ),
)


def test_an_option_counts_before_the_configuration() -> None:
    assert prepare.plan(parse(["x"]), CONFIG) == Plan()
    configured = Plan(window=7, connect_timeout_s=3, timeout_s=9, on_lost="stop", grace_s=4)
    assert prepare.plan(parse(["x"]), OTHER) == configured
    line = "-f 5 --connect-timeout 2.5 -t 0 --batch 2 --delay 1 --on-lost continue --grace 0 x"
    assert prepare.plan(parse(line.split()), OTHER) == Plan(5, 2.5, None, 2, 1, "continue", 0)


@pytest.mark.parametrize(
    ("line", "look"),
    [
        ("", Look()),
        ("-b", Look("groups", live=False)),
        ("-bL", Look("groups", live=False, largest_first=False)),
        ("-L", Look("lines", live=False, largest_first=False)),
        ("-q", Look("lines", live=False, only_failed=True)),
        ("-bq", Look("groups", live=False, only_failed=True)),
        ("--diff", Look("diff", live=False)),
        ("--table --live", Look("table", live=True)),
        ("--json", Look(live=False, json=True)),
    ],
)
def test_each_way_to_show_output(line: str, look: Look) -> None:
    assert prepare.look(parse([*line.split(), "x"])) == look


@pytest.mark.parametrize(
    ("line", "config", "environ", "colour"),
    [
        ("x", CONFIG, {}, None),
        ("x", CONFIG, {"NO_COLOR": "1"}, False),
        ("x", CONFIG, {"NO_COLOR": ""}, None),
        ("--color always x", CONFIG, {"NO_COLOR": "1"}, True),
        ("--color never x", OTHER, {}, False),
        ("--color auto x", OTHER, {}, None),
        ("x", OTHER, {}, True),
    ],
)
def test_colours(line: str, config: Config, environ: dict[str, str], colour: bool | None) -> None:
    assert prepare.colour(parse(line.split()), config, environ) is colour


class Asked:
    """Stands for `clsh.assembly.transport`, and for the person who types passwords."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, typed: str | None) -> None:
        self.prompts: list[str] = []
        self.given: dict[str, object] = {}
        self._typed = typed
        monkeypatch.setattr(passwords, "ask", self._ask)
        monkeypatch.setattr("clsh.assembly.transport", self._transport)

    def _ask(self, prompt: str) -> str | None:
        self.prompts.append(prompt)
        return self._typed

    def _transport(self, options: TransportOptions, **given: object) -> None:
        self.given = {"password": options.password, **given}


@pytest.mark.parametrize(
    ("line", "typed", "prompts", "given"),
    [
        ("x", "never asked", 0, {"password": None, "sudo": None, "sudo_password": None}),
        ("--ask-pass x", "secret", 1, {"password": "secret", "sudo": None}),
        ("--sudo x", "secret", 1, {"password": None, "sudo": "root", "sudo_password": "secret"}),
        ("--sudo=bob x", "", 1, {"sudo": "bob", "sudo_password": None}),
        ("--sudo x", None, 1, {"sudo": "root", "sudo_password": None}),
        ("--sudo --ask-pass x", "secret", 1, {"password": "secret", "sudo_password": "secret"}),
        ("--transport openssh --retry 3 x", None, 0, {"forced": "openssh", "retries": 3}),
        ("x", None, 0, {"forced": "auto", "retries": 0}),
    ],
)
def test_a_password_is_asked_for_once_and_goes_to_the_transport(
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    typed: str | None,
    prompts: int,
    given: dict[str, object],
) -> None:
    asked = Asked(monkeypatch, typed)
    build = prepare.transport(parse(line.split()), CONFIG)
    assert len(asked.prompts) == prompts
    build()
    assert given.items() <= asked.given.items()


def test_a_password_file_answers_for_login_and_sudo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = Asked(monkeypatch, "never asked")
    file = tmp_path / "password"
    file.write_text("secret\n")
    file.chmod(0o600)
    prepare.transport(parse(["--sudo", "--pass-file", str(file), "x"]), CONFIG)()
    assert asked.prompts == []
    assert asked.given["password"] == asked.given["sudo_password"] == "secret"


@pytest.mark.parametrize("typed", [None, ""])
def test_without_a_password_nothing_is_tried(
    monkeypatch: pytest.MonkeyPatch, typed: str | None
) -> None:
    Asked(monkeypatch, typed)
    with pytest.raises(UsageError, match="--ask-pass got no password") as caught:
        prepare.transport(parse(["--ask-pass", "x"]), CONFIG)
    assert "--pass-file" in caught.value.hint


async def test_the_real_transport_is_made() -> None:
    build = await asyncio.to_thread(lambda: prepare.transport(parse(["x"]), CONFIG))
    await (await asyncio.to_thread(build)).aclose()
