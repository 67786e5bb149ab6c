// Installs the server into a virtual environment that belongs to this extension alone, for a person who agreed to it.
// Knows Python and pip. Knows no language server.

import { execFile, spawn } from "node:child_process";
import { access, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { ProgressLocation, window, workspace, type CancellationToken, type LogOutputChannel } from "vscode";
import type { Options } from "./options";
import { findOnPath, programIn } from "./programs";

const OLDEST_PYTHON = [3, 11];
const PYTHONS = ["python3", "python", "python3.13", "python3.12", "python3.11"];
const WITHOUT_CUDA = ["--extra-index-url", "https://download.pytorch.org/whl/cpu"];

/** What went wrong, as a sentence for a person. */
export class InstallError extends Error {}

/** Makes the environment anew. Raises InstallError; then, and after a cancellation (false), no environment is left. */
export async function installServer(options: Options, extension: string, environment: string, log: LogOutputChannel): Promise<boolean> {
  const python = await findPython(options.python);
  const requirement = options.requirement || (await wheelIn(join(extension, "dist", "server")));
  const progress = { location: ProgressLocation.Notification, title: "Installing Quickfill's server", cancellable: true };
  return window.withProgress(progress, async (report, cancelled) => {
    const run = async (program: string, args: string[]): Promise<void> => {
      log.info(`$ ${program} ${args.join(" ")}`);
      await runToEnd(program, args, cancelled, (line) => {
        log.info(line);
        report.report({ message: line.slice(0, 100) });
      });
    };
    try {
      await rm(environment, { recursive: true, force: true });
      await mkdir(environment, { recursive: true });
      await run(python, ["-m", "venv", environment]);
      const inside = await programIn(environment, "python");
      const extra = options.pipArguments.length > 0 ? options.pipArguments : process.platform === "linux" ? WITHOUT_CUDA : [];
      await run(inside ?? python, ["-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", ...extra, requirement]);
      if ((await programIn(environment, "quickfill")) === undefined) {
        throw new InstallError(`"${requirement}" was installed, but it has no program "quickfill"`);
      }
      return true;
    } catch (error) {
      await rm(environment, { recursive: true, force: true }).catch(() => undefined);
      if (cancelled.isCancellationRequested) {
        return false;
      }
      throw error instanceof InstallError ? error : new InstallError(error instanceof Error ? error.message : String(error));
    }
  });
}

async function findPython(configured: string): Promise<string> {
  const candidates = configured ? [configured] : await Promise.all(PYTHONS.map(findOnPath));
  for (const candidate of candidates) {
    if (candidate !== undefined && (await isRecent(candidate))) {
      return candidate;
    }
  }
  const wanted = `Python ${OLDEST_PYTHON.join(".")} or newer`;
  throw new InstallError(configured ? `quickfill.server.python names "${configured}", which is no ${wanted}` : `there is no ${wanted} on the PATH`);
}

async function isRecent(python: string): Promise<boolean> {
  try {
    const code = "import ensurepip, sys, venv; print(*sys.version_info[:2])";
    const { stdout } = await promisify(execFile)(python, ["-I", "-c", code], { timeout: 20_000 });
    const [major, minor] = stdout.trim().split(" ").map(Number);
    return major > OLDEST_PYTHON[0] || (major === OLDEST_PYTHON[0] && minor >= OLDEST_PYTHON[1]);
  } catch {
    return false;
  }
}

async function wheelIn(folder: string): Promise<string> {
  const wheel = (await readdir(folder).catch(() => [])).find((name) => name.endsWith(".whl"));
  if (wheel === undefined) {
    throw new InstallError("this extension was packed without the server's package; set quickfill.server.requirement");
  }
  await access(join(folder, wheel));
  return join(folder, wheel);
}

function runToEnd(program: string, args: string[], cancelled: CancellationToken, tell: (line: string) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: withProxy(), windowsHide: true });
    const stopping = cancelled.onCancellationRequested(() => child.kill());
    let complaint = "";
    const listen = (data: Buffer): void => {
      for (const line of data.toString().split(/\r?\n/).filter((text) => text.trim() !== "")) {
        complaint = /error/i.test(line) || complaint === "" ? line.trim() : complaint;
        tell(line.trim());
      }
    };
    child.stdout.on("data", listen);
    child.stderr.on("data", listen);
    child.on("error", (error) => reject(new InstallError(`${program} cannot be run: ${error.message}`)));
    child.on("close", (code) => {
      stopping.dispose();
      code === 0 ? resolve() : reject(new InstallError(complaint || `${program} ended with ${code}`));
    });
  });
}

/** The proxy that VS Code was told of, unless the environment names one. */
function withProxy(): NodeJS.ProcessEnv {
  const proxy = workspace.getConfiguration("http").get("proxy", "");
  return proxy ? { HTTPS_PROXY: proxy, HTTP_PROXY: proxy, ...process.env } : process.env;
}
