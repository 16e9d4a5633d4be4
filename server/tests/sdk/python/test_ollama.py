"""Ollama's official Python client, unmodified, against a real server with the real starter model."""

import asyncio
import json
import pathlib
import tempfile
import unittest

import ollama
import pydantic

from flotilla import CALLING, STARTER, main, models_dir, scripted, serve, serve_calling
from registry import registry

QUESTION = [{"role": "user", "content": "Write three sentences about the sea."}]
OPTIONS = {"temperature": 0, "num_predict": 12}


class Person(pydantic.BaseModel, extra="forbid"):
    adult: bool


class RealModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.url = cls.enterClassContext(serve(CONTEXT_LENGTH="512"))
        cls.client = ollama.Client(host=cls.url)

    def chat(self, **parameters):
        return self.client.chat(**({"model": STARTER, "messages": QUESTION, "options": OPTIONS} | parameters))

    def generate(self, **parameters):
        return self.client.generate(**({"model": STARTER, "prompt": "The sea is", "options": OPTIONS} | parameters))

    def test_the_starter_model_is_listed(self):
        (model,) = [model for model in self.client.list().models if model.model == STARTER]
        self.assertGreater(model.size, 90_000_000)
        self.assertRegex(model.digest, "^[0-9a-f]{64}$")
        self.assertEqual(model.details.format, "gguf")

    def test_a_model_in_memory_is_listed_as_such(self):
        self.chat()
        self.assertIn(STARTER, [model.model for model in self.client.ps().models])

    def test_a_model_leaves_the_memory_and_comes_back_as_ollamas_command_line_asks(self):
        def in_memory():
            return STARTER in [model.model for model in self.client.ps().models]

        self.chat()
        self.assertEqual(self.generate(prompt="", keep_alive=0).done_reason, "unload")
        self.assertFalse(in_memory())
        self.assertEqual(self.chat(messages=[], keep_alive="5m").done_reason, "load")
        self.assertTrue(in_memory())

    def test_a_model_is_shown(self):
        self.chat()
        shown = self.client.show(STARTER)
        self.assertIn("completion", shown.capabilities)
        self.assertEqual(shown.modelinfo["general.architecture"], "llama")
        self.assertGreater(shown.modelinfo["llama.context_length"], 0)

    def test_an_unknown_model_is_a_404(self):
        for call in (self.chat, self.generate):
            with self.assertRaises(ollama.ResponseError) as caught:
                call(model="qwen:7b")
            self.assertEqual((caught.exception.status_code, caught.exception.error), (404, "model 'qwen:7b' not found"))

    def test_a_chat_is_answered_with_counts_and_times(self):
        answer = self.chat()
        self.assertTrue(answer.message.content)
        self.assertEqual((answer.done, answer.done_reason, answer.eval_count), (True, "length", 12))
        self.assertGreater(answer.total_duration, answer.eval_duration)

    def test_a_streamed_chat_is_the_same_text(self):
        pieces = list(self.chat(stream=True))
        self.assertEqual([piece.done for piece in pieces], [False] * (len(pieces) - 1) + [True])
        self.assertEqual("".join(piece.message.content for piece in pieces), self.chat().message.content)

    def test_a_prompt_is_answered(self):
        answer = self.generate()
        self.assertTrue(answer.response)
        self.assertEqual((answer.done, answer.eval_count), (True, 12))

    def test_a_streamed_prompt_is_the_same_text(self):
        self.assertEqual("".join(piece.response for piece in self.generate(stream=True)), self.generate().response)

    def test_a_system_prompt_changes_the_prompt(self):
        short = self.generate().prompt_eval_count
        self.assertGreater(self.generate(system="Be brief. " * 20).prompt_eval_count, short)

    def test_a_raw_prompt_has_no_template(self):
        self.assertLess(self.generate(raw=True).prompt_eval_count, self.generate().prompt_eval_count)

    def test_without_a_prompt_the_model_is_loaded(self):
        self.assertEqual(self.client.generate(model=STARTER).done_reason, "load")

    def test_an_answer_follows_its_schema(self):
        answer = self.chat(format=Person.model_json_schema(), options={"temperature": 0, "num_predict": 60})
        self.assertIsInstance(Person.model_validate_json(answer.message.content), Person)

    def test_a_prompts_answer_follows_its_schema(self):
        answer = self.generate(format={"enum": ["red", "green"]})
        self.assertIn(json.loads(answer.response), ["red", "green"])

    def test_json_is_an_object(self):
        self.assertTrue(self.chat(format="json").message.content.startswith("{"))

    def test_a_schema_that_cannot_be_used_is_a_400_that_names_it(self):
        with self.assertRaises(ollama.ResponseError) as caught:
            self.chat(format={"type": "no such type"})
        self.assertEqual(caught.exception.status_code, 400)
        self.assertTrue(caught.exception.error.startswith("format"))

    def test_log_probabilities_are_those_of_the_text(self):
        answer = self.chat(logprobs=True, top_logprobs=2)
        self.assertEqual("".join(token.token for token in answer.logprobs), answer.message.content)
        self.assertEqual(len(answer.logprobs[0].top_logprobs), 2)

    def test_texts_have_vectors(self):
        answer = self.client.embed(model=STARTER, input=["The sea.", "A mountain."])
        self.assertEqual([len(vector) for vector in answer.embeddings], [576, 576])
        self.assertGreater(answer.prompt_eval_count, 3)

    def test_the_older_call_gives_one_vector(self):
        self.assertEqual(len(self.client.embeddings(model=STARTER, prompt="The sea.").embedding), 576)

    def test_a_long_text_is_cut_unless_that_is_forbidden(self):
        long = "word " * 1000
        self.assertEqual(len(self.client.embed(model=STARTER, input=long).embeddings), 1)
        with self.assertRaises(ollama.ResponseError):
            self.client.embed(model=STARTER, input=long, truncate=False)

    def test_options_out_of_range_are_a_400_that_names_them(self):
        with self.assertRaises(ollama.ResponseError) as caught:
            self.chat(options={"temperature": 3})
        self.assertIn("temperature", caught.exception.error)

    def test_a_model_without_functions_refuses_them(self):
        with self.assertRaises(ollama.ResponseError) as caught:
            self.chat(tools=[{"type": "function", "function": {"name": "now"}}])
        self.assertEqual(caught.exception.error, "tools are not supported by this model")

    def test_the_async_client_streams(self):
        async def ask():
            stream = await ollama.AsyncClient(host=self.url).chat(
                model=STARTER, messages=QUESTION, options=OPTIONS, stream=True
            )
            return "".join([piece.message.content async for piece in stream])

        self.assertEqual(asyncio.run(ask()), self.chat().message.content)


class Models(unittest.TestCase):
    def test_a_model_is_pulled_and_answers_and_is_deleted(self):
        starter = pathlib.Path(models_dir(), "smollm2/135m.gguf")
        with (
            tempfile.TemporaryDirectory() as folder,
            registry(starter) as library,
            serve(MODELS_DIR=folder, OLLAMA_REGISTRY_URL=library) as url,
        ):
            client = ollama.Client(host=url)
            lines = list(client.pull("tiny:1b", stream=True))
            self.assertEqual((lines[0].status, lines[-1].status), ("pulling manifest", "success"))
            self.assertIn(starter.stat().st_size, [line.completed for line in lines])
            self.assertEqual(client.pull("tiny:1b").status, "success")
            self.assertEqual([model.model for model in client.list().models], ["tiny:1b"])
            self.assertTrue(client.generate(model="tiny:1b", prompt="The sea is", options=OPTIONS).response)
            self.assertEqual(client.delete("tiny:1b").status, "success")
            self.assertEqual(client.list().models, [])

    def test_a_name_that_is_none_is_a_400(self):
        with scripted("one") as url, self.assertRaises(ollama.ResponseError) as caught:
            ollama.Client(host=url).pull("../../etc/passwd")
        self.assertEqual(caught.exception.status_code, 400)


class Refusals(unittest.TestCase):
    def refusal(self, client):
        with self.assertRaises(ollama.ResponseError) as caught:
            client.chat(model="scripted", messages=QUESTION)
        self.assertTrue(caught.exception.error)
        return caught.exception.status_code

    def test_a_page_of_another_site_is_a_403(self):
        with scripted("one") as url:
            self.assertEqual(self.refusal(ollama.Client(host=url, headers={"Origin": "https://elsewhere.example"})), 403)

    def test_a_caller_that_has_its_share_is_a_429(self):
        with scripted("one two", SCRIPT_DELAY_MS="3000", MAX_PER_CALLER="1") as url:
            client = ollama.Client(host=url)
            answer = client.chat(model="scripted", messages=QUESTION, stream=True)
            next(answer)
            self.assertEqual(self.refusal(client), 429)
            answer.close()


class Functions(unittest.TestCase):
    def test_a_python_function_is_offered_and_its_result_is_answered(self):
        def now(zone: str) -> str:
            """
            The time.

            Args:
              zone: The time zone.
            """
            return f"12:00 {zone}"

        with serve_calling() as url:
            client = ollama.Client(host=url)
            asked = client.chat(model=CALLING, messages=QUESTION, tools=[now], options=OPTIONS)
            self.assertTrue(asked.message.content or asked.message.tool_calls)
            call = {"function": {"name": "now", "arguments": {"zone": "UTC"}}}
            messages = [
                *QUESTION,
                {"role": "assistant", "content": "", "tool_calls": [call]},
                {"role": "tool", "content": now("UTC"), "tool_name": "now"},
            ]
            self.assertTrue(client.chat(model=CALLING, messages=messages, options=OPTIONS).message.content)


if __name__ == "__main__":
    main()
