"""What a person sees when the server is missing, wrong, crashing or stuck in the real VS Code, and that the way out works."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from clients.vscode.desk import PROXY, Desk, shell_program
from clients.vscode.workbench import wait_for

PATIENCE = 8  # seconds that a server gets; one that is well starts in one, or in a few where the machine has other work
SUGGESTIONS = {"x = ": ["40 + 2"]}


@pytest.fixture(autouse=True, scope="module")
def open_file(desk: Desk) -> None:
    """One file for all of these: they are about the server. The first one knows it before another takes its place."""
    desk.window.open("life.py", "")
    desk.script.wait_for(event="open", file="life.py")
    desk.window.wait_for_status("ready")


@pytest.fixture(autouse=True)
def clean(desk: Desk) -> Iterator[None]:
    yield
    desk.window.run_command("Notifications: Clear All")


def use(desk: Desk, program: str) -> None:
    desk.window.set_for_folder({"quickfill.server.path": program, "quickfill.server.patienceSeconds": PATIENCE})


def use_whole(desk: Desk, place: str, **says: object) -> int:
    """Returns the server's process, when it knows the file."""
    before = len(desk.script.asked(event="open"))
    use(desk, whole(desk, place, **says))
    return next_process(desk, before)


def next_process(desk: Desk, before: int) -> int:
    wait_for(lambda: len(desk.script.asked(event="open")) > before, "the next server")
    desk.window.wait_for_status("ready")
    return int(str(desk.script.asked(event="open")[-1]["pid"]))


def is_alive(process: int) -> bool:
    return psutil.pid_exists(process) and psutil.Process(process).status() != psutil.STATUS_ZOMBIE


def expect_suggestion(desk: Desk) -> None:
    """What matters in the end. The file's text and its bytes are as before it."""
    desk.window.press("Control+1", "Control+a", "Delete")
    desk.window.type("x = ")

    def is_shown() -> bool:
        desk.window.press("Control+Alt+t")
        time.sleep(1)
        return desk.window.ghost() == "40 + 2"

    wait_for(is_shown, "a suggestion, for which a person asks again")
    desk.window.press("Tab")
    desk.window.expect_saved("life.py", "x = 40 + 2")


def broken(desk: Desk, place: str, *lines: str) -> str:
    return shell_program(desk.home.folder.parent / place / "quickfill", *lines)


def whole(desk: Desk, place: str, **says: object) -> str:
    desk.script.says(suggestions=SUGGESTIONS, **says)
    return desk.script.program(desk.home.folder.parent / place / "quickfill")


def test_a_killed_server_comes_back(desk: Desk) -> None:
    killed = use_whole(desk, "killed")
    expect_suggestion(desk)
    before = len(desk.script.asked(event="open"))
    os.kill(killed, signal.SIGKILL)
    assert next_process(desk, before) != killed
    expect_suggestion(desk)


def test_a_server_that_falls_silent_is_ended_and_started_again(desk: Desk) -> None:
    silent = use_whole(desk, "silent")
    before = len(desk.script.asked(event="open"))
    desk.script.says(mute=True)
    desk.window.press("Control+1", "Control+a", "Delete")
    desk.window.type("x = ")
    desk.script.wait_for(event="ask", pid=silent)
    desk.script.says(suggestions=SUGGESTIONS)
    assert next_process(desk, before) != silent
    assert not is_alive(silent)
    expect_suggestion(desk)


def test_a_server_that_keeps_crashing_is_left_alone_until_asked_for(desk: Desk) -> None:
    program = broken(desk, "crashing", 'echo started >>"$0.log"', "echo 'no module named torch' >&2", "exit 3")
    use(desk, program)
    desk.window.message("Quickfill gave up: the server ended with 3: no module named torch")
    desk.window.wait_for_status("the server ended with 3: no module named torch")
    assert Path(f"{program}.log").read_text().count("started") == 5
    whole(desk, "crashing")
    desk.window.click_in_message("Start Again")
    desk.window.wait_for_status("ready")
    expect_suggestion(desk)


def test_a_server_that_never_answers_is_given_up(desk: Desk) -> None:
    use(desk, broken(desk, "hanging", "exec sleep 600"))
    desk.window.wait_for_status(f"the server did not answer within {PATIENCE} s of its start")
    use_whole(desk, "awake")
    expect_suggestion(desk)


def test_a_server_that_is_too_old_is_named(desk: Desk) -> None:
    use(desk, whole(desk, "old", version="0.0.9"))
    desk.window.message("is quickfill 0.0.9, not quickfill 0.1.0 or newer")
    desk.window.wait_for_status("0.0.9")


def test_another_language_server_is_not_taken_for_this_one(desk: Desk) -> None:
    use(desk, whole(desk, "other", name="pylsp"))
    desk.window.message("is pylsp 0.1.0, not quickfill")


@pytest.mark.parametrize(
    ("path", "words"), [("/nowhere/quickfill", "which is no program"), ("bin/quickfill", "must be an absolute path")]
)
def test_a_path_that_leads_nowhere_is_named(desk: Desk, path: str, words: str) -> None:
    use(desk, path)
    desk.window.message(f"quickfill.server.path.*{words}")
    desk.window.wait_for_status(words)


def wheel(folder: Path, program: str) -> Path:
    """A package named quickfill whose command is the program."""
    path = folder / "quickfill-0.1.0-py3-none-any.whl"
    info = "quickfill-0.1.0.dist-info"
    files = {
        "quickfill_shim.py": f"import os, sys\n\n\ndef main():\n    os.execv({program!r}, [{program!r}, *sys.argv[1:]])\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: quickfill\nVersion: 0.1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nquickfill = quickfill_shim:main\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]))
    return path


@pytest.fixture
def uninstalled(desk: Desk) -> Iterator[Desk]:
    """A window without a server, until the test is over."""
    desk.window.set_for_folder({"quickfill.server.path": ""})
    desk.window.message("the server is not installed")
    desk.window.run_command("Notifications: Clear All")
    before = desk.home.read_settings()
    yield desk
    desk.home.write_settings(before)
    use_whole(desk, "again")


def install(desk: Desk) -> None:
    desk.window.run_command("Quickfill: Install the Server for This Editor")


def test_without_a_python_the_message_names_what_is_needed(uninstalled: Desk) -> None:
    uninstalled.home.change_settings({"quickfill.server.python": "/nowhere/python3"})
    uninstalled.window.page.wait_for_timeout(1000)  # nothing on the screen says that VS Code has read it
    install(uninstalled)
    uninstalled.window.message("/nowhere/python3.*is no Python 3.11 or newer")


def test_an_installation_that_fails_says_why_and_goes_through_the_proxy(uninstalled: Desk) -> None:
    """A Python that writes down the proxy it is given, and then fails as one without a network does."""
    folder = uninstalled.home.folder.parent
    complaint = "echo 'ERROR: Could not find a version that satisfies the requirement torch' >&2; exit 1"
    work = f'echo "$HTTPS_PROXY" > {shlex.quote(str(folder / "proxy"))}; {complaint}'
    python = shell_program(folder / "python3", f'case "$*" in *version_info*) echo 3 12;; *) {work};; esac')
    uninstalled.home.change_settings({"quickfill.server.python": python})
    uninstalled.window.page.wait_for_timeout(1000)
    install(uninstalled)
    uninstalled.window.message("could not be installed: ERROR: Could not find a version that satisfies the requirement torch")
    assert (folder / "proxy").read_text().strip() == PROXY


def test_a_home_that_cannot_be_written_stops_only_the_installation(uninstalled: Desk) -> None:
    """A file where the extension's folder would be: for root no folder is read-only."""
    storage = uninstalled.home.folder / "data" / "User" / "globalStorage" / "quickfill.quickfill"
    shutil.rmtree(storage, ignore_errors=True)
    storage.write_text("in the way")
    install(uninstalled)
    uninstalled.window.message("could not be installed: .*quickfill.quickfill")
    use_whole(uninstalled, "homeless")
    expect_suggestion(uninstalled)
    storage.unlink()


def test_a_missing_server_is_installed_when_the_person_agrees(desk: Desk) -> None:
    """It leaves a server behind, so only the next one comes after it."""
    wheel(desk.home.folder, whole(desk, "installed"))
    desk.window.set_for_folder({"quickfill.server.path": ""})
    desk.window.message("the server is not installed")
    desk.window.wait_for_status("the server is not installed")
    desk.window.click_in_message("Install")
    desk.window.wait_for_status("ready")
    private = desk.home.folder / "data" / "User" / "globalStorage" / "quickfill.quickfill" / "server"
    assert (private / "bin" / "quickfill").exists()
    expect_suggestion(desk)


def test_a_server_on_the_path_is_found_before_the_private_one(desk: Desk) -> None:
    desk.script.program(desk.home.folder.parent / "path" / "quickfill")
    before = desk.script.asked(event="start")
    desk.window.run_command("Quickfill: Start the Server Again")
    wait_for(lambda: len(desk.script.asked(event="start")) > len(before), "the next server")
    desk.window.wait_for_status("ready")
    log = desk.home.folder.glob("data/logs/*/exthost*/quickfill.quickfill/Quickfill.log")
    assert f"starting {desk.home.folder.parent / 'path' / 'quickfill'} lsp" in next(log).read_text().splitlines()[-1]
    expect_suggestion(desk)
