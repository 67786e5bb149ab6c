"""A program of its own that runs one Python program nobody trusts, and says whether that reached its end.

Knows processes, limits and what a program may touch. Knows no benchmark, and imports nothing of this project: it is started
as `python -I supervisor.py FOLDER SECONDS`, reads the program from standard input and prints "passed" if it ran to its end.

Three rings. The program's own interpreter refuses what solutions have no business with (an audit hook, PEP 578; the public
harness takes the same functions away). The kernel limits memory, time, processes and file sizes. And whatever is alive at the end
is killed: on Linux orphans, however often they forked, become children of this process (a subreaper), elsewhere only the
program's own process group is found. Careless programs are held by this, determined attackers are not: those need a container.
"""

from __future__ import annotations

import ctypes  # before the hook: libraries that a program imports may look for it
import os
import resource
import secrets
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

import psutil  # and with it _posixsubprocess, which is named below

MEMORY = 2 << 30  # bytes of address space
FILE = 1 << 20  # bytes of one file
_SUBREAPER, _DIE_WITH_PARENT = 36, 1  # of prctl(2)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_REFUSED = (  # beginnings of audit events
    "ctypes.", "ftp", "http.", "os.ch", "os.exec", "os.fork", "os.kill", "os.lchown", "os.link", "os.mkdir", "os.posix_spawn",
    "os.remove", "os.rename", "os.rmdir", "os.setxattr", "os.spawn", "os.symlink", "os.system", "os.truncate", "os.utime",
    "pty.", "resource.", "shutil.", "signal.", "socket.", "sqlite3.", "subprocess.", "urllib.", "webbrowser.",
)  # fmt: skip
# Functions that raise no audit event and start a process or make a file.
_UNAUDITED = ((os, "mkfifo"), (os, "mknod"), (sys.modules["_posixsubprocess"], "fork_exec"))


def main() -> None:
    folder, seconds = sys.argv[1], float(sys.argv[2])
    program = sys.stdin.buffer.read().decode()
    os.chdir(folder)
    on_linux = sys.platform == "linux"
    if on_linux:
        _prctl(_SUBREAPER, 1)
    verdict = secrets.token_bytes(32)  # the program can end the process in any way it likes, but does not know this
    readable, writable = os.pipe()
    child = os.fork()
    if not child:
        try:
            if on_linux:
                _prctl(_DIE_WITH_PARENT, signal.SIGKILL)
            _run(program, os.path.realpath(folder), seconds, writable, verdict)
        finally:
            os._exit(1)
    os.close(writable)
    ended, _, _ = select.select([readable], [], [], seconds)
    passed = bool(ended) and os.read(readable, len(verdict) + 1) == verdict
    _kill_all(child)
    print("passed" if passed else "failed", end="")


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _run(program: str, folder: str, seconds: float, answer: int, verdict: bytes) -> None:
    """In the child: does not return."""
    write, leave = os.write, os._exit  # as they are now; the program may replace them
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        os.closerange(3, answer)
        os.closerange(answer + 1, 256)
        sys.stdin = open(os.devnull, "w")  # noqa: SIM115 - lives as long as the process; reading it raises OSError
        _limit(seconds)
        for module, name in _UNAUDITED:
            setattr(module, name, None)
        sys.addaudithook(_guard(folder))
        exec(compile(program, "<problem>", "exec", dont_inherit=True), {})
        write(answer, verdict)
    except BaseException:  # SystemExit, too: who leaves before the end has not passed
        leave(1)
    leave(0)


def _limit(seconds: float) -> None:
    limits = {
        resource.RLIMIT_AS: MEMORY,
        resource.RLIMIT_CPU: int(seconds) + 2,  # should this process not be there to watch the clock
        resource.RLIMIT_FSIZE: FILE,
        resource.RLIMIT_NPROC: 0,  # binds everyone but root
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        with suppress(ValueError, OSError):  # macOS knows some of them only by name
            resource.setrlimit(kind, (limit, limit))


def _guard(folder: str) -> Callable[[str, tuple[object, ...]], None]:
    """A hook that raises PermissionError for what leaves the process or the folder; files in the folder may be written."""
    inside, real_path, fsdecode, nowhere = folder + os.sep, os.path.realpath, os.fsdecode, os.devnull

    def refuse(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith(_REFUSED):
            raise PermissionError(f"a solution may not use {event}")
        if event != "open":
            return
        path, mode, flags = arguments
        if not (isinstance(path, (str, bytes)) and isinstance(flags, int) and flags & _WRITES) or path == nowhere:
            return
        # os.open, the one that tells no mode, may mean another folder than the current one.
        if mode is None or not real_path(fsdecode(path)).startswith(inside):
            raise PermissionError(f"a solution may not write {path!r}")

    return refuse


def _kill_all(child: int) -> None:
    """Kills the program and everything that came from it, and waits until nothing is left."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    while True:
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                process.kill()
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


if __name__ == "__main__":
    main()
