import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const MODEL_LAYER = 'application/vnd.ollama.image.model';

/** A registry on loopback that has one file under every name. Parts of it can be held back. */
export class Registry {
  readonly #server: Server;
  readonly #file: Buffer;
  readonly #digest: string;
  #held: Promise<void> = Promise.resolve();
  #release: () => void = () => undefined;

  static async start(megabytes: number): Promise<Registry> {
    const registry = new Registry(gguf(megabytes * 1_000_000));
    await new Promise<void>((listening) => registry.#server.listen(0, '127.0.0.1', listening));
    return registry;
  }

  private constructor(file: Buffer) {
    this.#file = file;
    this.#digest = `sha256:${createHash('sha256').update(file).digest('hex')}`;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The second half of the file comes only after {@link release}. */
  hold(): void {
    this.#held = new Promise((release) => (this.#release = release));
  }

  release(): void {
    this.#release();
  }

  async stop(): Promise<void> {
    this.#release();
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url?.includes('/manifests/')) {
      const layers = [{ mediaType: MODEL_LAYER, digest: this.#digest, size: this.#file.length }];
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ layers }));
      return;
    }
    const [, start = 0, last = 0] = (/bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? []).map(Number);
    if (last > this.#file.length / 2) await this.#held;
    response
      .writeHead(206, {
        'content-range': `bytes ${start}-${last}/${this.#file.length}`,
        'content-length': last + 1 - start,
      })
      .end(this.#file.subarray(start, last + 1));
  }
}

/** A header that says what kind of model it would be, and no weights: it can be listed, not run. */
function gguf(size: number): Buffer {
  const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
  const u64 = (value: number) => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
  const text = (value: string) => Buffer.concat([u64(value.length), Buffer.from(value)]);
  const strings = [text('general.architecture'), u32(8), text('qwen2')];
  const numbers = [
    [text('general.file_type'), u32(4), u32(15)],
    [text('qwen2.context_length'), u32(4), u32(32_768)],
  ].flat();
  const header = Buffer.concat([Buffer.from('GGUF'), u32(3), u64(0), u64(3), ...strings, ...numbers]);
  return Buffer.concat([header, Buffer.alloc(size - header.length)]);
}
