// The item in the status bar: the server's state, and why nothing was suggested last.
// Knows what is shown. Decides nothing.

import { languages, MarkdownString, StatusBarAlignment, ThemeColor, window, type Disposable } from "vscode";
import { LANGUAGES } from "./options";
import type { Report, Server, State } from "./server";
import type { Silence } from "./silence";

type Look = { icon: string; words: string; warns?: boolean };

export class Status implements Disposable {
  private readonly item = window.createStatusBarItem("quickfill.status", StatusBarAlignment.Right, 100);
  private readonly parts: Disposable[];
  private report: Report = {};

  constructor(
    private readonly server: Server,
    private readonly silence: Silence,
  ) {
    this.item.name = "Quickfill";
    this.item.command = "quickfill.showStatus";
    this.parts = [
      this.item,
      server.onState(() => {
        this.report = {};
        this.refresh();
      }),
      server.onReport((report) => {
        this.report = report;
        this.refresh();
      }),
      silence.onChange(() => this.refresh()),
      window.onDidChangeActiveTextEditor(() => this.refresh()),
    ];
    this.refresh();
  }

  /** What Quickfill does, or why it does nothing, in a sentence. */
  get sentence(): string {
    return this.look().words;
  }

  /** Why the last answer was empty; undefined if it was not. */
  get lastSilence(): string | undefined {
    return this.report.reason ?? undefined;
  }

  suggested(): void {
    if (this.report.reason) {
      this.report = { ...this.report, reason: null };
      this.refresh();
    }
  }

  refresh(): void {
    const document = window.activeTextEditor?.document;
    const concerned = document !== undefined && languages.match(LANGUAGES.map((language) => ({ language })), document) > 0;
    const { icon, words, warns } = this.look();
    const silent = this.lastSilence === undefined ? "" : `Nothing was suggested last: ${this.lastSilence}`;
    this.item.text = `$(${icon}) Quickfill`;
    this.item.tooltip = new MarkdownString().appendText([words, silent].filter(Boolean).join("\n\n"));
    this.item.accessibilityInformation = { label: [`Quickfill: ${words}`, silent].filter(Boolean).join(". ") };
    this.item.backgroundColor = warns ? new ThemeColor("statusBarItem.warningBackground") : undefined;
    concerned || warns ? this.item.show() : this.item.hide();
  }

  dispose(): void {
    this.parts.forEach((part) => part.dispose());
  }

  private look(): Look {
    const silent = this.silence.reason(window.activeTextEditor?.document.languageId);
    return silent !== undefined ? { icon: "circle-slash", words: silent } : ofServer(this.server.state, this.report);
  }
}

function ofServer(state: State, report: Report): Look {
  switch (state.kind) {
    case "stopped":
      return { icon: "circle-slash", words: "the server is stopped" };
    case "starting":
      return { icon: "loading~spin", words: "the server is starting" };
    case "running":
      return report.ready === false
        ? { icon: "loading~spin", words: "the model is being loaded" }
        : { icon: "sparkle", words: report.model ? `ready (${report.model})` : "ready" };
    case "waiting":
      return { icon: "sync~spin", words: `${state.reason}; it is being started again` };
    default:
      return { icon: "warning", words: state.reason, warns: true };
  }
}

