"""The real server with the model that ships, in the real Neovim: the answer may be anything, what becomes of it may not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from clients.neovim.real_neovim import REAL_SERVER, Editor, Start, eventually, set_up
from lsp_server.shared import running
from model.checkpoints.store import BUNDLED, read_card

NAME = read_card(BUNDLED).name
TEXT = """class Account:
    def __init__(self, owner, balance):
        self.owner = owner
        self.balance = balance

    def deposit(self, amount):
        self.balance +=
"""


@pytest.fixture
def account(real: Editor) -> Editor:
    """The cursor behind `self.balance += `, a suggestion shown."""
    real.type("<Esc>")
    real.nvim.command("%bwipeout!")
    real.lua("messages = {}")
    real.open("account.py", TEXT)
    real.until_attached()
    real.type("GA ")
    eventually("a suggestion", lambda: real.ghost)
    return real


def test_tab_inserts_exactly_what_was_shown(account: Editor) -> None:
    ghost = account.ghost
    assert ghost
    line = account.line
    assert (line + ghost).split("\n")[0] in account.screen
    account.type("<Tab>")
    assert account.text == TEXT.rstrip("\n") + " " + ghost + "\n"


def test_words_one_by_one_insert_what_tab_would(account: Editor) -> None:
    ghost = account.ghost
    assert ghost
    line = account.line
    account.type("<M-Right>")
    taken = account.line.removeprefix(line)
    assert taken
    assert ghost.startswith(taken)
    assert account.text == TEXT.rstrip("\n") + " " + taken + "\n"


def test_the_suggestion_typed_by_hand_stays_to_its_last_letter(account: Editor) -> None:
    ghost = account.ghost
    assert ghost
    first = ghost.split("\n")[0]
    for count in range(1, len(first)):
        account.type("<lt>" if first[count - 1] == "<" else first[count - 1])
        assert account.ghost == ghost[count:]
    account.type("<Tab>")
    assert account.text == TEXT.rstrip("\n") + " " + ghost + "\n"


def test_candidates_by_hand_are_cycled_and_the_shown_one_is_taken(account: Editor) -> None:
    account.type("<M-\\>")
    eventually("several candidates", lambda: any("(1/" in row for row in account.screen))
    first = account.ghost
    account.type("<M-]>")
    second = account.ghost
    assert second
    assert second != first
    account.type("<Tab>")
    assert account.text == TEXT.rstrip("\n") + " " + second + "\n"


def test_the_suggestion_is_made_longer_and_shorter(account: Editor) -> None:
    first = account.ghost
    assert first
    account.type("<M-=>")
    eventually("a longer one", lambda: len(account.ghost or "") > len(first))
    longer = account.ghost
    assert longer
    assert longer.startswith(first)
    account.type("<M-->")
    eventually("a shorter one", lambda: account.ghost and len(account.ghost) < len(longer))
    account.nvim.command("Quickfill one_line")
    shorter = account.ghost
    account.type("<Tab>")
    assert shorter
    assert longer.startswith(shorter)
    assert account.text == TEXT.rstrip("\n") + " " + shorter + "\n"


def test_a_renamed_attribute_is_renamed_in_the_next_place_too(real: Editor) -> None:
    real.type("<Esc>")
    real.nvim.command("%bwipeout!")
    text = TEXT.replace("balance +=", "balance += amount").replace(".balance = balance", ".total = balance")
    real.open("renamed.py", text.replace(".total", ".balance"))
    real.until_attached()
    real.type("/self.balance =<CR>wwcwtotal<Esc>")
    assert real.text == text
    real.nvim.command("Quickfill next_edit")
    eventually("a proposal", lambda: real.lua("return require('quickfill.next_edit').shown()") == "total")
    assert any("balance" in row and "total" in row for row in real.screen)
    real.nvim.command("Quickfill next_edit")
    changed = [text[:at] + "total" + text[at + len("balance") :] for at in range(len(text)) if text.startswith("balance", at)]
    assert real.text in changed
    real.type("u")
    assert real.text == text


def test_a_renamed_function_is_renamed_in_another_file_too(start: Start, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    use = "from bank import deposit_money\n\n\ndef pay(account, amount):\n    deposit_money(account, amount)\n"
    (tmp_path / "pay.py").write_text(use)
    editor = start(set_up(REAL_SERVER, settings="{ deadline_ms = 20000.0 }"))
    text = "def deposit_money(account, amount):\n    account.balance += amount\n"
    editor.open("bank.py", text)
    editor.until_attached()
    editor.type("wcwcredit<Esc>")

    def proposed() -> bool:
        if editor.lua("return require('quickfill.next_edit').shown()") == "credit":
            return True
        editor.nvim.command("Quickfill next_edit")
        time.sleep(1)  # files are read in the background, and the server asks the model
        return False

    eventually("a proposal", proposed)
    assert Path(str(editor.nvim.api.buf_get_name(0))).name == "pay.py"
    editor.until_attached()
    assert any("deposit_money" in row and "credit" in row for row in editor.screen)
    editor.nvim.command("Quickfill next_edit")
    assert editor.text in (use.replace("deposit_money", "credit", 1), use[::-1].replace("yenom_tisoped", "tiderc", 1)[::-1])
    editor.type("<C-o>")
    assert editor.text == text.replace("deposit_money", "credit")


def test_holes_are_filled_all_at_once_and_one_undo_takes_it_back(account: Editor) -> None:
    account.type("<Esc>")
    holes = "def area(width, height):\n    ___ = width * height\n    return ___\n"
    account.open("holes.py", holes)
    account.until_attached()
    account.nvim.command("Quickfill fill")
    text = eventually("filled holes", lambda: "___" not in account.text and account.text)
    assert text.startswith("def area(width, height):\n    ")
    account.type("u")
    assert account.text == holes


def test_holes_in_a_selection_are_filled_and_the_others_left(account: Editor) -> None:
    account.type("<Esc>")
    account.open("holes.py", "first = ___\nsecond = ___\n")
    account.until_attached()
    account.type("jV:Quickfill fill<CR>")
    text = eventually("a filled hole", lambda: account.text.count("___") == 1 and account.text)
    assert text.startswith("first = ___\nsecond = ")


def test_what_the_model_sees_is_explained_in_a_window(account: Editor) -> None:
    account.type("<Esc>:Quickfill explain<CR>")
    eventually("a window", lambda: account.lua("return #vim.api.nvim_list_wins()") == 2)
    assert account.messages == []


def test_the_status_names_the_model(account: Editor) -> None:
    eventually("the status", lambda: account.statusline == "Quickfill: ready")
    account.nvim.command("Quickfill status")
    [message] = eventually("the status", lambda: account.messages)
    assert message == f"Quickfill: ready; model {NAME}"


def test_a_home_that_cannot_be_written_and_a_proxy_that_leads_nowhere_stop_nothing(neovim: str, tmp_path: Path) -> None:
    """No folder for the shared engine, nor for what is written down: for root no folder is read-only, so files are in the way."""
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    homeless = {f"XDG_{name}_HOME": f"{nowhere}/{name}" for name in ("STATE", "CACHE", "CONFIG", "DATA")}
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    server = ["env", "HOME=/dev/null", f"XDG_RUNTIME_DIR={nowhere}/run", *(f"{k}={v}" for k, v in (homeless | proxies).items())]
    editor = Editor(neovim, tmp_path, set_up([*server, *REAL_SERVER], settings="{ deadline_ms = 20000.0, min_confidence = 0.0 }"))
    try:
        editor.open("account.py", TEXT)
        editor.until_attached()
        editor.type("GA ")
        ghost = eventually("a suggestion", lambda: editor.ghost)
        editor.type("<Tab>")
        assert editor.text == TEXT.rstrip("\n") + " " + ghost + "\n"
    finally:
        editor.close()


def test_two_windows_on_one_folder_are_both_served_and_share_an_engine(real: Editor, neovim: str, tmp_path: Path) -> None:
    real.type("<Esc>")
    real.nvim.command("%bwipeout!")
    other = Editor(neovim, tmp_path, set_up(REAL_SERVER, settings="{ deadline_ms = 20000.0, min_confidence = 0.0 }"))
    try:
        other.nvim.command(f"cd {real.folder}")
        for editor in (real, other):
            editor.open(f"{editor is real}.py", TEXT)
            editor.until_attached()
            editor.type("GA ")
            ghost = eventually("a suggestion", lambda editor=editor: editor.ghost)
            editor.type("<Tab>")
            assert editor.text == TEXT.rstrip("\n") + " " + ghost + "\n"
        assert "windows: 2" in " ".join(running())
    finally:
        other.close()
