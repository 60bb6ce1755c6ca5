"""`cl submit` and `cl sub`, asked of a manager with jobs."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clsh.base import client
from clsh.base.errors import ClshError, NotAllowedError, UsageError
from clsh.cli.main import main, parser
from clsh.jobs.errors import RequestError
from clsh.jobs.forms import asking
from clsh.jobs.forms.fields import FIELDS
from clsh.jobs.model import Request

if TYPE_CHECKING:
    from tests.support.job_manager import Managed


def request(manager: Managed, number: int = 1) -> Request:
    return manager.jobs.found[number].request


def test_a_command_and_its_number(manager: Managed, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", "ls", "-l", "--name", "x"]) == 0
    assert capsys.readouterr().out == "1\n"
    assert request(manager).argv == ("ls", "-l", "--name", "x"), "options end at the command"
    assert main(["submit", "--json", "--", "-odd"]) == 0
    assert json.loads(capsys.readouterr().out) == {"job": 2}
    assert request(manager, 2).argv == ("-odd",)
    assert request(manager).key != request(manager, 2).key


def test_every_field_has_an_option(
    manager: Managed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FROM_HERE", "here")
    (tmp_path / "x").write_text("data")
    (tmp_path / "y").write_text("#!/bin/sh")
    (tmp_path / "y").chmod(0o755)
    given = {
        "-J": "a name", "-k": "parallel", "-D": "sub", "-i": "in", "-o": "out-%j", "-e": "err",
        "--priority": "-5", "-c": "2", "-m": "4G", "--rss-limit": "5G", "-t": "1:00:00",
        "-G": "1", "-n": "8", "--tasks-per-node": "4", "--metric": "free", "-w": "node[1-2]",
        "-d": "any:3", "--restart": "own", "--again": "2", "--restart-command": "./go 'a b'",
        "--checkpoint-signal": "USR2", "--notify": "a@example.org", "--key": "k",
    }  # fmt: skip
    words = [word for pair in given.items() for word in pair]
    several = ["--env", "A=1", "--env", "FROM_HERE", "--send", "x", "--send", f"{tmp_path}/y"]
    several += ["-H", "--once"]
    assert main(["submit", *words, *several, "prog"]) == 0
    got = request(manager)
    assert got == Request(
        ("prog",),
        kind="parallel",
        name="a name",
        directory=str(tmp_path / "sub"),
        input="in",
        output="out-%j",
        error="err",
        environment={"A": "1", "FROM_HERE": "here"},
        send=(
            f"{hashlib.sha256(b'data').hexdigest()}:x",
            f"{hashlib.sha256(b'#!/bin/sh').hexdigest()}+x:y",
        ),
        priority=-5,
        slots=2,
        memory=4 << 30,
        rss_limit=5 << 30,
        time_limit=3600,
        gpus=1,
        tasks=8,
        tasks_per_node=4,
        once=True,
        metric="free",
        nodes=("node1", "node2"),
        after=((3, "any"),),
        restart="own",
        again=2,
        restart_argv=("./go", "a b"),
        checkpoint_signal="USR2",
        notify=("a@example.org",),
        held=True,
        key="k",
    )
    given_fields = {field.name for field in FIELDS if getattr(got, field.name)}
    assert given_fields == {field.name for field in FIELDS} - {"array"}


def test_an_array(manager: Managed) -> None:
    assert main(["submit", "-a", "0-9%3", "true"]) == 0
    assert (request(manager).kind, len(request(manager).array), request(manager).at_once) == (
        "batch", 10, 3,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], "no command was given"),
        (["--"], "no command was given"),
        (["-m", "much", "x"], "memory cannot be 'much'"),
        (["--env", "UNSET_HERE", "x"], "UNSET_HERE is not set here"),
        (["--colour", "x"], "unrecognized arguments"),
        (["x" * 140_000], "argv cannot be"),
        (["/bad"], "no such program"),
        (["--name"], "expected one argument"),
    ],
)
def test_what_cannot_be_submitted(manager: Managed, words: list[str], error: str) -> None:
    with pytest.raises(UsageError, match=error):
        main(["submit", *words])
    assert manager.jobs.found == {}


def test_more_than_the_manager_takes(manager: Managed) -> None:
    with pytest.raises(UsageError, match="more than the 262,144 that are taken"):
        main(["submit", *(["x" * 100_000] * 3)])


def test_shown_and_not_submitted(manager: Managed, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", "--dry-run", "-m", "4G", "echo", "a b\n"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "argv    echo 'a b '",
        "kind    single",
        "memory  4G",
        "metric  load",
        "again   0",
    ]
    assert main(["submit", "--dry-run", "--json", "-m", "4G", "echo"]) == 0
    assert json.loads(capsys.readouterr().out)["memory"] == 4 << 30
    assert manager.jobs.found == {}


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 7", 7)])
def test_waiting_gives_the_status(
    running: Managed, script: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["submit", "--wait", "sh", "-c", f"sleep 0.2; {script}"]) == status
    told = capsys.readouterr()
    assert told.out == "1\n"
    assert told.err == ("" if status == 0 else "job 1 failed\n")


@pytest.mark.parametrize(
    ("end", "status", "said"),
    [
        ({"state": "failed", "signal": "KILL", "reason": "RSS"}, 137, "job 1 failed: RSS"),
        ({"state": "failed", "signal": "ODD"}, 1, "job 1 failed"),
        ({"state": "lost", "reason": "node1 went down"}, 12, "job 1 failed: node1 went down"),
        ({"state": "cancelled"}, 143, "job 1 cancelled"),
    ],
)  # fmt: skip
def test_waiting_for_other_ends(
    manager: Managed,
    end: dict[str, Any],
    status: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = asking.submit

    def then_end(*args: Any) -> list[int]:
        found = kept(*args)
        manager.call(lambda: manager.jobs.move(found[0], **end))
        return found

    monkeypatch.setattr(asking, "submit", then_end)
    assert main(["submit", "--wait", "x"]) == status
    assert capsys.readouterr().err == f"{said}\n"


def test_waiting_for_an_array_some_of_which_failed(
    manager: Managed, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = asking.submit

    def then_end(*args: Any) -> list[int]:
        found = kept(*args)
        manager.call(lambda: manager.jobs.move(1, 0, state="failed", status=9))
        manager.call(lambda: manager.jobs.move(1, 1, state="done", status=0))
        return found

    monkeypatch.setattr(asking, "submit", then_end)
    assert main(["submit", "--wait", "-a", "0-1", "x"]) == 1


def test_interrupted_while_waiting(
    manager: Managed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(asking, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(["submit", "--wait", "x"])
    assert capsys.readouterr().err == "job 1 goes on; `cl cancel 1` ends it\n"


def test_no_manager() -> None:
    with pytest.raises(client.NoManagerError):
        main(["submit", "x"])


def test_a_script(
    manager: Managed,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "#!/bin/bash\n#SBATCH -J five -t 5 --mem=1G -p gpu\n#SBATCH -o %u\necho $1\n"
    Path("job.sh").write_text(text)
    assert main(["sub", "-J", "six", "-A", "acc", "--exclusive", "job.sh", "a b", "-J", "x"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "1\n"
    assert printed.err.splitlines() == [
        "job.sh: --account is left out: there are no partitions, accounts and qualities of"
        " service here",
        "job.sh: --exclusive is left out: a job has its cores alone, and shares the node",
        "job.sh: line 2: -p is left out: there are no partitions, accounts and qualities of"
        " service here",
    ]
    got = request(manager)
    assert got.argv == ("/bin/bash", "-c", text, "job.sh", "a b", "-J", "x")
    assert (got.name, got.time_limit, got.directory) == ("six", 300, str(tmp_path))
    assert got.output == got.error == "root"


def test_two_submissions_of_one_parser_do_not_mix() -> None:
    parsing = parser(["sub"])
    first = parsing.parse_args(["sub", "-H", "--nice", "5", "a.sh"])
    second = parsing.parse_args(["sub", "--mem=1G", "b.sh"])
    assert first.given == [("hold", ""), ("nice", "5")]
    assert second.given == [("mem", "1G")]


def test_a_script_from_standard_input_and_wrapped(
    manager: Managed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"#!/bin/sh\ntrue\n")))
    assert main(["sub", "-", "a"]) == 0
    assert request(manager).argv == ("/bin/sh", "-c", "#!/bin/sh\ntrue\n", "stdin", "a")
    assert main(["sub", "--wrap", "echo $HOME"]) == 0
    assert request(manager, 2).argv[2] == "#!/bin/sh\necho $HOME\n"


@pytest.mark.parametrize(
    ("words", "kind", "error"),
    [
        ([], UsageError, "no script was given"),
        (["--wrap", "x", "job.sh"], UsageError, "--wrap takes no script"),
        (["/bin/true"], RequestError, "^true is not a script in UTF-8"),
        (["missing.sh"], ClshError, "cannot read missing.sh: No such file"),
        (["-n", "many", "--wrap", "x"], RequestError, "^wrap: the command line: --ntasks cannot"),
    ],
)  # fmt: skip
def test_scripts_that_are_refused(words: list[str], kind: type[Exception], error: str) -> None:
    with pytest.raises(kind, match=error):
        main(["sub", *words])


def test_a_script_runs_where_no_mail_is_sent(
    manager: Managed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/sh\n#SBATCH --mail-type=END\n#SBATCH --mail-user=a@x.org\ntrue\n")
    assert main(["sub", str(script)]) == 0
    assert request(manager).notify == ("end:a@x.org",)
    manager.jobs.untold = "this manager has no mail server for jobs"
    capsys.readouterr()
    assert main(["sub", str(script)]) == 0
    assert "--mail-user is left out: this manager has no mail server" in capsys.readouterr().err
    assert request(manager, 2).notify == ()
    with pytest.raises(UsageError, match="notify: this manager has no mail server"):
        main(["sub", "--mail-user", "b@x.org", "--mail-type", "END", "--wrap", "true"])
    manager.jobs.fails = RequestError("argv", "argv: something else")
    with pytest.raises(UsageError, match="something else"):
        main(["sub", str(script)])


def test_a_submission_is_sent_again_with_its_key(
    manager: Managed, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, calls = client.post, []

    def breaking(path: str, body: object) -> object:
        found = kept(path, body)
        calls.append(body)
        if len(calls) == 1:
            raise client.BrokenOffError
        if len(calls) == 2:
            raise client.NoManagerError
        return found

    monkeypatch.setattr(client, "post", breaking)
    monkeypatch.setattr(asking, "_PAUSE_S", 0)
    assert asking.submit([{"argv": ["x"]}]) == [1]
    assert len(calls) == 3
    assert len(manager.jobs.found) == 1


def test_a_submission_is_not_sent_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaking(path: str, body: object) -> object:
        raise client.BrokenOffError

    monkeypatch.setattr(client, "post", breaking)
    monkeypatch.setattr(asking, "_PAUSE_S", 0)
    with pytest.raises(client.BrokenOffError):
        asking.submit([{"argv": ["x"]}])


def test_for_somebody_else(manager: Managed) -> None:
    assert asking.submit([{"argv": ["x"]}], "alice") == [1]
    assert manager.jobs.found[1].owner == "alice"


def test_a_refusal_keeps_its_kind(manager: Managed) -> None:
    manager.jobs.fails = NotAllowedError("not you")
    with pytest.raises(NotAllowedError, match="not you"):
        main(["submit", "x"])
