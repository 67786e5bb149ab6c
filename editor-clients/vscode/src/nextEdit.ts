// The next edit: shows what the server proposes elsewhere in the file, makes it when asked again, and goes on to the one after it.
// Knows one proposal and how it is drawn. Knows no model.

import { commands, Range, Selection, TextEditorRevealType, ThemeColor, window, workspace, type Disposable, type TextEditor } from "vscode";
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

  private async ask(editor: TextEditor): Promise<void> {
    this.dismiss();
    const { version } = editor.document;
    const answer = await this.server.execute<Answer>("quickfill.nextEdit", editor.document.uri.toString()).catch(refusal);
    if (answer.edit === null) {
      window.setStatusBarMessage(`Quickfill: ${answer.reason ?? "no next edit"}`, SAID);
      return;
    }
    if (editor.document.version !== version || window.activeTextEditor !== editor) {
      return;
    }
    const { start, end } = answer.edit.range;
    const range = new Range(start.line, start.character, end.line, end.character);
    this.proposal = { editor, version, range, text: answer.edit.newText };
    const after = { contentText: ` ${answer.edit.newText}`, color: new ThemeColor("editorGhostText.foreground"), fontStyle: "italic" };
    editor.setDecorations(this.drawn, [{ range, renderOptions: { after } }]);
    editor.revealRange(range, TextEditorRevealType.InCenterIfOutsideViewport);
    await commands.executeCommand("setContext", SHOWN, true);
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
