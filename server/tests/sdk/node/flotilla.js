// A Flotilla of its own for a test: the real program, a free port, an empty data folder.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const STARTER = "smollm2:135m";

/** Start a server with these settings; `stop` ends it. */
export async function serve(settings = {}) {
  const folder = await mkdtemp(join(tmpdir(), "flotilla-"));
  const program = spawn(process.env.FLOTILLA_BIN, ["serve"], {
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      MODELS_DIR: modelsDir(),
      DATA_DIR: folder,
      LISTEN_ADDR: "127.0.0.1:0",
      ...settings,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(program, "exit");
  const line = await Promise.race([
    once(createInterface(program.stdout), "line").then(([line]) => line),
    ended.then(([code]) => Promise.reject(new Error(`the server did not start: it ended with ${code}`))),
  ]);
  return {
    url: line.replace("listening on ", ""),
    async stop() {
      program.kill();
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

/** Where the starter model lies: the settings of the program, then the user's data folder. */
function modelsDir() {
  const { MODELS_DIR, DATA_DIR, XDG_DATA_HOME } = process.env;
  return MODELS_DIR ?? join(DATA_DIR ?? join(XDG_DATA_HOME ?? join(homedir(), ".local/share"), "flotilla"), "models");
}
