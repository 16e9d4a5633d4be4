"""LangChain's packages for OpenAI and for Ollama, unmodified but for their base URLs: what most applications use of them."""

import typing
import unittest

import pydantic
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_ollama import ChatOllama, OllamaEmbeddings
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from flotilla import CALLING, STARTER, main, serve, serve_calling


class Answer(pydantic.BaseModel):
    """An answer to a question."""

    yes: bool


@tool
def now(zone: typing.Literal["UTC", "CET"]) -> str:
    """The time in a zone."""
    return f"12:00 {zone}"


class RealModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.url = cls.enterClassContext(serve())
        cls.openai = ChatOpenAI(base_url=cls.url + "/v1", api_key="none", model=STARTER, temperature=0, max_tokens=24)
        cls.ollama = ChatOllama(base_url=cls.url, model=STARTER, temperature=0, num_predict=24)

    def test_a_conversation_is_answered(self):
        messages = [SystemMessage("Be brief."), HumanMessage("Hi, I am Ann."), AIMessage("Hello Ann."), HumanMessage("Who am I?")]
        for model in (self.openai, self.ollama):
            answer = model.invoke(messages)
            self.assertTrue(answer.content)
            self.assertGreater(answer.usage_metadata["input_tokens"], 10)

    def test_both_ways_give_the_same_answer(self):
        self.assertEqual(self.openai.invoke("What is rain?").content, self.ollama.invoke("What is rain?").content)

    def test_a_stream_is_the_same_text(self):
        for model in (self.openai, self.ollama):
            text = "".join(piece.content for piece in model.stream("What is rain?"))
            self.assertEqual(text, model.invoke("What is rain?").content)

    def test_a_chain_fills_in_its_prompt(self):
        chain = ChatPromptTemplate.from_messages([("human", "What is {thing}?")]) | self.openai
        self.assertEqual(chain.invoke({"thing": "rain"}).content, self.openai.invoke("What is rain?").content)

    def test_several_prompts_go_at_once(self):
        self.assertEqual(len(self.openai.batch(["What is rain?", "What is snow?", "What is ice?"])), 3)

    def test_a_structured_answer_is_of_its_class(self):
        structured = self.openai.with_structured_output(Answer, method="json_schema")
        self.assertIsInstance(structured.invoke("Is the sea blue?"), Answer)
        structured = self.ollama.with_structured_output(Answer, method="json_schema")
        self.assertIsInstance(structured.invoke("Is the sea blue?"), Answer)

    def test_log_probabilities_are_in_the_metadata(self):
        answer = self.openai.bind(logprobs=True).invoke("What is rain?")
        self.assertTrue(answer.response_metadata["logprobs"]["content"])

    def test_responses_are_another_way_to_the_same_answer(self):
        model = self.openai.model_copy(update={"use_responses_api": True})
        self.assertEqual(model.invoke("What is rain?").text, self.openai.invoke("What is rain?").content)

    def test_documents_and_queries_have_vectors(self):
        for embeddings in (
            # It would count tokens with a table that it downloads.
            OpenAIEmbeddings(base_url=self.url + "/v1", api_key="none", model=STARTER, check_embedding_ctx_length=False),
            OllamaEmbeddings(base_url=self.url, model=STARTER),
        ):
            self.assertEqual([len(vector) for vector in embeddings.embed_documents(["a sea", "a hill"])], [576, 576])
            self.assertEqual(len(embeddings.embed_query("a sea")), 576)


class Functions(unittest.TestCase):
    def test_a_tool_is_called_and_its_result_is_answered(self):
        with serve_calling() as url:
            model = ChatOpenAI(base_url=url + "/v1", api_key="none", model=CALLING, temperature=0, max_tokens=100)
            question = HumanMessage("What time is it?")
            asked = model.bind_tools([now], tool_choice="now", parallel_tool_calls=False).invoke([question])
            (call,) = asked.tool_calls
            self.assertEqual(call["name"], "now")
            self.assertIn(call["args"]["zone"], ["UTC", "CET"])
            result = ToolMessage(now.invoke(call["args"]), tool_call_id=call["id"])
            # A model this small may have nothing to say to it.
            self.assertGreater(model.invoke([question, asked, result]).usage_metadata["output_tokens"], 0)


if __name__ == "__main__":
    main()
