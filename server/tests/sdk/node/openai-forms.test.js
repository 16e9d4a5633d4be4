// OpenAI's official Node client: several answers, probabilities, JSON by a schema, and functions.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import OpenAI from "openai";

import { all, CALLING, serve, serveCalling, STARTER } from "./flotilla.js";

const form = (schema, strict = false) => ({
  type: "json_schema",
  json_schema: { name: "answer", schema, strict },
});

describe("answers of a certain form", () => {
  let server;
  let client;

  before(async () => {
    server = await serve();
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
  });
  after(() => server.stop());

  const ask = (parameters = {}) =>
    client.chat.completions.create({
      model: STARTER,
      messages: [{ role: "user", content: "Describe a person." }],
      max_tokens: 12,
      temperature: 0,
      ...parameters,
    });
  const json = async (parameters) => {
    const { choices } = await ask({ max_tokens: 200, ...parameters });
    assert.equal(choices[0].finish_reason, "stop", choices[0].message.content);
    return JSON.parse(choices[0].message.content);
  };
  const isRefused = (wish, param) =>
    assert.rejects(ask(wish), (error) => {
      assert(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, param);
      return true;
    });

  test("several answers are several choices", async () => {
    const answer = await ask({ n: 3 });
    assert.deepEqual(answer.choices.map((choice) => choice.index), [0, 1, 2]);
    assert.equal(answer.usage.completion_tokens, 36);
  });

  test("several answers with a seed differ", async () => {
    const { choices } = await ask({ n: 2, seed: 3, temperature: 1.5 });
    assert.notEqual(choices[0].message.content, choices[1].message.content);
  });

  test("several streamed answers keep apart", async () => {
    const texts = ["", ""];
    for await (const { choices } of await ask({ n: 2, stream: true })) texts[choices[0].index] += choices[0].delta.content ?? "";
    assert.equal(texts[0], texts[1]);
  });

  test("log probabilities are those of the text", async () => {
    const { logprobs, message } = (await ask({ logprobs: true })).choices[0];
    assert.equal(logprobs.content.map((token) => token.token).join(""), message.content);
    assert(logprobs.content.every((token) => token.logprob <= 0));
  });

  test("alternatives come in order", async () => {
    for (const token of (await ask({ logprobs: true, top_logprobs: 3 })).choices[0].logprobs.content) {
      const likeliest = token.top_logprobs.map((top) => top.logprob);
      assert.deepEqual(likeliest, likeliest.toSorted((a, b) => b - a));
      assert.equal(likeliest.length, 3);
    }
  });

  test("streamed log probabilities are those of their chunk", async () => {
    for (const { choices } of await all(await ask({ logprobs: true, stream: true }))) {
      const { delta, logprobs } = choices[0];
      if (delta.content) assert.equal(logprobs.content.map((token) => token.token).join(""), delta.content);
    }
  });

  test("too many alternatives are refused by name", () => isRefused({ logprobs: true, top_logprobs: 21 }, "top_logprobs"));

  test("a JSON object is an object", async () => {
    const answer = await ask({ response_format: { type: "json_object" }, max_tokens: 40 });
    assert(answer.choices[0].message.content.startsWith("{"));
  });

  test("an answer follows its schema", async () => {
    const schema = {
      type: "object",
      properties: { sea: { enum: ["blue", "green"] }, deep: { type: "boolean" } },
      required: ["sea", "deep"],
      additionalProperties: false,
    };
    const answer = await json({ response_format: form(schema, true) });
    assert.deepEqual(Object.keys(answer), ["sea", "deep"]);
    assert(["blue", "green"].includes(answer.sea));
  });

  test("a hot answer follows its schema too", async () => {
    const schema = { type: "array", items: { type: "integer", minimum: 0, maximum: 9 }, maxItems: 3 };
    const answer = await json({ response_format: form(schema), temperature: 2, top_p: 1, seed: 5 });
    assert(answer.length <= 3 && answer.every((number) => number >= 0 && number <= 9));
  });

  test("a streamed answer follows its schema", async () => {
    const chunks = await all(await ask({ response_format: form({ const: { a: [1, null] } }), stream: true, max_tokens: 60 }));
    const text = chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join("");
    assert.deepEqual(JSON.parse(text), { a: [1, null] });
  });

  test("the client's own parser gives the value", async () => {
    const answer = await client.chat.completions.parse({
      model: STARTER,
      messages: [{ role: "user", content: "Which?" }],
      response_format: form({ enum: ["red", "green"] }),
      max_tokens: 20,
    });
    assert(["red", "green"].includes(JSON.parse(answer.choices[0].message.content)));
  });

  test("what is no schema is refused by name", () => isRefused({ response_format: form({ type: "no such type" }) }, "response_format"));

  test("a schema that is too large is refused by name", () =>
    isRefused({ response_format: form({ const: "x".repeat(70_000) }) }, "response_format.json_schema.schema"));

  test("a schema that is nested too deep is refused by name", () => {
    let schema = {};
    for (let depth = 0; depth < 40; depth += 1) schema = { items: schema };
    return isRefused({ response_format: form(schema) }, "response_format.json_schema.schema");
  });

  test("a strict schema that cannot be enforced is refused by name", () =>
    isRefused({ response_format: form({ type: "array", uniqueItems: true }, true) }, "response_format"));

  test("a model without functions refuses them, streamed or not", async () => {
    const tools = [{ type: "function", function: { name: "now" } }];
    await isRefused({ tools }, "tools");
    await isRefused({ tools, stream: true }, "tools");
  });
});

describe("functions", () => {
  let server;
  let client;

  before(async () => {
    server = await serveCalling();
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
  });
  after(() => server.stop());

  const zone = { type: "object", properties: { zone: { enum: ["UTC", "CET"] } }, required: ["zone"] };
  const now = { type: "function", function: { name: "now", description: "The time", parameters: zone } };
  const today = { type: "function", function: { name: "today", parameters: { type: "object", properties: {} } } };
  const question = { role: "user", content: "What time is it?" };
  const request = (parameters = {}) => ({
    model: CALLING,
    messages: [question],
    tools: [now],
    max_tokens: 100,
    temperature: 0,
    ...parameters,
  });
  const ask = (parameters) => client.chat.completions.create(request(parameters));
  const once = { tool_choice: "required", parallel_tool_calls: false };

  test("a required call is made", async () => {
    const { finish_reason, message } = (await ask(once)).choices[0];
    assert.equal(finish_reason, "tool_calls");
    assert.equal(message.content, null);
    assert.equal(message.tool_calls[0].function.name, "now");
    assert(["UTC", "CET"].includes(JSON.parse(message.tool_calls[0].function.arguments).zone));
  });

  test("a named function is called", async () => {
    const choice = { type: "function", function: { name: "today" } };
    const answer = await ask({ tools: [now, today], tool_choice: choice, parallel_tool_calls: false });
    assert.equal(answer.choices[0].message.tool_calls[0].function.name, "today");
  });

  test("a streamed call comes in pieces under its index", async () => {
    const chunks = await all(await ask({ ...once, stream: true }));
    const pieces = chunks.flatMap((chunk) => chunk.choices[0].delta.tool_calls ?? []);
    assert(pieces.every((piece) => piece.index === 0));
    assert.equal(pieces.filter((piece) => piece.id).length, 1);
    assert(JSON.parse(pieces.map((piece) => piece.function.arguments).join("")).zone);
    assert.equal(chunks.at(-1).choices[0].finish_reason, "tool_calls");
  });

  test("the client's own stream reader puts a call together", async () => {
    const runner = client.chat.completions.stream(request(once));
    const message = await runner.finalMessage();
    assert.equal(message.tool_calls[0].function.name, "now");
  });

  test("the client's own runner calls a function", async () => {
    let called;
    const runner = client.chat.completions.runTools(
      request({
        tools: [{ type: "function", function: { ...now.function, parse: JSON.parse, function: (given) => { called = given; return "12:00"; } } }],
        tool_choice: { type: "function", function: { name: "now" } },
        parallel_tool_calls: false,
      }),
    );
    await runner.done();
    assert(["UTC", "CET"].includes(called.zone));
  });

  test("what a function returned is answered", async () => {
    const call = { id: "call_1", type: "function", function: { name: "now", arguments: '{"zone": "UTC"}' } };
    const messages = [
      question,
      { role: "assistant", tool_calls: [call] },
      { role: "tool", tool_call_id: "call_1", content: "12:00" },
    ];
    assert((await ask({ messages, tool_choice: "none" })).choices[0].message.content);
  });

  test("a model that must not call answers", async () => {
    assert.equal((await ask({ tool_choice: "none" })).choices[0].message.tool_calls, undefined);
  });

  test("functions are part of the prompt", async () => {
    const [without, withThem] = await Promise.all([ask({ tool_choice: "none", max_tokens: 1 }), ask({ max_tokens: 1 })]);
    assert(withThem.usage.prompt_tokens > without.usage.prompt_tokens + 10);
  });

  test("choices that cannot be made are refused by name", async () => {
    for (const wish of [
      { tools: undefined, tool_choice: "required" },
      { tool_choice: { type: "function", function: { name: "later" } } },
    ]) {
      await assert.rejects(ask(wish), { status: 400, param: "tool_choice" });
    }
  });

  test("a function with a wrong name is refused by name", async () => {
    const tools = [{ type: "function", function: { name: "what time?" } }];
    await assert.rejects(ask({ tools }), { status: 400, param: "tools[0].function.name" });
  });
});
