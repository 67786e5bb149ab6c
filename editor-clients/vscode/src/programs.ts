// Where the server's program is: a configured path, the PATH, or the private environment of this extension.
// Knows files and the PATH. Starts nothing.

import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";

const WINDOWS = process.platform === "win32";
const ENDINGS = WINDOWS ? [".exe"] : [""];

export type Found = { program: string } | { missing: string };

export async function findServer(configured: string, environment: string): Promise<Found> {
  if (configured !== "") {
    const program = configured.replace(/^~(?=[/\\])/, homedir());
    // A relative path would depend on the folder that is open: a repository could bring its own program.
    if (!isAbsolute(program)) {
      return { missing: `quickfill.server.path must be an absolute path; it is "${configured}"` };
    }
    return (await isProgram(program)) ? { program } : { missing: `quickfill.server.path names "${configured}", which is no program` };
  }
  const program = (await findOnPath("quickfill")) ?? (await programIn(environment, "quickfill"));
  return program === undefined ? { missing: "the server is not installed" } : { program };
}

/** The first such program on the PATH. Relative entries are passed over, for the reason above. */
export async function findOnPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? "").split(delimiter).filter(isAbsolute)) {
    for (const ending of ENDINGS) {
      const program = join(folder, name + ending);
      if (await isProgram(program)) {
        return program;
      }
    }
  }
  return undefined;
}

/** A program of a virtual environment. */
export async function programIn(environment: string, name: string): Promise<string | undefined> {
  const program = join(environment, WINDOWS ? "Scripts" : "bin", name + ENDINGS[0]);
  return (await isProgram(program)) ? program : undefined;
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
