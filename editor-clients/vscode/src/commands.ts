// What a person can ask for by name.
// Knows VS Code's dialogs and the server's commands. Knows no model.

import { commands, ConfigurationTarget, EventEmitter, languages, ProgressLocation, Uri, window, workspace } from "vscode";
import type { ExtensionContext, LogOutputChannel, Range, TextEditor } from "vscode";
import { installServer, InstallError } from "./installing";
import { NextEdit } from "./nextEdit";
import { isEnabled, isLanguageEnabled, readOptions, SECTION } from "./options";
import type { Server, State } from "./server";
import type { Silence } from "./silence";
import type { Status } from "./status";

const SNOOZES = [5, 15, 60]; // minutes
const SAID = 4000; // milliseconds that a sentence stands in the status bar
const PAGES = "quickfill-page"; // the scheme of documents that the server writes

export interface Parts {
  context: ExtensionContext;
  log: LogOutputChannel;
  server: Server;
  silence: Silence;
  status: Status;
}

interface Changed {
  changes: number;
  reason: string | null;
}

export function registerCommands(parts: Parts): void {
  const { context, log, server, silence } = parts;
  const pages = new Pages();
  const register = (name: string, work: () => unknown): void => {
    context.subscriptions.push(commands.registerCommand(`${SECTION}.${name}`, work));
  };
  context.subscriptions.push(workspace.registerTextDocumentContentProvider(PAGES, pages));
  register("trigger", () => commands.executeCommand("editor.action.inlineSuggest.trigger"));
  register("nextCandidate", () => commands.executeCommand("editor.action.inlineSuggest.showNext"));
  register("previousCandidate", () => commands.executeCommand("editor.action.inlineSuggest.showPrevious"));
  register("longer", () => withEditor((editor) => reshape(server, editor, "longer")));
  register("shorter", () => withEditor((editor) => reshape(server, editor, "shorter")));
  register("oneLine", () => withEditor((editor) => reshape(server, editor, "line")));
  const nextEdit = new NextEdit(server);
  context.subscriptions.push(nextEdit);
  register("goToNextEdit", () => withEditor((editor) => nextEdit.go(editor)));
  register("dismissNextEdit", () => nextEdit.dismiss());
  register("fillTheHoles", () => withEditor((editor) => fillHoles(server, editor)));
  register("rewriteTheSelection", () => withEditor((editor) => rewriteSelection(server, editor)));
  register("repairThisProblem", () => withEditor((editor) => repairProblem(server, editor)));
  register("explainHere", () => withEditor((editor) => pages.show("What the model sees", () => explain(server, editor))));
  register("openReport", () => pages.show("What became of the suggestions", () => server.execute("quickfill.report")));
  register("toggleLanguage", () => withEditor(toggleLanguage));
  register("toggleWorkspace", toggleWorkspace);
  register("snooze", () => snooze(silence));
  register("showStatus", () => showStatus(parts));
  register("openLog", () => log.show());
  register("restart", () => server.restart());
  register("installServer", () => install(parts));
  register("setToken", () => askForToken(server));
}

async function withEditor(work: (editor: TextEditor) => unknown): Promise<void> {
  const editor = window.activeTextEditor;
  if (editor === undefined) {
    void window.showInformationMessage("Quickfill: open a file and place the cursor first.");
    return;
  }
  await work(editor);
}

async function fillHoles(server: Server, editor: TextEditor): Promise<void> {
  const selected = editor.selections.filter((selection) => !selection.isEmpty);
  await change(server, "quickfill.fillHoles", editor, selected.length > 0 ? selected.map(toRange) : null);
}

async function rewriteSelection(server: Server, editor: TextEditor): Promise<void> {
  await change(server, "quickfill.rewriteSelection", editor, toRange(editor.selection));
}

/** The server makes the edit and has it applied; what is left to say is why it made none. */
async function change(server: Server, command: string, editor: TextEditor, place: unknown): Promise<void> {
  const progress = { location: ProgressLocation.Window, title: "Quickfill" };
  const answer = await window.withProgress(progress, () => server.execute<Changed>(command, editor.document.uri.toString(), place).catch(refusal));
  if (!answer?.changes) {
    void window.showInformationMessage(`Quickfill changed nothing: ${answer?.reason ?? "the server gave no reason"}`);
  }
}

/** The server makes its suggestion longer or shorter; asked again, it gives what has become of it. */
async function reshape(server: Server, editor: TextEditor, how: "longer" | "shorter" | "line"): Promise<void> {
  const { line, character } = editor.selection.active;
  const answer = await server.execute<Changed>("quickfill.reshape", editor.document.uri.toString(), { line, character }, how).catch(refusal);
  if (!answer?.changes) {
    window.setStatusBarMessage(`Quickfill: ${answer?.reason ?? "the server gave no reason"}`, SAID);
    return;
  }
  await commands.executeCommand("editor.action.inlineSuggest.hide"); // what is shown would stay
  await commands.executeCommand("editor.action.inlineSuggest.trigger");
}

function refusal(error: unknown): Changed {
  return { changes: 0, reason: error instanceof Error ? error.message : String(error) };
}

function toRange({ start, end }: Range): object {
  return { start: { line: start.line, character: start.character }, end: { line: end.line, character: end.character } };
}

/** The problem at the cursor that VS Code or another extension found; the gravest, if there are several. */
async function repairProblem(server: Server, editor: TextEditor): Promise<void> {
  const here = languages.getDiagnostics(editor.document.uri).filter(({ range }) => range.contains(editor.selection.active));
  const [problem] = here.sort((one, other) => one.severity - other.severity);
  if (problem === undefined) {
    void window.showInformationMessage("Quickfill changed nothing: there is no problem at the cursor");
    return;
  }
  await change(server, "quickfill.repair", editor, toRange(problem.range));
}

function explain(server: Server, { document, selection }: TextEditor): Promise<string> {
  const { line, character } = selection.active;
  return server.execute<string>("quickfill.explain", document.uri.toString(), { line, character });
}

/** Documents that the server writes, each beside what is edited. */
class Pages {
  private readonly texts = new Map<string, string>();
  private readonly changed = new EventEmitter<Uri>();
  readonly onDidChange = this.changed.event;

  provideTextDocumentContent(uri: Uri): string {
    return this.texts.get(uri.path) ?? "";
  }

  async show(title: string, write: () => Promise<string>): Promise<void> {
    const uri = Uri.from({ scheme: PAGES, path: `/${title}.md` });
    try {
      this.texts.set(uri.path, await write());
    } catch (error) {
      void window.showInformationMessage(`Quickfill cannot show it: ${refusal(error).reason}`);
      return;
    }
    this.changed.fire(uri);
    await commands.executeCommand("markdown.showPreviewToSide", uri);
  }
}

async function toggleLanguage(editor: TextEditor): Promise<void> {
  const language = editor.document.languageId;
  const configuration = workspace.getConfiguration(SECTION);
  const chosen = { ...configuration.get<Record<string, boolean>>("languages"), [language]: !isLanguageEnabled(language) };
  await configuration.update("languages", chosen, ConfigurationTarget.Global);
}

async function toggleWorkspace(): Promise<void> {
  const target = workspace.workspaceFolders ? ConfigurationTarget.Workspace : ConfigurationTarget.Global;
  await workspace.getConfiguration(SECTION).update("enabled", !isEnabled(), target);
}

async function snooze(silence: Silence): Promise<void> {
  if (silence.isAsleep) {
    silence.wake();
    return;
  }
  const choices = SNOOZES.map((minutes) => ({ label: `${minutes} minutes`, minutes }));
  const chosen = await window.showQuickPick(choices, { title: "Quickfill suggests nothing for" });
  if (chosen !== undefined) {
    silence.sleep(chosen.minutes);
  }
}

async function askForToken(server: Server): Promise<void> {
  const token = await window.showInputBox({
    title: "Quickfill: the token of your team's server",
    prompt: "It is kept in the secret store and goes to the server of quickfill.server.url alone. Leave it empty to remove it.",
    password: true,
    ignoreFocusOut: true,
  });
  if (token !== undefined) {
    await server.setToken(token.trim());
  }
}

async function showStatus({ server, silence, status }: Parts): Promise<void> {
  const asleep = silence.isAsleep;
  const choices = [
    { label: "$(output) Open the log", command: "quickfill.openLog" },
    { label: "$(graph) Open the report", command: "quickfill.openReport" },
    { label: "$(debug-restart) Start the server again", command: "quickfill.restart" },
    { label: asleep ? "$(bell) Wake up" : "$(bell-slash) Snooze", command: "quickfill.snooze" },
    { label: "$(circle-slash) Turn on or off for this language", command: "quickfill.toggleLanguage" },
    { label: "$(circle-slash) Turn on or off for this workspace", command: "quickfill.toggleWorkspace" },
    { label: "$(gear) Settings", command: "workbench.action.openSettings", argument: "@ext:quickfill.quickfill" },
  ];
  await server.inquire();
  const silent = status.lastSilence === undefined ? "" : ` Nothing was suggested last: ${status.lastSilence}.`;
  const chosen = await window.showQuickPick(choices, { title: "Quickfill", placeHolder: `${status.sentence}.${silent}` });
  if (chosen !== undefined) {
    await commands.executeCommand(chosen.command, ...(chosen.argument ? [chosen.argument] : []));
  }
}

async function install({ context, log, server }: Parts): Promise<void> {
  try {
    await server.stop(); // its files may be in use
    await installServer(readOptions(), context.extensionPath, server.environment, log);
    await server.restart();
  } catch (error) {
    if (!(error instanceof InstallError)) {
      throw error;
    }
    log.error(error.message);
    const actions = { "Open Log": "quickfill.openLog", "Try Again": "quickfill.installServer", Settings: "workbench.action.openSettings" };
    await offer(`Quickfill's server could not be installed: ${error.message}`, actions);
  }
}

/** Says once what a person has to do about the server, with buttons that do it. */
export async function sayWhatToDo(state: State): Promise<void> {
  if (state.kind === "missing" || state.kind === "unfit") {
    const size = "Installing it makes a private Python environment of about 1 GB, most of it PyTorch.";
    const actions = { Install: "quickfill.installServer", "Choose Another": "workbench.action.openSettings", "Open Log": "quickfill.openLog" };
    await offer(`Quickfill: ${state.reason}. ${size}`, actions);
  } else if (state.kind === "failed") {
    const actions = { "Start Again": "quickfill.restart", "Open Log": "quickfill.openLog", "Install Anew": "quickfill.installServer" };
    await offer(`Quickfill gave up: ${state.reason}`, actions);
  }
}

async function offer(message: string, actions: Record<string, string>): Promise<void> {
  const chosen = await window.showWarningMessage(message, ...Object.keys(actions));
  if (chosen !== undefined) {
    const command = actions[chosen];
    await commands.executeCommand(command, ...(command === "workbench.action.openSettings" ? ["quickfill.server"] : []));
  }
}
