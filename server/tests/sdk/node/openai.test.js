// OpenAI's official Node client, unmodified, against a real server with the real starter model.
// FLOTILLA_BIN names the server's program.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import OpenAI from "openai";

import { all, scripted, serve, STARTER } from "./flotilla.js";

const QUESTION = [{ role: "user", content: "Write three sentences about the sea." }];

describe("with the real model", () => {
  let server;
  let client;

  before(async () => {
    server = await serve();
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
  });
  after(() => server.stop());

  const ask = (parameters = {}, options = {}) =>
    client.chat.completions.create(
      { model: STARTER, messages: QUESTION, max_tokens: 24, temperature: 0, seed: 1, ...parameters },
      options,
    );
  const text = async (parameters) => (await ask(parameters)).choices[0].message.content;

  test("the starter model is listed", async () => {
    const models = await all(client.models.list());
    assert(models.some((model) => model.id === STARTER && model.object === "model"));
  });

  test("a model is retrieved by its id", async () => {
    assert.equal((await client.models.retrieve(STARTER)).id, STARTER);
  });

  test("an unknown model is not found", async () => {
    await assert.rejects(client.models.retrieve("gpt-5"), (error) => {
      assert(error instanceof OpenAI.NotFoundError);
      assert.deepEqual([error.code, error.param, error.type], ["model_not_found", "model", "not_found_error"]);
      return true;
    });
  });

  test("an answer has everything that the client reads", async () => {
    const answer = await ask();
    assert.match(answer.id, /^chatcmpl-/);
    assert.deepEqual([answer.object, answer.model], ["chat.completion", STARTER]);
    assert.equal(answer.choices[0].message.role, "assistant");
    assert(answer.choices[0].message.content);
  });

  test("usage adds up", async () => {
    const { usage } = await ask({ max_tokens: 5 });
    assert.equal(usage.completion_tokens, 5);
    assert.equal(usage.total_tokens, usage.prompt_tokens + 5);
    assert(usage.prompt_tokens_details.cached_tokens <= usage.prompt_tokens);
  });

  test("a stream is the same text as the whole answer", async () => {
    const chunks = await all(await ask({ stream: true }));
    assert.equal(chunks[0].choices[0].delta.role, "assistant");
    assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
    assert(chunks.every((chunk) => chunk.choices.length === 1));
    assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), await text());
  });

  test("a stream ends with its usage when that is asked for", async () => {
    const chunks = await all(await ask({ stream: true, max_tokens: 5, stream_options: { include_usage: true } }));
    assert.deepEqual(chunks.at(-1).choices, []);
    assert.equal(chunks.at(-1).usage.completion_tokens, 5);
    assert.equal(chunks.at(-2).choices[0].finish_reason, "length");
  });

  test("the client's own stream reader puts the answer together", async () => {
    const runner = client.chat.completions.stream({ model: STARTER, messages: QUESTION, max_tokens: 24, temperature: 0, seed: 1 });
    assert.equal(await runner.finalContent(), await text());
  });

  test("both names of the token limit are kept", async () => {
    for (const limit of [{ max_tokens: 3 }, { max_tokens: undefined, max_completion_tokens: 3 }]) {
      const answer = await ask(limit);
      assert.deepEqual([answer.choices[0].finish_reason, answer.usage.completion_tokens], ["length", 3]);
    }
  });

  test("an answer ends before a stop text", async () => {
    const whole = await text();
    const word = whole.split(/\s+/)[4];
    const answer = await ask({ stop: word });
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.equal(answer.choices[0].message.content, whole.slice(0, whole.indexOf(word)));
  });

  test("temperature zero is the same every time", async () => {
    assert.equal(await text(), await text());
  });

  test("an answer tells its request id", async () => {
    assert((await ask({ max_tokens: 1 }))._request_id);
  });

  test("bad requests name the parameter", async () => {
    const tools = [{ type: "function", function: { name: "now", parameters: { type: "object" } } }];
    for (const [wish, code] of [
      [{ temperature: 3 }, "invalid_request"],
      [{ max_tokens: -1 }, "invalid_request"],
      [{ messages: [] }, "invalid_request"],
      [{ n: 9 }, "invalid_request"],
      [{ tools }, "unsupported_parameter"],
      [{ logit_bias: { 1: 5 } }, "unsupported_parameter"],
    ]) {
      await assert.rejects(ask(wish), (error) => {
        assert(error instanceof OpenAI.BadRequestError);
        assert.deepEqual([error.code, error.param], [code, Object.keys(wish)[0]]);
        return true;
      });
    }
  });

  test("a prompt that does not fit is a bad request, streamed or not", async () => {
    const messages = [{ role: "user", content: "word ".repeat(10_000) }];
    for (const stream of [false, true]) {
      await assert.rejects(ask({ messages, stream }), { code: "context_length_exceeded", status: 400 });
    }
  });

  test("a chat with an unknown model is not found", async () => {
    await assert.rejects(ask({ model: "gpt-5" }), OpenAI.NotFoundError);
  });

  test("a stream that is aborted leaves room for others", async () => {
    // Twice as many as there are slots: each would be taken for long.
    for (let count = 0; count < 8; count += 1) {
      const stream = await ask({ stream: true, max_tokens: 2000 });
      for await (const chunk of stream) {
        assert(chunk.id);
        break;
      }
      assert(stream.controller.signal.aborted);
    }
    assert(await text({ max_tokens: 4 }));
  });

  test("a client that waits no longer gets its timeout, and the server goes on", async () => {
    const slow = ask({ max_tokens: 2000, repeat_penalty: 1.5 }, { timeout: 200 });
    await assert.rejects(slow, OpenAI.APIConnectionTimeoutError);
    assert(await text({ max_tokens: 4 }));
  });

  test("a request is aborted by its signal", async () => {
    const controller = new AbortController();
    const slow = ask({ max_tokens: 2000, repeat_penalty: 1.5 }, { signal: controller.signal });
    controller.abort();
    await assert.rejects(slow, OpenAI.APIUserAbortError);
  });

  test("streams at once do not mix", async () => {
    const limits = [3, 5, 7, 9, 11, 13];
    const tokens = limits.map(async (limit) => {
      const chunks = await all(await ask({ stream: true, max_tokens: limit, stream_options: { include_usage: true } }));
      return chunks.at(-1).usage.completion_tokens;
    });
    assert.deepEqual(await Promise.all(tokens), limits);
  });
});

describe("with other servers", () => {
  const ask = (server, apiKey, { stream, ...options } = {}) =>
    new OpenAI({ baseURL: `${server.url}/v1`, apiKey, maxRetries: 0, ...options }).chat.completions.create({
      model: "scripted",
      messages: [{ role: "user", content: "hello" }],
      stream,
    });

  test("the access token is the API key", async (context) => {
    const server = await scripted("one two three", { ACCESS_TOKEN: "right" });
    context.after(() => server.stop());
    assert.equal((await ask(server, "right")).choices[0].message.content, "one two three");
    await assert.rejects(ask(server, "wrong"), OpenAI.AuthenticationError);
  });

  test("a page of another site is denied", async (context) => {
    const server = await scripted("one");
    context.after(() => server.stop());
    const defaultHeaders = { Origin: "https://elsewhere.example" };
    await assert.rejects(ask(server, "none", { defaultHeaders }), (error) => {
      assert(error instanceof OpenAI.PermissionDeniedError);
      assert.equal(error.code, "forbidden");
      return true;
    });
  });

  test("a caller that has its share is limited and told when to come back", async (context) => {
    const server = await scripted("one two", { SCRIPT_DELAY_MS: "60000", MAX_PER_CALLER: "1" });
    context.after(() => server.stop());
    const answer = await ask(server, "none", { stream: true });
    await assert.rejects(ask(server, "none"), (error) => {
      assert(error instanceof OpenAI.RateLimitError);
      assert(Number(error.headers.get("retry-after")) > 0);
      return true;
    });
    answer.controller.abort();
  });

  test("an engine that is down is a server error that may be retried", async (context) => {
    // Port 9 is discard, which nobody listens on.
    const server = await serve({ OLLAMA_URL: "http://127.0.0.1:9" });
    context.after(() => server.stop());
    await assert.rejects(ask(server, "none"), (error) => {
      assert(error instanceof OpenAI.InternalServerError);
      assert(Number(error.headers.get("retry-after")) > 0);
      return true;
    });
  });
});
