"""A real Vim 9 with llama.vim in a terminal: ghost text of `quickfill serve` on the screen, taken with a key, or a word of it.

Vim itself types, looks at its screen, cell by cell, and writes down what it saw. The plugin is where LLAMA_VIM says.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import TOKEN, Serving, serving, until

PLUGIN = os.environ.get("LLAMA_VIM")
BEFORE = "def area_of_box(width, height):\n    return width * height\n\n\ndef area_of_page(width, height):\n"
README = """
set runtimepath+={plugin}
let g:llama_config = #{{endpoint_fim: '{address}/infill', api_key: '{token}', keymap_fim_accept_word: '<C-l>'}}
"""
SESSION = """
set nocompatible nomore noswapfile shortmess+=I lines=24 columns=80 noautoindent
let s:seen = {}
func! s:Screen() abort
  return map(range(1, 12), {_, row -> join(map(range(1, 80), {_, column -> screenstring(row, column)}), '')->trim(' ', 2)})
endfunc
func! s:Done(...) abort
  call writefile([json_encode(#{seen: s:seen, text: getline(1, '$')})], 'seen.json')
  qall!
endfunc
func! s:Look(timer) abort
  redraw
  if llama#is_fim_hint_shown() && !has_key(s:seen, 'hint')
    let s:seen.hint = s:Screen()
    call feedkeys(KEY, 't')
    call timer_start(1500, function('s:Done'))
  endif
endfunc
edit size.py
autocmd VimEnter * call timer_start(100, function('s:Look'), #{repeat: -1}) | call timer_start(40000, function('s:Done'))
autocmd VimEnter * call feedkeys("Go    return wid", 't')
""".replace("KEY", '"{key}"')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("vim"), "--port", "0") as found:
        until(found.is_ready, "the model")
        yield found


def vim(folder: Path, server: Serving, key: str) -> tuple[list[str], list[str]]:
    """What stood on the screen with the suggestion, and the text after a key."""
    (folder / "size.py").write_text(BEFORE)
    (folder / "vimrc").write_text(
        README.format(plugin=PLUGIN, address=server.address, token=TOKEN) + SESSION.replace("{key}", key)
    )
    command = ["script", "--quiet", "--command", "vim -N -u vimrc -i NONE", "/dev/null"]  # a terminal of its own
    environment = {**os.environ, "TERM": "xterm", "HOME": str(folder)}
    subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True)
    seen = json.loads((folder / "seen.json").read_text())
    return seen["seen"].get("hint", []), seen["text"]


@pytest.mark.skipif(
    PLUGIN is None or shutil.which("vim") is None, reason="there is no Vim, or LLAMA_VIM is not where llama.vim is"
)
@pytest.mark.parametrize(("key", "taken"), [(r"\<Tab>", "    return width * height"), (r"\<C-l>", "    return width")])
def test_what_is_shown_is_taken(tmp_path: Path, server: Serving, key: str, taken: str) -> None:
    screen, text = vim(tmp_path, server, key)
    assert screen[5].startswith("    return width * height    | c: ")  # and what it says of speed
    assert text == [*BEFORE.splitlines(), taken]
