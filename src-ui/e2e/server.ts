import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const UI_DIR = fileURLToPath(new URL('../dist', import.meta.url));
const dataHome = process.env.XDG_DATA_HOME ?? join(homedir(), '.local/share');
const STARTER = join(process.env.MODELS_DIR ?? join(dataHome, 'flotilla/models'), 'smollm2/135m.gguf');

/** A `flotilla serve` of its own: the program is FLOTILLA_BIN, the model what `make setup` fetched. */
export class Server {
  readonly url: string;
  readonly #process: ChildProcess;
  readonly #dataDir: string;

  static async start(settings: Record<string, string> = {}): Promise<Server> {
    const dataDir = await mkdtemp(join(tmpdir(), 'flotilla-e2e-'));
    // The starter model as it was fetched, without the weights that `flotilla optimize` may have put beside it.
    await mkdir(join(dataDir, 'models/smollm2'), { recursive: true });
    await symlink(STARTER, join(dataDir, 'models/smollm2/135m.gguf'));
    return Server.#launch(dataDir, '127.0.0.1:0', settings);
  }

  static async #launch(dataDir: string, address: string, settings: Record<string, string>): Promise<Server> {
    const program = process.env.FLOTILLA_BIN;
    if (!program) throw new Error('Set FLOTILLA_BIN to the flotilla program, or run `make test`.');
    const child = spawn(program, ['serve'], {
      // A line for each request would bury the tests' own.
      env: {
        RUST_LOG: 'warn',
        ...process.env,
        DATA_DIR: dataDir,
        MODELS_DIR: join(dataDir, 'models'),
        UI_DIR,
        LISTEN_ADDR: address,
        ...settings,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return new Server(await printedUrl(child), child, dataDir);
  }

  private constructor(url: string, child: ChildProcess, dataDir: string) {
    this.url = url;
    this.#process = child;
    this.#dataDir = dataDir;
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Starts it again after {@link kill}: the same data at the same address. */
  startAgain(): Promise<Server> {
    return Server.#launch(this.#dataDir, new URL(this.url).host, {});
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
    await rm(this.#dataDir, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill(signal);
    await exit;
  }
}

async function printedUrl(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error('The server was started without a pipe.');
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /listening on (http:\/\/\S+)/.exec(line)?.[1];
    if (url) {
      child.stdout.resume();
      return url;
    }
  }
  throw new Error('The server ended before it listened; its log is above.');
}
