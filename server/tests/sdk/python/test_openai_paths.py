"""OpenAI's official Python client: text completions, embeddings and responses."""

import asyncio
import json
import unittest

import openai
import pydantic

from flotilla import CALLING, STARTER, main, serve, serve_calling


class Colour(pydantic.BaseModel):
    blue: bool


class Paths(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.url = cls.enterClassContext(serve()) + "/v1"
        cls.client = cls.enterClassContext(openai.OpenAI(base_url=cls.url, api_key="none", max_retries=0, timeout=120))

    def refusal(self, call, *arguments, **parameters):
        with self.assertRaises(openai.BadRequestError) as caught:
            call(*arguments, **parameters)
        return caught.exception


class TextCompletions(Paths):
    def ask(self, **parameters):
        defaults = {"model": STARTER, "prompt": "The sea is", "max_tokens": 8, "temperature": 0}
        return self.client.completions.create(**(defaults | parameters))

    def test_a_text_is_continued(self):
        answer = self.ask()
        self.assertEqual((answer.object, answer.choices[0].finish_reason), ("text_completion", "length"))
        self.assertTrue(answer.choices[0].text)
        self.assertEqual(answer.usage.completion_tokens, 8)

    def test_sixteen_tokens_are_written_unasked(self):
        self.assertLessEqual(self.ask(max_tokens=openai.omit).usage.completion_tokens, 16)

    def test_a_stream_is_the_same_text(self):
        pieces = [chunk.choices[0].text for chunk in self.ask(stream=True)]
        self.assertEqual("".join(pieces), self.ask().choices[0].text)

    def test_a_stream_ends_with_its_usage_when_that_is_asked_for(self):
        chunks = list(self.ask(stream=True, stream_options={"include_usage": True}))
        self.assertEqual((chunks[-1].choices, chunks[-1].usage.completion_tokens), ([], 8))

    def test_several_texts_are_continued_in_order(self):
        answer = self.ask(prompt=["One, two,", "Red, green,"])
        self.assertEqual([choice.index for choice in answer.choices], [0, 1])
        self.assertEqual(answer.choices[1].text, self.ask(prompt="Red, green,").choices[0].text)

    def test_several_continuations_differ_by_their_seeds(self):
        texts = [choice.text for choice in self.ask(n=2, seed=1, temperature=1.5).choices]
        self.assertNotEqual(texts[0], texts[1])

    def test_a_stop_text_ends_it(self):
        whole = self.ask(max_tokens=24).choices[0].text
        word = whole.split()[3]
        self.assertEqual(self.ask(max_tokens=24, stop=word).choices[0].text, whole[: whole.index(word)])

    def test_log_probabilities_are_columns_of_the_same_length(self):
        columns = self.ask(logprobs=2).choices[0].logprobs
        self.assertEqual(len(columns.tokens), len(columns.token_logprobs))
        self.assertEqual(columns.text_offset[0], 0)
        self.assertEqual([len(top) for top in columns.top_logprobs], [2] * len(columns.tokens))

    def test_wishes_that_cannot_be_met_are_refused_by_name(self):
        for wish in ({"echo": True}, {"suffix": "end"}, {"best_of": 3}, {"prompt": [1, 2]}, {"prompt": ""}):
            self.assertEqual(self.refusal(self.ask, **wish).param, next(iter(wish)))

    def test_a_text_that_does_not_fit_is_refused_by_name(self):
        refused = self.refusal(self.ask, prompt="word " * 10_000)
        self.assertEqual((refused.code, refused.param), ("context_length_exceeded", "prompt"))


class Embeddings(Paths):
    def embed(self, texts, **parameters):
        return self.client.embeddings.create(model=STARTER, input=texts, **parameters)

    def vectors(self, texts, **parameters):
        return [item.embedding for item in self.embed(texts, **parameters).data]

    def test_the_client_asks_for_base64_and_gets_numbers(self):
        (vector,) = self.vectors("The sea is blue.")
        self.assertEqual(len(vector), 576)
        self.assertAlmostEqual(sum(value * value for value in vector), 1, places=4)

    def test_base64_and_plain_numbers_are_the_same(self):
        base64 = self.vectors("The sea is blue.")[0]
        for one, other in zip(base64, self.vectors("The sea is blue.", encoding_format="float")[0], strict=True):
            self.assertAlmostEqual(one, other, places=5)

    def test_several_texts_come_in_order(self):
        answer = self.embed(["The sea.", "A mountain.", "The sea."])
        self.assertEqual([item.index for item in answer.data], [0, 1, 2])
        self.assertAlmostEqual(answer.data[0].embedding[0], answer.data[2].embedding[0], places=4)

    def test_alike_texts_are_nearer(self):
        a, b, c = self.vectors(["The cat sat on the mat.", "A cat sat on a mat.", "Quarterly revenue rose by nine percent."])
        near, far = (sum(x * y for x, y in zip(a, other, strict=True)) for other in (b, c))
        self.assertGreater(near, far)

    def test_tokens_are_taken(self):
        self.assertEqual(len(self.vectors([[1, 2, 3], [4]])), 2)
        self.assertEqual(self.embed([1, 2, 3]).usage.prompt_tokens, 3)

    def test_fewer_dimensions_have_length_one(self):
        (vector,) = self.vectors("The sea is blue.", dimensions=64)
        self.assertEqual(len(vector), 64)
        self.assertAlmostEqual(sum(value * value for value in vector), 1, places=4)

    def test_usage_counts_the_tokens(self):
        usage = self.embed(["one", "one two three"]).usage
        self.assertEqual(usage.prompt_tokens, usage.total_tokens)
        self.assertGreater(usage.total_tokens, 3)

    def test_inputs_that_cannot_have_vectors_are_refused_by_name(self):
        for wish in ({"texts": ""}, {"texts": []}, {"texts": "word " * 10_000}):
            self.assertEqual(self.refusal(self.embed, **wish).param, "input")
        self.assertEqual(self.refusal(self.embed, "x", dimensions=10_000).param, "dimensions")

    def test_an_unknown_model_is_not_found(self):
        with self.assertRaises(openai.NotFoundError):
            self.client.embeddings.create(model="gpt-5", input="x")


class Responses(Paths):
    def ask(self, **parameters):
        defaults = {"model": STARTER, "input": "Write a sentence about the sea.", "max_output_tokens": 16, "temperature": 0}
        return self.client.responses.create(**(defaults | parameters))

    def test_a_response_has_its_text(self):
        response = self.ask()
        self.assertTrue(response.output_text)
        self.assertIn(response.status, ["completed", "incomplete"])
        self.assertLessEqual(response.usage.output_tokens, 16)

    def test_a_response_that_was_cut_says_so(self):
        response = self.ask(max_output_tokens=2)
        self.assertEqual((response.status, response.incomplete_details.reason), ("incomplete", "max_output_tokens"))

    def test_instructions_and_items_are_the_conversation(self):
        items = [
            {"role": "user", "content": "My name is Ann."},
            {"role": "assistant", "content": "Hello Ann."},
            {"role": "user", "content": [{"type": "input_text", "text": "What is my name?"}]},
        ]
        self.assertTrue(self.ask(input=items, instructions="Be brief.").output_text)

    def test_a_stream_is_the_same_text(self):
        events = list(self.ask(stream=True))
        self.assertEqual((events[0].type, events[1].type), ("response.created", "response.in_progress"))
        self.assertEqual([event.sequence_number for event in events], list(range(len(events))))
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        self.assertEqual(text, self.ask().output_text)

    def test_the_clients_own_stream_reader_gets_the_response(self):
        with self.client.responses.stream(model=STARTER, input="Say hello.", temperature=0, max_output_tokens=200) as stream:
            for _ in stream:
                pass
            self.assertTrue(stream.get_final_response().output_text)

    def test_the_clients_own_parser_gets_its_class(self):
        response = self.client.responses.parse(
            model=STARTER, input="Is the sea blue?", text_format=Colour, max_output_tokens=60, temperature=0
        )
        self.assertIsInstance(response.output_parsed, Colour)

    def test_a_json_object_is_an_object(self):
        self.assertTrue(self.ask(text={"format": {"type": "json_object"}}, max_output_tokens=40).output_text.startswith("{"))

    def test_wishes_that_take_a_memory_are_refused_by_name(self):
        for wish in ({"previous_response_id": "resp_1"}, {"store": True}, {"background": True}):
            self.assertEqual(self.refusal(self.ask, **wish).param, next(iter(wish)))

    def test_a_conversation_that_does_not_fit_is_refused_by_name(self):
        refused = self.refusal(self.ask, input="word " * 10_000)
        self.assertEqual((refused.code, refused.param), ("context_length_exceeded", "input"))

    def test_the_async_client_gets_responses_too(self):
        async def ask():
            async with openai.AsyncOpenAI(base_url=self.url, api_key="none", max_retries=0) as client:
                return await client.responses.create(model=STARTER, input="Say hello.", max_output_tokens=4)

        self.assertTrue(asyncio.run(ask()).output_text)

    def test_a_function_is_called_and_what_it_returned_is_answered(self):
        parameters = {"type": "object", "properties": {"zone": {"enum": ["UTC"]}}, "required": ["zone"], "additionalProperties": False}
        tools = [{"type": "function", "name": "now", "parameters": parameters}]
        with serve_calling() as url, openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0) as client:
            asked = {"model": CALLING, "tools": tools, "parallel_tool_calls": False, "max_output_tokens": 100}
            question = {"role": "user", "content": "What time is it?"}
            (call,) = client.responses.create(input=[question], tool_choice="required", **asked).output
            self.assertEqual((call.type, call.name, json.loads(call.arguments)), ("function_call", "now", {"zone": "UTC"}))
            output = {"type": "function_call_output", "call_id": call.call_id, "output": "12:00"}
            answer = client.responses.create(input=[question, call.to_dict(), output], tool_choice="none", **asked)
            self.assertTrue(answer.output_text)


if __name__ == "__main__":
    main()
