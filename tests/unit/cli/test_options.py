from __future__ import annotations

import pytest

from clsh.base.errors import UsageError
from clsh.cli.options import parse, parser


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-h n1 ls -l", ["ls", "-l"]),
        ("-h n1 -- -odd --name", ["-odd", "--name"]),
        ("-h n1 ls -- -l", ["ls", "--", "-l"]),
        ("-bh n1 ls", ["ls"]),
        ("-hn1 -f2 ls -h", ["ls", "-h"]),
        ("-h n1 --sudo ls -l", ["ls", "-l"]),
        ("-h n1 --sudo=bob id", ["id"]),
        ("--hosts=n1 -S - x", ["-", "x"]),
        ("--hosts n1 --out x/ ls", ["ls"]),
        ("-w n1 -b uptime", ["uptime"]),
        ("-H n1 -H n2 -l bob uptime", ["uptime"]),
    ],
)
def test_options_end_at_the_first_word_of_the_command(line: str, words: list[str]) -> None:
    assert parse(line.split()).words == words


def test_values_are_what_was_given() -> None:
    options = parse(
        [
            "-h",
            "n1",
            "-h",
            "n2",
            "-x",
            "n3",
            "-g",
            "gpu",
            "-t",
            "1.5",
            "-f",
            "3",
            "-e",
            "A=1",
            "-e",
            "B=",
            "--retry",
            "0",
            "x",
        ]
    )
    assert options.hosts == ["n1", "n2"]
    assert options.exclude == ["n3"]
    assert options.group == ["gpu"]
    assert options.timeout == 1.5
    assert options.fanout == 3
    assert options.retry == 0
    assert options.env == ["A=1", "B="]
    assert options.sudo is None
    assert parse(["--sudo", "x"]).sudo == "root"
    assert parse(["--sudo=bob", "x"]).sudo == "bob"
    assert parse(["x"]).hosts == []  # nothing is left of an earlier command line


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("-h", "expected one argument"),
        ("-h -oProxyCommand=x ls", "expected one argument"),
        ("-h n1", "no command was given"),
        ("-h n1 --", "no command was given"),
        ("--bogus ls", "--bogus"),
        ("--host n1 ls", "--host"),  # nothing is guessed from a beginning
        ("-bz ls", "z"),
        ("-f 0 ls", "'0' is not a number from 1 on"),
        ("-f many ls", "'many' is not a number"),
        ("-f 1000001 ls", "not a number"),
        ("-t -1 ls", "'-1' is not a number of seconds"),
        ("-t inf ls", "'inf' is not a number of seconds"),
        ("--retry -1 ls", "not a number from 0 on"),
        ("--on-lost maybe ls", "maybe"),
        ("--color pink ls", "pink"),
        ("--json -b ls", "--json and -b do not go together"),
        ("--json -q ls", "--json and -q do not go together"),
        ("--table -L ls", "--table and -L do not go together"),
        ("--live ls", "--live needs -b, -L, --diff or --table"),
        ("--live -q ls", "--live"),
        ("--append ls", "--append needs --out or --err"),
        ("--delay 3 ls", "--delay needs --batch"),
        ("--failed -h n1 ls", "--failed and -h do not go together"),
        ("--failed -a ls", "--failed and -a do not go together"),
        ("--ask-pass --pass-file x ls", "--ask-pass and --pass-file do not go together"),
        ("-i ls", "-i takes no command"),
        ("-i --json", "-i and --json do not go together"),
        ("-i --script x", "-i and --script do not go together"),
        ("-e 1A=x ls", "bad -e '1A=x'"),
        ("-e A ls", "bad -e 'A'"),
        ("--copy a", "--copy needs at least two names"),
        ("--rcopy a", "--rcopy needs at least two names"),
        ("--copy a b -h", "'-h' stands among the files of --copy"),
        ("--copy --tty a b", "--copy and --tty do not go together"),
        ("--tty --script x", "--tty and --script do not go together"),
    ],
)
def test_what_cannot_be_is_told_with_what_to_do(line: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(line.split())
    assert says in str(caught.value)
    assert caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("line", ["-i", "--script x", "--copy a b", "--version", "--help", "-b x"])
def test_these_are_enough(line: str) -> None:
    assert parse(line.split())


def test_an_empty_command_is_none() -> None:
    with pytest.raises(UsageError, match="no command"):
        parse(["-h", "n1", " "])


def test_a_command_of_one_word_stays_as_it_is() -> None:
    assert parse(["-h", "n1", "echo  'a  b' | cat"]).words == ["echo  'a  b' | cat"]


def test_help_names_every_option_once_and_the_ways_to_call() -> None:
    text = parser().format_help()
    assert text.startswith("usage: clsh [options] COMMAND [ARG...]")
    for option in ("-h LIST", "--hostfile", "--on-lost", "--rcopy", "-S", "--dry-run"):
        assert option in text
    assert "-w" not in text  # kept for those who come from clush, not advertised
