// The server's life: started, watched, started again with growing pauses, stopped.
// Knows the process and the protocol's beginning and end. Knows no suggestion and no user interface: others listen to its state.

import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { EventEmitter, type Disposable, type ExtensionContext, type LogOutputChannel } from "vscode";
import {
  CloseAction,
  ErrorAction,
  ExecuteCommandRequest,
  LanguageClient,
  RevealOutputChannelOn,
  type ClientCapabilities,
  type FeatureState,
  type Middleware,
  type StaticFeature,
} from "vscode-languageclient/node";
import { LANGUAGES, readOptions, serverSettings, type Options } from "./options";
import { findServer } from "./programs";

const OLDEST_SERVER = "0.1.0";
const PAUSES = [500, 1_000, 2_000, 4_000]; // milliseconds before it is started again; after that a person must ask for it
const HEALTHY = 180_000; // milliseconds after which earlier failures are forgotten
const TOKEN = "quickfill.token";
const STATUS = "quickfill.status";

export type State =
  | { kind: "stopped" }
  | { kind: "starting" }
  | { kind: "running" }
  | { kind: "missing"; reason: string } // no program to start
  | { kind: "unfit"; reason: string } // something was started that is not this server, or too old
  | { kind: "waiting"; reason: string } // it fell, and will be started again
  | { kind: "failed"; reason: string }; // it fell too often

/** What the server tells of itself: the answer to `quickfill.status`, and the notification `quickfill/status`. */
export interface Report {
  ready?: boolean;
  model?: string | null;
  reason?: string | null;
}

/** One process and its client. */
interface Run {
  child: ChildProcessWithoutNullStreams;
  client: LanguageClient;
  began: number;
  offered: readonly string[];
  over: boolean; // stopped on purpose, or already reported as fallen
}

/** The library reports each failure in a pop-up of its own; here the state says it once, in a sentence. */
class QuietClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

/** Has the server tell its status as it changes: without it, it would have to be asked. */
class WantsStatus implements StaticFeature {
  fillClientCapabilities(capabilities: ClientCapabilities): void {
    capabilities.experimental = { ...capabilities.experimental, quickfillStatus: true };
  }
  initialize(): void {}
  getState(): FeatureState {
    return { kind: "static" };
  }
  clear(): void {}
}

export class Server implements Disposable {
  private current: State = { kind: "stopped" };
  private run: Run | undefined;
  private failures = 0;
  private timer: NodeJS.Timeout | undefined;
  private turn: Promise<void> = Promise.resolve(); // starts and stops happen one after the other
  private readonly stateChanged = new EventEmitter<State>();
  private readonly reported = new EventEmitter<Report>();
  readonly onState = this.stateChanged.event;
  readonly onReport = this.reported.event;

  constructor(
    private readonly context: ExtensionContext,
    private readonly log: LogOutputChannel,
    private readonly middleware: Middleware,
  ) {}

  get state(): State {
    return this.current;
  }

  /** The commands that the running server has. */
  get offered(): readonly string[] {
    return this.run?.offered ?? [];
  }

  get environment(): string {
    return join(this.context.globalStorageUri.fsPath, "server");
  }

  /** Starts it anew, whatever it does now, and forgets earlier failures. */
  restart(): Promise<void> {
    this.failures = 0;
    return this.next(() => this.launch());
  }

  stop(): Promise<void> {
    return this.next(async () => this.tell({ kind: "stopped" }));
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.stateChanged.dispose();
    this.reported.dispose();
  }

  async setToken(token: string): Promise<void> {
    await (token === "" ? this.context.secrets.delete(TOKEN) : this.context.secrets.store(TOKEN, token));
  }

  /** Has the server execute one of its commands. */
  execute<Answer>(command: string, ...args: unknown[]): Promise<Answer> {
    if (this.run === undefined) {
      return Promise.reject(new Error("the server is not running"));
    }
    return this.run.client.sendRequest(ExecuteCommandRequest.type, { command, arguments: args }) as Promise<Answer>;
  }

  configure(): void {
    const settings = { quickfill: serverSettings() };
    void this.run?.client.sendNotification("workspace/didChangeConfiguration", { settings }).catch(() => undefined);
  }

  /** Asks how the server is; listeners get the answer, if the server has the command. */
  async inquire(): Promise<void> {
    if (this.offered.includes(STATUS)) {
      await this.execute<Report>(STATUS).then(
        (report) => this.reported.fire(report),
        () => undefined, // a server that falls meanwhile is reported by its end
      );
    }
  }

  /** Watches over a request: a server that answers neither it nor a simple question in time is started again. */
  async watched<Answer>(request: () => PromiseLike<Answer> | Answer): Promise<Answer> {
    const { patience } = readOptions();
    const run = this.run;
    const watch = setTimeout(() => run !== undefined && void this.wake(run, patience), patience);
    try {
      return await request();
    } finally {
      clearTimeout(watch);
    }
  }

  private async wake(run: Run, patience: number): Promise<void> {
    const answer = this.offered.includes(STATUS) ? this.execute(STATUS) : new Promise(() => undefined);
    const lively = await within(patience, answer).then(
      () => true,
      () => false,
    );
    if (!lively) {
      this.fell(run, `the server does not answer any more`);
    }
  }

  private next(work: () => Promise<void>): Promise<void> {
    clearTimeout(this.timer);
    if (this.run !== undefined && this.current.kind === "starting") {
      this.run.over = true; // nobody waits any more for the one that is on its way
      this.run.child.kill("SIGKILL");
    }
    this.turn = this.turn.then(() => this.end()).then(work).catch((error: unknown) => this.log.error(String(error)));
    return this.turn;
  }

  private async launch(): Promise<void> {
    const options = readOptions();
    const found = await findServer(options.path, this.environment);
    if ("missing" in found) {
      return this.tell({ kind: "missing", reason: found.missing });
    }
    this.tell({ kind: "starting" });
    const args = ["lsp", ...(options.url ? ["--server", options.url] : [])];
    this.log.info(`starting ${found.program} ${args.join(" ")}`);
    // Not the folder that is open: Python would import a repository's modules from there.
    const storage = this.context.globalStorageUri.fsPath;
    const home = await mkdir(storage, { recursive: true }).then(
      () => storage,
      () => homedir(), // it cannot be written, and a process cannot be started in a folder that is not there
    );
    const child = spawn(found.program, args, { cwd: home, env: await this.environmentVariables(options), windowsHide: true });
    const run: Run = { child, client: this.clientOf(child), began: Date.now(), offered: [], over: false };
    this.run = run;
    const ended = endOf(child);
    void ended.then((reason) => this.fell(run, reason));
    try {
      // The end first: a process that cannot be started has no connection to wait for.
      await within(options.patience, Promise.race([ended.then((reason) => Promise.reject(new Error(reason))), run.client.start()]));
    } catch (error) {
      const late = error instanceof Late ? `the server did not answer within ${options.patience / 1000} s of its start` : undefined;
      // The process may be about to end, which says more than a broken connection does.
      const reason = late ?? (await within(500, ended).catch(() => `the server's first answer makes no sense: ${String(error)}`));
      return this.fell(run, reason);
    }
    const { serverInfo, capabilities } = run.client.initializeResult ?? { capabilities: {} };
    if (serverInfo?.name !== "quickfill" || isOlder(serverInfo.version ?? "0", OLDEST_SERVER)) {
      const name = `${serverInfo?.name ?? "a server without a name"} ${serverInfo?.version ?? ""}`.trim();
      await this.end();
      return this.tell({ kind: "unfit", reason: `${found.program} is ${name}, not quickfill ${OLDEST_SERVER} or newer` });
    }
    run.offered = capabilities.executeCommandProvider?.commands ?? [];
    this.tell({ kind: "running" });
    void this.inquire();
  }

  private clientOf(child: ChildProcessWithoutNullStreams): LanguageClient {
    const client = new QuietClient(
      "quickfill",
      "Quickfill",
      () => Promise.resolve(child),
      {
        documentSelector: LANGUAGES.map((language) => ({ language })),
        initializationOptions: serverSettings(),
        outputChannel: this.log,
        revealOutputChannelOn: RevealOutputChannelOn.Never,
        initializationFailedHandler: () => false,
        errorHandler: {
          error: () => ({ action: ErrorAction.Continue, handled: true }),
          closed: () => ({ action: CloseAction.DoNotRestart, handled: true }),
        },
        middleware: this.middleware,
      },
    );
    client.registerFeature(new WantsStatus());
    client.onNotification("quickfill/status", (report: Report) => this.reported.fire(report));
    return client;
  }

  private async environmentVariables(options: Options): Promise<NodeJS.ProcessEnv> {
    // Without a team server there is nobody who should see the token.
    const token = options.url ? await this.context.secrets.get(TOKEN) : undefined;
    return token ? { ...process.env, QUICKFILL_TOKEN: token } : process.env;
  }

  private fell(run: Run, reason: string): void {
    if (run.over) {
      return;
    }
    run.over = true;
    run.child.kill("SIGKILL");
    this.log.error(reason);
    this.failures = Date.now() - run.began > HEALTHY ? 1 : this.failures + 1;
    if (this.failures > PAUSES.length) {
      return this.tell({ kind: "failed", reason });
    }
    this.tell({ kind: "waiting", reason });
    this.timer = setTimeout(() => void this.next(() => this.launch()), PAUSES[this.failures - 1]);
  }

  private async end(): Promise<void> {
    const run = this.run;
    this.run = undefined;
    if (run === undefined) {
      return;
    }
    const fallen = run.over;
    run.over = true;
    // A client that never came up cannot be stopped, only left.
    await (fallen ? run.client.dispose() : run.client.stop()).catch(() => undefined);
    run.child.kill("SIGKILL");
  }

  private tell(state: State): void {
    this.current = state;
    this.stateChanged.fire(state);
  }
}

class Late extends Error {}

function within<Value>(milliseconds: number, promise: Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Late()), milliseconds);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Resolves when the process is gone, with a sentence that has its last words. */
function endOf(child: ChildProcessWithoutNullStreams): Promise<string> {
  let last = "";
  child.stderr.on("data", (data: Buffer) => {
    last = data.toString().trim().split("\n").at(-1) || last;
  });
  return new Promise((resolve) => {
    child.on("error", (error) => resolve(`the server cannot be started: ${error.message}`));
    child.on("close", (code, signal) => {
      const how = signal ? `was ended by ${signal}` : `ended with ${code}`;
      resolve(`the server ${how}${last ? `: ${last.slice(0, 200)}` : ""}`);
    });
  });
}

function isOlder(version: string, than: string): boolean {
  const [have, want] = [version, than].map((text) => text.split(".").map((part) => Number.parseInt(part, 10) || 0));
  const differs = want.findIndex((part, place) => part !== (have[place] ?? 0));
  return differs >= 0 && (have[differs] ?? 0) < want[differs];
}
