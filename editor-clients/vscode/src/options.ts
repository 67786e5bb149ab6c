// What a person set in VS Code: the options of this extension, and the settings that the server has a schema for.
// Knows the manifest, from which it reads the names. Knows no server and no message.

import { workspace, type ConfigurationChangeEvent } from "vscode";
import manifest from "../package.json";

export const SECTION = "quickfill";
export const LANGUAGES = manifest.activationEvents.map((event) => event.replace("onLanguage:", ""));

// The second group is generated from the server's schema: `python -m lsp_server.manifest`.
const SERVER_SETTINGS = Object.keys(manifest.contributes.configuration[1].properties);
// The server reads these when it starts, and never again.
const READ_AT_START = ["model", "threads", "device"].map((name) => `${SECTION}.${name}`);

export interface Options {
  path: string;
  url: string;
  patience: number; // milliseconds
  python: string;
  requirement: string;
  pipArguments: string[];
}

export function readOptions(): Options {
  const server = workspace.getConfiguration(`${SECTION}.server`);
  return {
    path: server.get("path", "").trim(),
    url: server.get("url", "").trim(),
    patience: server.get("patienceSeconds", 30) * 1000,
    python: server.get("python", "").trim(),
    requirement: server.get("requirement", "").trim(),
    pipArguments: server.get<string[]>("pipArguments", []),
  };
}

/** The settings of the server's schema, by the names that the server knows. */
export function serverSettings(): Record<string, unknown> {
  const all = workspace.getConfiguration();
  return Object.fromEntries(SERVER_SETTINGS.map((name) => [name.slice(SECTION.length + 1), all.get(name)]));
}

/** Whether a change concerns how the server is started; any other reaches the running one by a message. */
export function concernsStart(change: ConfigurationChangeEvent): boolean {
  return [`${SECTION}.server.path`, `${SECTION}.server.url`, ...READ_AT_START].some((name) => change.affectsConfiguration(name));
}

export function isEnabled(): boolean {
  return workspace.getConfiguration(SECTION).get("enabled", true);
}

export function isLanguageEnabled(language: string): boolean {
  return workspace.getConfiguration(SECTION).get<Record<string, boolean>>("languages", {})[language] ?? true;
}
