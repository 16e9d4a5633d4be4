// OpenAI's official Node client: text completions, embeddings and responses.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import OpenAI from "openai";

import { all, CALLING, serve, serveCalling, STARTER } from "./flotilla.js";

let server;
let client;

before(async () => {
  server = await serve();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
});
after(() => server.stop());

describe("text completions", () => {
  const ask = (parameters = {}) =>
    client.completions.create({ model: STARTER, prompt: "The sea is", max_tokens: 8, temperature: 0, ...parameters });

  test("a text is continued", async () => {
    const answer = await ask();
    assert.equal(answer.object, "text_completion");
    assert(answer.choices[0].text);
    assert.equal(answer.usage.completion_tokens, 8);
  });

  test("sixteen tokens are written unasked", async () => {
    assert((await ask({ max_tokens: undefined })).usage.completion_tokens <= 16);
  });

  test("a stream is the same text", async () => {
    const chunks = await all(await ask({ stream: true }));
    assert.equal(chunks.map((chunk) => chunk.choices[0].text).join(""), (await ask()).choices[0].text);
  });

  test("a stream ends with its usage when that is asked for", async () => {
    const chunks = await all(await ask({ stream: true, stream_options: { include_usage: true } }));
    assert.deepEqual(chunks.at(-1).choices, []);
    assert.equal(chunks.at(-1).usage.completion_tokens, 8);
  });

  test("several texts are continued in order", async () => {
    const { choices } = await ask({ prompt: ["One, two,", "Red, green,"], n: 2 });
    assert.deepEqual(choices.map((choice) => choice.index), [0, 1, 2, 3]);
    assert.equal(choices[0].text, choices[1].text);
  });

  test("log probabilities are columns of the same length", async () => {
    const { tokens, token_logprobs, text_offset } = (await ask({ logprobs: 1 })).choices[0].logprobs;
    assert.equal(tokens.length, token_logprobs.length);
    assert.equal(tokens.length, text_offset.length);
  });

  test("wishes that cannot be met are refused by name", async () => {
    for (const wish of [{ echo: true }, { suffix: "end" }, { best_of: 3 }, { prompt: [1, 2] }, { prompt: "" }]) {
      await assert.rejects(ask(wish), { status: 400, param: Object.keys(wish)[0] });
    }
  });

  test("a text that does not fit is refused by name", async () => {
    const long = { prompt: "word ".repeat(10_000) };
    await assert.rejects(ask(long), { status: 400, code: "context_length_exceeded", param: "prompt" });
  });
});

describe("embeddings", () => {
  const embed = (input, parameters = {}) => client.embeddings.create({ model: STARTER, input, ...parameters });
  const product = (a, b) => a.reduce((sum, value, index) => sum + value * b[index], 0);

  test("the client asks for base64 and gives numbers", async () => {
    const { data } = await embed("The sea is blue.");
    assert.equal(data[0].embedding.length, 576);
    assert(Math.abs(product(data[0].embedding, data[0].embedding) - 1) < 1e-4);
  });

  test("plain numbers are the same", async () => {
    const [base64, float] = await Promise.all([embed("The sea."), embed("The sea.", { encoding_format: "float" })]);
    assert(Math.abs(product(base64.data[0].embedding, float.data[0].embedding) - 1) < 1e-4);
  });

  test("several texts come in order", async () => {
    const { data } = await embed(["The sea.", "A mountain.", "The sea."]);
    assert.deepEqual(data.map((item) => item.index), [0, 1, 2]);
    assert(product(data[0].embedding, data[2].embedding) > 0.999);
  });

  test("alike texts are nearer", async () => {
    const texts = ["The cat sat on the mat.", "A cat sat on a mat.", "Quarterly revenue rose by nine percent."];
    const [a, b, c] = (await embed(texts)).data.map((item) => item.embedding);
    assert(product(a, b) > product(a, c));
  });

  test("tokens are taken", async () => {
    assert.equal((await embed([[1, 2, 3], [4]])).data.length, 2);
    assert.equal((await embed([1, 2, 3])).usage.prompt_tokens, 3);
  });

  test("fewer dimensions have length one", async () => {
    const { embedding } = (await embed("The sea.", { dimensions: 64 })).data[0];
    assert.equal(embedding.length, 64);
    assert(Math.abs(product(embedding, embedding) - 1) < 1e-4);
  });

  test("inputs that cannot have vectors are refused by name", async () => {
    for (const input of ["", [], "word ".repeat(10_000)]) await assert.rejects(embed(input), { status: 400, param: "input" });
    await assert.rejects(embed("x", { dimensions: 10_000 }), { status: 400, param: "dimensions" });
  });

  test("an unknown model is not found", async () => {
    await assert.rejects(client.embeddings.create({ model: "gpt-5", input: "x" }), OpenAI.NotFoundError);
  });
});

describe("responses", () => {
  const ask = (parameters = {}) =>
    client.responses.create({
      model: STARTER,
      input: "Write a sentence about the sea.",
      max_output_tokens: 16,
      temperature: 0,
      ...parameters,
    });

  test("a response has its text", async () => {
    const response = await ask();
    assert(response.output_text);
    assert(response.usage.output_tokens <= 16);
  });

  test("a response that was cut says so", async () => {
    const response = await ask({ max_output_tokens: 2 });
    assert.equal(response.status, "incomplete");
    assert.equal(response.incomplete_details.reason, "max_output_tokens");
  });

  test("instructions and items are the conversation", async () => {
    const input = [
      { role: "user", content: "My name is Ann." },
      { role: "assistant", content: "Hello Ann." },
      { role: "user", content: [{ type: "input_text", text: "What is my name?" }] },
    ];
    assert((await ask({ input, instructions: "Be brief." })).output_text);
  });

  test("a stream is the same text and its events are numbered", async () => {
    const events = await all(await ask({ stream: true }));
    assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
    const deltas = events.filter((event) => event.type === "response.output_text.delta");
    assert.equal(deltas.map((event) => event.delta).join(""), (await ask()).output_text);
  });

  test("the client's own stream reader gives the response", async () => {
    const stream = client.responses.stream({ model: STARTER, input: "Say hello.", temperature: 0, max_output_tokens: 200 });
    const [message] = (await stream.finalResponse()).output;
    assert(message.content[0].text);
  });

  test("an answer follows its schema", async () => {
    const schema = { type: "object", properties: { blue: { type: "boolean" } }, required: ["blue"], additionalProperties: false };
    const format = { type: "json_schema", name: "sea", schema, strict: true };
    const response = await ask({ text: { format }, max_output_tokens: 40 });
    assert.equal(typeof JSON.parse(response.output_text).blue, "boolean");
  });

  test("wishes that take a memory are refused by name", async () => {
    for (const wish of [{ previous_response_id: "resp_1" }, { store: true }, { background: true }]) {
      await assert.rejects(ask(wish), { status: 400, param: Object.keys(wish)[0] });
    }
  });

  test("a conversation that does not fit is refused by name", async () => {
    const long = { input: "word ".repeat(10_000) };
    await assert.rejects(ask(long), { status: 400, code: "context_length_exceeded", param: "input" });
  });

  test("a function is called and what it returned is answered", async (context) => {
    const calling = await serveCalling();
    context.after(() => calling.stop());
    const other = new OpenAI({ baseURL: `${calling.url}/v1`, apiKey: "none", maxRetries: 0 });
    const parameters = { type: "object", properties: { zone: { enum: ["UTC"] } }, required: ["zone"], additionalProperties: false };
    const request = {
      model: CALLING,
      tools: [{ type: "function", name: "now", parameters, strict: false }],
      parallel_tool_calls: false,
      max_output_tokens: 100,
    };
    const question = { role: "user", content: "What time is it?" };
    const [call] = (await other.responses.create({ ...request, input: [question], tool_choice: "required" })).output;
    assert.deepEqual([call.type, call.name, JSON.parse(call.arguments)], ["function_call", "now", { zone: "UTC" }]);
    const output = { type: "function_call_output", call_id: call.call_id, output: "12:00" };
    assert((await other.responses.create({ ...request, input: [question, call, output], tool_choice: "none" })).output_text);
  });
});
