// The next edit: shows what the server proposes elsewhere in the file or in another one, makes it when asked again, and goes on to the
// one after it.
// Knows one proposal and how it is drawn. Knows no model.

import {
  commands, Range, Selection, TextEditorRevealType, ThemeColor, Uri, window, workspace, type Disposable, type TextEditor,
} from "vscode";
import { SECTION } from "./options";
import type { Server } from "./server";

const SHOWN = `${SECTION}.nextEditShown`; // the context of its keys
const SAID = 4000; // milliseconds that a sentence stands in the status bar

interface Place {
  line: number;
  character: number;
}

interface Answer {
  edit: { range: { start: Place; end: Place }; newText: string } | null;
  uri?: string | null; // of the document that the edit is for
  reason: string | null;
}

interface Proposal {
  editor: TextEditor;
  version: number;
  range: Range;
  text: string;
}

export class NextEdit implements Disposable {
  private proposal: Proposal | undefined;
  private readonly drawn = window.createTextEditorDecorationType({ textDecoration: "line-through", opacity: "0.6" });
  private readonly parts: Disposable[];

  constructor(private readonly server: Server) {
    this.parts = [
      this.drawn,
      workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        if (document === this.proposal?.editor.document && contentChanges.length > 0) { // saving is a change without changes
          this.dismiss();
        }
      }),
      window.onDidChangeActiveTextEditor(() => this.dismiss()),
    ];
  }

  /** Makes what is shown, or shows what the newest change calls for. */
  async go(editor: TextEditor): Promise<void> {
    const shown = this.proposal;
    if (shown !== undefined && shown.editor === editor && shown.version === editor.document.version) {
      await this.make(shown);
    } else {
      await this.ask(editor);
    }
  }

  dismiss(): void {
    this.proposal?.editor.setDecorations(this.drawn, []);
    this.proposal = undefined;
    void commands.executeCommand("setContext", SHOWN, false);
  }

  dispose(): void {
    this.dismiss();
    this.parts.forEach((part) => part.dispose());
  }

  private async ask(asked: TextEditor): Promise<void> {
    this.dismiss();
    const { document } = asked;
    const { version } = document;
    const answer = await this.server.execute<Answer>("quickfill.nextEdit", document.uri.toString(), true).catch(refusal);
    if (answer.edit === null) {
      window.setStatusBarMessage(`Quickfill: ${answer.reason ?? "no next edit"}`, SAID);
      return;
    }
    if (document.version !== version || window.activeTextEditor !== asked) {
      return;
    }
    const editor = await this.editorOf(answer.uri ?? document.uri.toString(), asked);
    if (editor === undefined) {
      return;
    }
    const { start, end } = answer.edit.range;
    const range = new Range(start.line, start.character, end.line, end.character);
    this.proposal = { editor, version: editor.document.version, range, text: answer.edit.newText };
    const after = { contentText: ` ${answer.edit.newText}`, color: new ThemeColor("editorGhostText.foreground"), fontStyle: "italic" };
    editor.setDecorations(this.drawn, [{ range, renderOptions: { after } }]);
    editor.revealRange(range, TextEditorRevealType.InCenterIfOutsideViewport);
    await commands.executeCommand("setContext", SHOWN, true);
  }

  /** Another file is opened beside what is open; the cursor goes there, so that going back leads back. */
  private async editorOf(uri: string, asked: TextEditor): Promise<TextEditor | undefined> {
    const target = Uri.parse(uri);
    if (target.toString() === asked.document.uri.toString()) {
      return asked;
    }
    try {
      const editor = await window.showTextDocument(await workspace.openTextDocument(target), { preview: false });
      window.setStatusBarMessage(`Quickfill: the same change in ${workspace.asRelativePath(target)}`, SAID);
      return editor;
    } catch (error) {
      window.setStatusBarMessage(`Quickfill: ${error instanceof Error ? error.message : String(error)}`, SAID);
      return undefined;
    }
  }

  private async make({ editor, range, text }: Proposal): Promise<void> {
    this.dismiss();
    if (await editor.edit((edit) => edit.replace(range, text))) {
      const end = range.start.translate(0, text.length); // the text has no line break
      editor.selection = new Selection(end, end);
      await this.ask(editor);
    }
  }
}

function refusal(error: unknown): Answer {
  return { edit: null, reason: error instanceof Error ? error.message : String(error) };
}
