"""Where the files of an attempt are, as Slurm is told and as a shell finds them. Pure."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsh.base.messages import tr
from clsh.jobs.errors import RequestError
from clsh.jobs.sent import item

if TYPE_CHECKING:
    from clsh.jobs.engine import Launch, Stream

_FIELD = re.compile(r"%([jtN%])")


@dataclass(frozen=True, slots=True)
class Named:
    """A file by the pieces of its path, between which the name of the node stands."""

    pieces: tuple[str, ...]

    def for_slurm(self) -> str:
        """Return it as `-o` takes it, which puts the node for `%N` too."""
        return "%N".join(piece.replace("%", "%%") for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Files:
    """The directory, and the files; `error` equal to `output` is one file."""

    directory: str
    input: Named | None
    output: Named
    error: Named

    def of(self, stream: Stream) -> Named:
        """Return the file of a stream."""
        return self.output if stream == "output" else self.error


def folder(spool: str, launch: Launch) -> str:
    """Return the directory of an attempt in the spool."""
    return f"{spool}/{launch.id}"


def files(launch: Launch, home: str, spool: str) -> Files:
    """Return the files of an attempt, all by absolute paths.

    Raises RequestError for a backslash: Slurm then puts in nothing for the fields.
    """
    request = launch.request
    sent = item.folder(spool, launch.id) if request.send else home
    directory = posixpath.join(home, request.directory or sent)
    own = folder(spool, launch)

    def named(field: str, text: str, default: str) -> Named:
        if "\\" in text or "\\" in directory:
            raise RequestError(
                field if "\\" in text else "directory",
                tr("a file or directory of a job in Slurm cannot have a backslash in its name"),
            )
        if not text:
            return Named((f"{own}/{default}",))
        first, *rest = _pieces(text, launch)
        return Named((posixpath.join(directory, first), *rest))

    return Files(
        posixpath.normpath(directory),
        named("input", request.input, "") if request.input else None,
        named("output", request.output, "output"),
        named("error", request.error, "error"),
    )


def _pieces(text: str, launch: Launch) -> list[str]:
    values = {"j": str(launch.job), "t": str(launch.task), "%": "%", "N": "\0"}
    return _FIELD.sub(lambda found: values[found[1]], text.replace("\0", "")).split("\0")
