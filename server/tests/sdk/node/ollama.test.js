// Ollama's official JavaScript client, unmodified, against a real server with the real starter model.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Ollama } from "ollama";

import { all, CALLING, scripted, serve, serveCalling, STARTER } from "./flotilla.js";

describe("Ollama's client", () => {
  let server;
  let client;

  before(async () => {
    server = await serve();
    client = new Ollama({ host: server.url });
  });
  after(() => server.stop());

  const messages = [{ role: "user", content: "Write three sentences about the sea." }];
  const options = { temperature: 0, num_predict: 12 };
  const chat = (parameters = {}) => client.chat({ model: STARTER, messages, options, ...parameters });
  const generate = (parameters = {}) => client.generate({ model: STARTER, prompt: "The sea is", options, ...parameters });

  test("the version is a number", async () => {
    assert.match((await client.version()).version, /^\d+\.\d+\.\d+$/);
  });

  test("the starter model is listed", async () => {
    const { models } = await client.list();
    const starter = models.find((model) => model.name === STARTER);
    assert(starter.size > 90_000_000);
    assert.match(starter.digest, /^[0-9a-f]{64}$/);
  });

  test("a caller that has its share is a 429, and a page of another site a 403", async (context) => {
    const busy = await scripted("one two", { SCRIPT_DELAY_MS: "3000", MAX_PER_CALLER: "1" });
    context.after(() => busy.stop());
    const ask = (headers, stream = false) =>
      new Ollama({ host: busy.url, headers }).chat({ model: "scripted", messages, stream });
    const answer = await ask({}, true);
    await answer[Symbol.asyncIterator]().next();
    await assert.rejects(ask({}), { status_code: 429 });
    await assert.rejects(ask({ Origin: "https://elsewhere.example" }), { status_code: 403 });
    answer.abort();
  });

  test("a model in memory is listed and shown", async () => {
    await chat();
    assert((await client.ps()).models.some((model) => model.model === STARTER));
    const shown = await client.show({ model: STARTER });
    assert(shown.capabilities.includes("completion"));
    assert(shown.model_info["llama.context_length"] > 0);
  });

  test("an unknown model is a 404", async () => {
    await assert.rejects(chat({ model: "qwen:7b" }), { status_code: 404, error: "model 'qwen:7b' not found" });
    await assert.rejects(generate({ model: "qwen:7b" }), { status_code: 404 });
  });

  test("a chat is answered with counts", async () => {
    const answer = await chat();
    assert(answer.message.content);
    assert.deepEqual([answer.done, answer.done_reason, answer.eval_count], [true, "length", 12]);
  });

  test("a streamed chat is the same text", async () => {
    const pieces = await all(await chat({ stream: true }));
    assert.equal(pieces.map((piece) => piece.message.content).join(""), (await chat()).message.content);
    assert(pieces.at(-1).done);
  });

  test("a prompt is answered, streamed or not", async () => {
    const pieces = await all(await generate({ stream: true }));
    assert.equal(pieces.map((piece) => piece.response).join(""), (await generate()).response);
  });

  test("a raw prompt has no template", async () => {
    const [raw, chatted] = await Promise.all([generate({ raw: true }), generate()]);
    assert(raw.prompt_eval_count < chatted.prompt_eval_count);
  });

  test("an answer follows its schema", async () => {
    const answer = await chat({ format: { enum: ["red", "green"] } });
    assert(["red", "green"].includes(JSON.parse(answer.message.content)));
  });

  test("a schema that cannot be used is a 400 that names it", async () => {
    await assert.rejects(chat({ format: { type: "no such type" } }), (error) => {
      assert.equal(error.status_code, 400);
      assert.match(error.error, /^format/);
      return true;
    });
  });

  test("texts have vectors", async () => {
    const { embeddings } = await client.embed({ model: STARTER, input: ["The sea.", "A mountain."] });
    assert.deepEqual(embeddings.map((vector) => vector.length), [576, 576]);
    assert.equal((await client.embeddings({ model: STARTER, prompt: "The sea." })).embedding.length, 576);
  });

  test("a stream that is aborted leaves room for others", async () => {
    const stream = await chat({ stream: true, options: { num_predict: 2000 } });
    await assert.rejects(async () => {
      for await (const piece of stream) {
        assert(piece.message);
        stream.abort();
      }
    }, { name: "AbortError" });
    assert((await chat()).message.content);
  });

  test("a tool's result is answered", async (context) => {
    const calling = await serveCalling();
    context.after(() => calling.stop());
    const answer = await new Ollama({ host: calling.url }).chat({
      model: CALLING,
      messages: [
        ...messages,
        { role: "assistant", content: "", tool_calls: [{ function: { name: "now", arguments: { zone: "UTC" } } }] },
        { role: "tool", content: "12:00", tool_name: "now" },
      ],
      tools: [{ type: "function", function: { name: "now", description: "The time", parameters: { type: "object", properties: {} } } }],
      options,
    });
    assert(answer.message.content || answer.message.tool_calls);
  });
});
