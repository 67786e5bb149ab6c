"""Requests for suggestions at a place: inline completion, and the popup of clients that do not know that.

Knows both messages, and all the ways in which there can be nothing. Knows no model: the server asks it.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.workspace import TextDocument

from lsp_server.completion.complete import LANGUAGES, Place
from lsp_server.completion.reasons import Kind, Silence
from lsp_server.completion.shown import Shown, taken
from lsp_server.engine import EngineFailed, ServerAway
from lsp_server.positions import clamped, offset_at, position_of
from lsp_server.syntax.places import Quiet, quiet
from model.infilling.request import Cancelled, Candidate

if TYPE_CHECKING:
    from lsp_server.server import Quickfill

log = logging.getLogger(__name__)

QUIET: dict[Quiet, Kind] = {
    "middle of a word": Kind.MIDDLE_OF_WORD,
    "behind a finished name": Kind.FINISHED_NAME,
    "comment": Kind.COMMENT,
    "string": Kind.STRING,
}
_WORD_BEFORE = re.compile(r"\w*\Z")
MOST_WORD = 100  # characters of a word that a popup completes


@dataclass(frozen=True)
class _Asked:
    """Somebody is at an offset of a text; with a choice in a popup, the text as it were with that choice."""

    document: TextDocument
    text: str
    offset: int
    by_hand: bool
    chosen: bool = False

    @property
    def language(self) -> str:
        return self.document.language_id or LANGUAGES[0]


@dataclass(frozen=True)
class _Suggested:
    """A text, and the number of characters behind the cursor that make way for it: closing brackets, so one unit each."""

    text: str
    replaces: int


def register_suggestions(server: Quickfill) -> None:
    @server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
    async def inline_completion(params: types.InlineCompletionParams) -> types.InlineCompletionList:
        document = _open(server, params.text_document.uri)
        if document is None:
            return types.InlineCompletionList([])
        selected = params.context.selected_completion_info
        here = clamped(document, params.position)
        at = selected.range if selected else types.Range(here, here)
        start = offset_at(document, at.start)
        end = start if at.end == at.start else offset_at(document, at.end)
        if selected is None:
            typed, text = "", document.source
        else:
            typed = selected.text
            text = document.source[:start] + typed + document.source[end:]
        by_hand = params.context.trigger_kind == types.InlineCompletionTriggerKind.Invoked
        found = await _suggestions(server, _Asked(document, text, start + len(typed), by_hand, selected is not None))
        return types.InlineCompletionList(
            [
                types.InlineCompletionItem(
                    typed + one.text, range=types.Range(at.start, types.Position(at.end.line, at.end.character + one.replaces))
                )
                for one in found
            ]
        )


def register_popup(server: Quickfill) -> None:
    """For a client that shows no inline completion: its popup gets what would be shown unasked."""
    editor = server.client_capabilities.text_document
    can = (editor and editor.completion and editor.completion.completion_item) or types.ClientCompletionItemOptions()

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=[".", "(", "=", " "]))
    async def completion(params: types.CompletionParams) -> types.CompletionList:
        document = _open(server, params.text_document.uri)
        if document is None:
            return types.CompletionList(True, [])
        text, offset = document.source, offset_at(document, params.position)
        found = await _suggestions(server, _Asked(document, text, offset, by_hand=False))
        word = _WORD_BEFORE.search(text[max(0, offset - MOST_WORD) : offset])
        typed = word.group() if word else ""
        return types.CompletionList(True, [_popup_item(can, document, offset, typed, one) for one in found])


def _popup_item(
    can: types.ClientCompletionItemOptions, document: TextDocument, offset: int, typed: str, suggestion: _Suggested
) -> types.CompletionItem:
    """The suggestion behind the word that is typed so far: clients compare what is typed with the item's text."""
    whole = typed + suggestion.text
    lines = whole.strip().splitlines() or [whole]
    place = types.Range(position_of(document, offset - len(typed)), position_of(document, offset + suggestion.replaces))
    item = types.CompletionItem(
        lines[0],
        kind=types.CompletionItemKind.Text,
        detail="Quickfill",
        filter_text=whole if typed else None,
        sort_text=" ",  # before what other servers offer
        preselect=can.preselect_support or None,
        text_edit=types.TextEdit(place, whole),
        insert_text_mode=types.InsertTextMode.AsIs if can.insert_text_mode_support else None,
    )
    if len(lines) > 1:
        item.label += " …"
        item.documentation = whole
        if types.MarkupKind.Markdown in (can.documentation_format or ()):
            code = f"```{document.language_id or ''}\n{whole}\n```"
            item.documentation = types.MarkupContent(types.MarkupKind.Markdown, code)
    return item


def _open(server: Quickfill, uri: str) -> TextDocument | None:
    """The document, if anything may be suggested in it; else why not is written down."""
    document: TextDocument | None = server.workspace.text_documents.get(uri)
    if document is None:
        server.is_silent(Silence(Kind.NOT_OPEN, "the document is not open"))
    elif (silence := server.refusal(document)) is not None:
        server.is_silent(silence)
    else:
        return document
    return None


async def _suggestions(server: Quickfill, asked: _Asked) -> list[_Suggested]:
    """The best first; without any, the reason is written down."""
    uri, text, offset = asked.document.uri, asked.text, asked.offset
    rest = server.shown.rest(uri, text[:offset], text[offset:], asked.by_hand)
    if rest is not None:
        _is_shown(server, asked, "what was shown before", rest.candidates[0], rest.replaces)
        return [_Suggested(candidate.text, rest.replaces) for candidate in rest.candidates]
    cursor = server.cursor(uri, text, offset, asked.language)
    if not asked.by_hand and (why := quiet(cursor)) is not None:
        server.stop(uri)
        return _nothing(server, QUIET[why], f"nothing is suggested unasked in this place ({why})")
    place = Place(text, ((offset, offset),), asked.language, uri, cursor, server.other_files(uri, text, offset))
    try:
        ahead = None if asked.by_hand else await server.known_ahead(uri, text, offset)
        found = ahead or await server.suggest(place, asked.by_hand)
    except Cancelled:
        return _nothing(server, Kind.SUPERSEDED, "a newer request took this one's place")
    except asyncio.CancelledError:
        _nothing(server, Kind.WITHDRAWN, "the client took the request back")
        raise
    except ServerAway as error:
        return _nothing(server, Kind.AWAY, str(error))
    except EngineFailed as error:
        return _nothing(server, Kind.FAILED, str(error))
    except ValueError as error:
        log.error("%s", error)
        return _nothing(server, Kind.BAD_REQUEST, str(error))
    server.record.candidates += found.raw
    server.record.changed.update(found.changed)
    server.record.dropped.update(found.dropped)
    if found.silence is not None:
        server.is_silent(found.silence)
        return []
    best = found.candidates[0]
    alike = tuple(candidate for candidate in found.candidates if candidate.replaced == best.replaced)
    server.shown.remember(uri, Shown(text[:offset], text[offset:], alike, asked.by_hand, best.replaced))
    _is_shown(server, asked, "what was computed ahead" if ahead else "the model", best, best.replaced)
    return [_Suggested(candidate.text, candidate.replaced) for candidate in found.candidates]


def _is_shown(server: Quickfill, asked: _Asked, source: str, best: Candidate, replaces: int) -> None:
    """Writes down that there was something, and from where; what comes next if it is taken is looked for meanwhile."""
    uri, text, offset = asked.document.uri, asked.text, asked.offset
    server.record.is_shown(source)
    server.tell_status()
    if not asked.chosen:  # with a choice in a popup the document is not yet what the suggestion continues
        server.tracker.shown(uri, text, offset, best.text, asked.language, asked.by_hand, best.confidence)
    if not asked.by_hand:
        server.look_ahead(uri, taken(text, offset, best.text, replaces), offset + len(best.text), asked.language)


def _nothing(server: Quickfill, kind: Kind, sentence: str) -> list[_Suggested]:
    server.is_silent(Silence(kind, sentence))
    return []
