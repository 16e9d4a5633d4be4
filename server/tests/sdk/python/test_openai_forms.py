"""OpenAI's official Python client: several answers, probabilities, JSON by a schema, and functions."""

import enum
import json
import math
import unittest

import openai
import pydantic

from flotilla import CALLING, STARTER, main, serve, serve_calling

QUESTION = [{"role": "user", "content": "Describe a person."}]


class Person(pydantic.BaseModel):
    name: str
    age: int


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Car(pydantic.BaseModel):
    colour: Colour
    owner: Person | None
    doors: int = pydantic.Field(ge=2, le=5)


def form(schema, strict=False):
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": strict}}


class Choices(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        url = cls.enterClassContext(serve()) + "/v1"
        cls.client = cls.enterClassContext(openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=120))

    def ask(self, **parameters):
        defaults = {"model": STARTER, "messages": QUESTION, "max_tokens": 12, "temperature": 0}
        return self.client.chat.completions.create(**(defaults | parameters))

    def json(self, **parameters):
        answer = self.ask(**({"max_tokens": 200} | parameters)).choices[0]
        self.assertEqual(answer.finish_reason, "stop", answer.message.content)
        return json.loads(answer.message.content)

    def refusal(self, **parameters):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.ask(**parameters)
        return caught.exception

    def test_several_answers_are_several_choices(self):
        answer = self.ask(n=3)
        self.assertEqual([choice.index for choice in answer.choices], [0, 1, 2])
        self.assertEqual(answer.usage.completion_tokens, 36)

    def test_several_greedy_answers_are_the_same(self):
        self.assertEqual(len({choice.message.content for choice in self.ask(n=2).choices}), 1)

    def test_several_answers_with_a_seed_differ_and_come_again(self):
        texts = [[choice.message.content for choice in self.ask(n=2, seed=3, temperature=1.5).choices] for _ in "ab"]
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0][0], texts[0][1])

    def test_several_streamed_answers_keep_apart(self):
        texts, ended = {}, set()
        for chunk in self.ask(n=2, stream=True):
            choice = chunk.choices[0]
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
            if choice.finish_reason:
                ended.add(choice.index)
        self.assertEqual((texts[0], ended), (texts[1], {0, 1}))

    def test_more_answers_than_are_written_together_are_refused(self):
        self.assertEqual(self.refusal(n=9).param, "n")

    def test_log_probabilities_are_those_of_the_text(self):
        answer = self.ask(logprobs=True).choices[0]
        self.assertEqual("".join(token.token for token in answer.logprobs.content), answer.message.content)
        self.assertTrue(all(token.logprob <= 0 for token in answer.logprobs.content))
        self.assertEqual(answer.logprobs.content[0].top_logprobs, [])

    def test_alternatives_come_in_order_and_are_no_more_than_certain(self):
        for token in self.ask(logprobs=True, top_logprobs=3).choices[0].logprobs.content:
            likeliest = [top.logprob for top in token.top_logprobs]
            self.assertEqual((len(likeliest), likeliest), (3, sorted(likeliest, reverse=True)))
            self.assertLessEqual(sum(map(math.exp, likeliest)), 1.001)
            self.assertEqual(bytes(token.bytes).decode(errors="replace"), token.token)

    def test_streamed_log_probabilities_are_those_of_their_chunk(self):
        for chunk in self.ask(logprobs=True, stream=True):
            choice = chunk.choices[0]
            if choice.delta.content:
                self.assertEqual("".join(token.token for token in choice.logprobs.content), choice.delta.content)

    def test_log_probabilities_end_where_the_text_does_at_a_stop_text(self):
        word = self.ask().choices[0].message.content.split()[3]
        answer = self.ask(logprobs=True, stop=word).choices[0]
        self.assertEqual("".join(token.token for token in answer.logprobs.content), answer.message.content)

    def test_too_many_alternatives_are_refused(self):
        self.assertEqual(self.refusal(logprobs=True, top_logprobs=21).param, "top_logprobs")

    def test_a_json_object_is_an_object(self):
        answer = self.ask(response_format={"type": "json_object"}, max_tokens=60).choices[0].message.content
        self.assertTrue(answer.startswith("{"))

    def test_an_answer_follows_its_schema(self):
        schema = {"type": "object", "properties": {"sea": {"enum": ["blue", "green"]}}, "required": ["sea"]}
        answer = self.json(response_format=form(schema | {"additionalProperties": False}, strict=True))
        self.assertIn(answer["sea"], ["blue", "green"])

    def test_a_hot_answer_follows_its_schema_too(self):
        schema = {"type": "array", "items": {"type": "integer", "maximum": 9, "minimum": 0}, "maxItems": 3}
        for seed in range(3):
            answer = self.json(response_format=form(schema), temperature=2, top_p=1, seed=seed)
            self.assertTrue(len(answer) <= 3 and all(0 <= number <= 9 for number in answer))

    def test_a_streamed_answer_follows_its_schema(self):
        chunks = self.ask(response_format=form({"const": {"a": [1, None]}}), stream=True, max_tokens=60)
        self.assertEqual(json.loads("".join(chunk.choices[0].delta.content or "" for chunk in chunks)), {"a": [1, None]})

    def test_several_answers_follow_one_schema(self):
        answer = self.ask(response_format=form({"enum": [1, 2]}), n=2, temperature=1)
        self.assertTrue(all(json.loads(choice.message.content) in (1, 2) for choice in answer.choices))

    def test_the_clients_own_parser_gets_its_class(self):
        answer = self.client.chat.completions.parse(
            model=STARTER, messages=QUESTION, response_format=Person, max_tokens=300, temperature=0.5, seed=1,
            extra_body={"repeat_penalty": 1.3},
        )
        self.assertIsInstance(answer.choices[0].message.parsed, Person)

    def test_the_clients_own_parser_gets_a_class_with_parts(self):
        answer = self.client.chat.completions.parse(
            model=STARTER, messages=QUESTION, response_format=Car, max_tokens=400, temperature=0.5, seed=1,
            extra_body={"repeat_penalty": 1.3},
        )
        self.assertIsInstance(answer.choices[0].message.parsed, Car)

    def test_what_is_no_schema_is_refused_by_name(self):
        refused = self.refusal(response_format=form({"type": "no such type"}))
        self.assertEqual(refused.param, "response_format")

    def test_a_schema_that_is_too_large_is_refused_by_name(self):
        refused = self.refusal(response_format=form({"const": "x" * 70_000}))
        self.assertEqual(refused.param, "response_format.json_schema.schema")

    def test_a_schema_whose_forms_multiply_is_refused_by_name(self):
        union = {"anyOf": [{"type": "string"}] * 10}
        refused = self.refusal(response_format=form({"allOf": [union] * 10}))
        self.assertEqual(refused.param, "response_format.json_schema.schema")

    def test_a_strict_schema_that_cannot_be_enforced_is_refused(self):
        refused = self.refusal(response_format=form({"type": "array", "uniqueItems": True}, strict=True))
        self.assertEqual(refused.param, "response_format")

    def test_a_model_without_functions_refuses_them_streamed_or_not(self):
        tools = [{"type": "function", "function": {"name": "now"}}]
        for stream in (False, True):
            self.assertEqual(self.refusal(tools=tools, stream=stream).param, "tools")


class Functions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        url = cls.enterClassContext(serve_calling()) + "/v1"
        cls.client = cls.enterClassContext(openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=120))

    zone = {"type": "object", "properties": {"zone": {"enum": ["UTC", "CET"]}}, "required": ["zone"]}
    now = {"type": "function", "function": {"name": "now", "description": "The time", "parameters": zone}}
    today = {"type": "function", "function": {"name": "today", "parameters": {"type": "object", "properties": {}}}}

    def ask(self, **parameters):
        messages = [{"role": "user", "content": "What time is it?"}]
        defaults = {"model": CALLING, "messages": messages, "max_tokens": 100, "temperature": 0, "tools": [self.now]}
        return self.client.chat.completions.create(**(defaults | parameters))

    def test_a_required_call_is_made(self):
        choice = self.ask(tool_choice="required", parallel_tool_calls=False).choices[0]
        (call,) = choice.message.tool_calls
        self.assertEqual((choice.finish_reason, call.type, call.function.name), ("tool_calls", "function", "now"))
        self.assertIn(json.loads(call.function.arguments)["zone"], ["UTC", "CET"])
        self.assertTrue(call.id)
        self.assertIsNone(choice.message.content)

    def test_a_named_function_is_called(self):
        choice = {"type": "function", "function": {"name": "today"}}
        answer = self.ask(tools=[self.now, self.today], tool_choice=choice, parallel_tool_calls=False)
        self.assertEqual(answer.choices[0].message.tool_calls[0].function.name, "today")

    def test_a_streamed_call_comes_in_pieces_under_its_index(self):
        calls = {}
        for chunk in self.ask(tool_choice="required", parallel_tool_calls=False, stream=True):
            for piece in chunk.choices[0].delta.tool_calls or []:
                known = calls.setdefault(piece.index, {"id": piece.id, "name": piece.function.name, "arguments": ""})
                known["arguments"] += piece.function.arguments or ""
            reason = chunk.choices[0].finish_reason or None
        self.assertEqual((list(calls), reason), ([0], "tool_calls"))
        self.assertEqual(calls[0]["name"], "now")
        self.assertIn(json.loads(calls[0]["arguments"])["zone"], ["UTC", "CET"])

    def test_the_clients_own_stream_reader_puts_a_call_together(self):
        messages = [{"role": "user", "content": "What time is it?"}]
        with self.client.chat.completions.stream(
            model=CALLING, messages=messages, tools=[self.now | {"function": self.now["function"] | {"strict": True}}],
            tool_choice="required", parallel_tool_calls=False, max_tokens=100, temperature=0,
        ) as stream:
            for _ in stream:
                pass
            message = stream.get_final_completion().choices[0].message
        self.assertEqual(message.tool_calls[0].function.name, "now")

    def test_what_a_function_returned_is_answered(self):
        call = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": '{"zone": "UTC"}'}}
        messages = [
            {"role": "user", "content": "What time is it?"},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "12:00"},
        ]
        self.assertTrue(self.ask(messages=messages, tool_choice="none").choices[0].message.content)

    def test_a_model_that_must_not_call_answers(self):
        choice = self.ask(tool_choice="none").choices[0]
        self.assertIsNone(choice.message.tool_calls)
        self.assertTrue(choice.message.content)

    def test_a_model_that_may_call_does_either(self):
        message = self.ask(tool_choice="auto").choices[0].message
        self.assertTrue(message.content or message.tool_calls)

    def test_functions_are_part_of_the_prompt(self):
        without = self.ask(tool_choice="none", max_tokens=1).usage.prompt_tokens
        self.assertGreater(self.ask(max_tokens=1).usage.prompt_tokens, without + 10)

    def test_choices_that_cannot_be_made_are_refused_by_name(self):
        for choice in ("required", {"type": "function", "function": {"name": "later"}}):
            with self.assertRaises(openai.BadRequestError) as caught:
                self.ask(tools=openai.omit if choice == "required" else [self.now], tool_choice=choice)
            self.assertEqual(caught.exception.param, "tool_choice")

    def test_a_function_with_a_wrong_name_is_refused_by_name(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.ask(tools=[{"type": "function", "function": {"name": "what time?"}}])
        self.assertEqual(caught.exception.param, "tools[0].function.name")


if __name__ == "__main__":
    main()
