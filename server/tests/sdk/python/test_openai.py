"""OpenAI's official Python client, unmodified, against a real server with the real starter model.

FLOTILLA_BIN names the server's program. Run it alone with `python3 test_openai.py`. What is not plain chat is in
test_openai_forms.py and test_openai_paths.py.
"""

import asyncio
import concurrent.futures
import unittest

import openai

from flotilla import STARTER, main, scripted, serve

QUESTION = [{"role": "user", "content": "Write three sentences about the sea."}]


class RealModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.url = cls.enterClassContext(serve()) + "/v1"
        cls.client = cls.enterClassContext(openai.OpenAI(base_url=cls.url, api_key="none", max_retries=0, timeout=120))

    def ask(self, messages=QUESTION, **parameters):
        defaults = {"model": STARTER, "max_tokens": 24, "temperature": 0, "seed": 1}
        return self.client.chat.completions.create(messages=messages, **(defaults | parameters))

    def text(self, **parameters):
        return self.ask(**parameters).choices[0].message.content

    def refusal(self, kind, **parameters):
        with self.assertRaises(kind) as caught:
            self.ask(**parameters)
        return caught.exception

    def test_the_starter_model_is_listed(self):
        self.assertIn(STARTER, [model.id for model in self.client.models.list()])

    def test_a_model_is_retrieved_by_its_id(self):
        model = self.client.models.retrieve(STARTER)
        self.assertEqual((model.id, model.object), (STARTER, "model"))

    def test_an_unknown_model_is_not_found(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            self.client.models.retrieve("gpt-5")
        self.assertEqual((caught.exception.code, caught.exception.param), ("model_not_found", "model"))

    def test_an_answer_has_everything_that_the_client_reads(self):
        answer = self.ask()
        self.assertTrue(answer.id.startswith("chatcmpl-"))
        self.assertEqual((answer.object, answer.model), ("chat.completion", STARTER))
        self.assertEqual(answer.choices[0].message.role, "assistant")
        self.assertTrue(answer.choices[0].message.content)
        self.assertIn(answer.choices[0].finish_reason, ["stop", "length"])

    def test_usage_adds_up(self):
        usage = self.ask(max_tokens=5).usage
        self.assertEqual((usage.completion_tokens, usage.total_tokens), (5, usage.prompt_tokens + 5))
        self.assertLessEqual(usage.prompt_tokens_details.cached_tokens, usage.prompt_tokens)

    def test_a_stream_is_the_same_text_as_the_whole_answer(self):
        chunks = list(self.ask(stream=True))
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        self.assertEqual(len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}), 1)
        self.assertTrue(all(len(chunk.choices) == 1 for chunk in chunks))
        self.assertIsNotNone(chunks[-1].choices[0].finish_reason)
        self.assertEqual("".join(chunk.choices[0].delta.content or "" for chunk in chunks), self.text())

    def test_a_stream_ends_with_its_usage_when_that_is_asked_for(self):
        chunks = list(self.ask(stream=True, max_tokens=5, stream_options={"include_usage": True}))
        self.assertEqual(chunks[-1].choices, [])
        self.assertEqual(chunks[-1].usage.completion_tokens, 5)
        self.assertEqual(chunks[-2].choices[0].finish_reason, "length")

    def test_both_names_of_the_token_limit_are_kept(self):
        for limit in ({"max_tokens": 3}, {"max_tokens": openai.omit, "max_completion_tokens": 3}):
            answer = self.ask(**limit)
            self.assertEqual((answer.choices[0].finish_reason, answer.usage.completion_tokens), ("length", 3))

    def test_an_answer_ends_before_a_stop_text(self):
        whole = self.text()
        word = whole.split()[4]
        answer = self.ask(stop=[word])
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertEqual(answer.choices[0].message.content, whole[: whole.index(word)])

    def test_temperature_zero_is_the_same_every_time(self):
        self.assertEqual(self.text(), self.text())

    def test_an_earlier_turn_is_not_computed_again(self):
        first = self.ask(max_tokens=16)
        answer = {"role": "assistant", "content": first.choices[0].message.content}
        second = self.ask(messages=[*QUESTION, answer, {"role": "user", "content": "Go on."}])
        self.assertGreater(second.usage.prompt_tokens_details.cached_tokens, first.usage.prompt_tokens // 2)

    def test_text_parts_and_a_developer_message_are_taken(self):
        parts = [{"type": "text", "text": "Say "}, {"type": "text", "text": "hello."}]
        messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}]
        self.assertTrue(self.text(messages=messages))

    def test_an_answer_tells_its_request_id(self):
        self.assertTrue(self.ask(max_tokens=1)._request_id)

    def test_values_out_of_range_are_bad_requests(self):
        refused = self.refusal(openai.BadRequestError, temperature=3)
        self.assertEqual((refused.param, refused.type), ("temperature", "invalid_request_error"))
        self.assertEqual(self.refusal(openai.BadRequestError, max_tokens=-1).param, "max_tokens")

    def test_wishes_that_cannot_be_met_are_bad_requests(self):
        tool = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}
        for wish in ({"tools": [tool]}, {"logit_bias": {"1": 5}}, {"modalities": ["text", "audio"]}):
            refused = self.refusal(openai.BadRequestError, **wish)
            self.assertEqual((refused.code, refused.param), ("unsupported_parameter", next(iter(wish))))

    def test_messages_that_cannot_be_sent_are_bad_requests(self):
        image = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]
        for messages, param in (
            ([], "messages"),
            ([{"role": "narrator", "content": "hello"}], "messages[0].role"),
            ([{"role": "user", "content": image}], "messages[0].content[0]"),
        ):
            self.assertEqual(self.refusal(openai.BadRequestError, messages=messages).param, param)

    def test_a_prompt_that_does_not_fit_is_a_bad_request_streamed_or_not(self):
        messages = [{"role": "user", "content": "word " * 10_000}]
        for stream in (False, True):
            refused = self.refusal(openai.BadRequestError, messages=messages, stream=stream)
            self.assertEqual(refused.code, "context_length_exceeded")

    def test_a_chat_with_an_unknown_model_is_not_found(self):
        self.assertEqual(self.refusal(openai.NotFoundError, model="gpt-5").code, "model_not_found")

    def test_a_stream_that_is_closed_early_leaves_room_for_others(self):
        for _ in range(8):  # Twice as many as there are slots: each would be taken for long.
            with self.ask(stream=True, max_tokens=2000) as stream:
                next(iter(stream))
        self.assertTrue(self.text(max_tokens=4))

    def test_a_client_that_waits_no_longer_gets_its_timeout_and_the_server_goes_on(self):
        with self.assertRaises(openai.APITimeoutError):
            self.client.with_options(timeout=0.2).chat.completions.create(
                model=STARTER, messages=QUESTION, max_tokens=2000, extra_body={"repeat_penalty": 1.5}
            )
        self.assertTrue(self.text(max_tokens=4))

    def test_streams_at_once_do_not_mix(self):
        def count_to(limit):
            return len([chunk for chunk in self.ask(stream=True, max_tokens=limit) if chunk.choices[0].delta.content])

        with concurrent.futures.ThreadPoolExecutor() as pool:
            lengths = list(pool.map(count_to, [4, 8, 12, 16, 20, 24]))
        self.assertEqual(lengths, sorted(lengths))
        self.assertGreater(lengths[-1], lengths[0])

    def test_the_async_client_streams_several_answers(self):
        async def stream(client, limit):
            chunks = await client.chat.completions.create(
                model=STARTER, messages=QUESTION, max_tokens=limit, stream=True, stream_options={"include_usage": True}
            )
            return [chunk async for chunk in chunks][-1].usage.completion_tokens

        async def all_streams():
            async with openai.AsyncOpenAI(base_url=self.url, api_key="none", max_retries=0) as client:
                return await asyncio.gather(*(stream(client, limit) for limit in (3, 5, 7)))

        self.assertEqual(asyncio.run(all_streams()), [3, 5, 7])


class OtherServers(unittest.TestCase):
    def ask(self, url, **options):
        with openai.OpenAI(base_url=url + "/v1", max_retries=0, **options) as client:
            messages = [{"role": "user", "content": "hello"}]
            return client.chat.completions.create(model="scripted", messages=messages).choices[0].message.content

    def test_the_access_token_is_the_api_key(self):
        with scripted("one two three", ACCESS_TOKEN="right") as url:
            self.assertEqual(self.ask(url, api_key="right"), "one two three")
            with self.assertRaises(openai.AuthenticationError):
                self.ask(url, api_key="wrong")

    def test_an_engine_that_is_down_is_a_server_error_that_may_be_retried(self):
        # Port 9 is discard, which nobody listens on.
        with serve(OLLAMA_URL="http://127.0.0.1:9") as url:
            with self.assertRaises(openai.InternalServerError) as caught:
                self.ask(url, api_key="none")
        self.assertEqual(caught.exception.status_code, 503)
        self.assertGreater(int(caught.exception.response.headers["retry-after"]), 0)

    def test_a_page_of_another_site_is_denied(self):
        with scripted("one") as url, self.assertRaises(openai.PermissionDeniedError) as caught:
            self.ask(url, api_key="none", default_headers={"Origin": "https://elsewhere.example"})
        self.assertEqual((caught.exception.status_code, caught.exception.code), (403, "forbidden"))

    def test_a_caller_that_has_its_share_is_limited_and_told_when_to_come_back(self):
        with (
            scripted("one two", SCRIPT_DELAY_MS="60000", MAX_PER_CALLER="1") as url,
            openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0) as client,
            client.chat.completions.create(model="scripted", messages=QUESTION, stream=True),
            self.assertRaises(openai.RateLimitError) as caught,
        ):
            self.ask(url, api_key="none")
        self.assertEqual((caught.exception.status_code, caught.exception.code), (429, "rate_limit_exceeded"))
        self.assertGreater(int(caught.exception.response.headers["retry-after"]), 0)

    def test_a_flotilla_in_front_of_another_passes_everything_on(self):
        with serve() as behind, serve(OPENAI_BASE_URL=behind + "/v1") as url:
            with openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0) as client:
                asked = {"model": STARTER, "messages": QUESTION, "max_tokens": 8, "temperature": 0}
                answer = client.chat.completions.create(**asked, logprobs=True, top_logprobs=2)
                self.assertEqual(len(answer.choices[0].logprobs.content[0].top_logprobs), 2)
                self.assertTrue(client.completions.create(model=STARTER, prompt="Once", max_tokens=4).choices[0].text)
                self.assertEqual(len(client.embeddings.create(model=STARTER, input=["a", "b"]).data), 2)
                form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"enum": ["red", "green"]}}}
                colour = client.chat.completions.create(**asked, response_format=form).choices[0].message.content
                self.assertIn(colour, ['"red"', '"green"'])


if __name__ == "__main__":
    main()
