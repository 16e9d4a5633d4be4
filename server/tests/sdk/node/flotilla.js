// A Flotilla of its own for a test: the real program, a free port, an empty data folder.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const STARTER = "smollm2:135m";
export const CALLING = "calling:135m";

/** All that a stream gives. */
export async function all(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** A server that answers every chat with these words. */
export async function scripted(text, settings = {}) {
  const folder = await mkdtemp(join(tmpdir(), "script-"));
  await writeFile(join(folder, "script.txt"), text);
  const server = await serve({ SCRIPT: join(folder, "script.txt"), SCRIPT_DELAY_MS: "0", ...settings });
  return {
    url: server.url,
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true });
    },
  };
}

/** A server with the starter model under a template that knows functions, as `calling:135m`. */
export async function serveCalling() {
  const folder = await mkdtemp(join(tmpdir(), "calling-"));
  const program = fileURLToPath(new URL("../python/gguf.py", import.meta.url));
  execFileSync("python3", [program, join(modelsDir(), "smollm2/135m.gguf"), join(folder, "calling/135m.gguf")]);
  const server = await serve({ MODELS_DIR: folder });
  return {
    url: server.url,
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true });
    },
  };
}

/** Start a server with these settings; `stop` ends it. */
export async function serve(settings = {}) {
  const folder = await mkdtemp(join(tmpdir(), "flotilla-"));
  // The starter model as it was fetched, without the weights that `flotilla optimize` may have put beside it.
  await mkdir(join(folder, "models/smollm2"), { recursive: true });
  await symlink(join(modelsDir(), "smollm2/135m.gguf"), join(folder, "models/smollm2/135m.gguf"));
  const program = spawn(process.env.FLOTILLA_BIN, ["serve"], {
    env: {
      PATH: process.env.PATH,
      HOME: folder,
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
