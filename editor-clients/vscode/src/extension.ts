// The extension's beginning and end: makes the parts and connects them.
// Knows which part listens to which. Does nothing itself.

import { commands, window, workspace, type CancellationToken, type ExtensionContext } from "vscode";
import type { Middleware } from "vscode-languageclient/node";
import { registerCommands, sayWhatToDo } from "./commands";
import { concernsStart, readOptions, SECTION } from "./options";
import { Server } from "./server";
import { Silence } from "./silence";
import { Status } from "./status";

let server: Server | undefined;

export function activate(context: ExtensionContext): void {
  const log = window.createOutputChannel("Quickfill", { log: true });
  const silence = new Silence();
  const started: Server = new Server(context, log, asking(silence, () => status));
  const status: Status = new Status(started, silence);
  server = started;
  context.subscriptions.push(
    log,
    silence,
    started,
    status,
    started.onState((state) => {
      void commands.executeCommand("setContext", `${SECTION}.offered`, started.offered);
      void sayWhatToDo(state);
    }),
    context.secrets.onDidChange(() => readOptions().url && started.restart()),
    workspace.onDidGrantWorkspaceTrust(() => started.restart()),
    workspace.onDidChangeConfiguration((change) => {
      if (concernsStart(change)) {
        void started.restart();
      } else if (change.affectsConfiguration(SECTION)) {
        started.configure();
        status.refresh();
      }
    }),
  );
  registerCommands({ context, log, server: started, silence, status });
  void started.restart();
}

export function deactivate(): Promise<void> | undefined {
  return server?.stop();
}

/** What stands between VS Code's question and the server: silence where it is wanted, a watch, and the reason for an empty answer. */
function asking(silence: Silence, status: () => Status): Middleware {
  return {
    async provideInlineCompletionItems(document, position, context, token: CancellationToken, next) {
      if (silence.reason(document.languageId) !== undefined || server === undefined) {
        return undefined;
      }
      const answering = server;
      const answer = await answering.watched(() => next(document, position, context, token));
      const items = Array.isArray(answer) ? answer : answer?.items;
      if (items?.length) {
        status().suggested();
      } else if (!token.isCancellationRequested) {
        void answering.inquire();
      }
      return answer;
    },
  };
}
