use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    keep_alive::KeepAlive,
    options::{ChatOptions, check_images, schema},
};
use crate::{
    chat::Question,
    dialect::logprobs::logprobs,
    engine::{self, Output, Prompt, PromptMessage, Role, Think},
    error::{Error, Result},
};

/// The body of `POST /api/generate`. Fields that are not named here are ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub struct GenerateRequest {
    /// Without one, the server's default model answers.
    pub model: Option<String>,
    /// Without one nothing is written: the model is loaded, or unloaded with a `keep_alive` of 0.
    pub prompt: Option<String>,
    /// A system message before the prompt.
    pub system: Option<String>,
    /// Continue the prompt as it is, without the model's chat template.
    pub raw: Option<bool>,
    /// As in Ollama, an answer is streamed unless this is false.
    pub stream: Option<bool>,
    pub options: Option<ChatOptions>,
    /// `json`, or a JSON schema that the answer is held to.
    pub format: Option<Value>,
    /// Tell how likely each token was.
    pub logprobs: Option<bool>,
    /// How many of the likeliest tokens to tell in the place of each, 0 to 20.
    pub top_logprobs: Option<i64>,
    /// From now on, if callers may load and unload models; without one it stays as it is, at first the server's KEEP_ALIVE.
    /// Where nothing is asked, 0 takes the model out of memory at once.
    pub keep_alive: Option<KeepAlive>,
    /// Think before the answer. Only an Ollama behind this server can be asked to; elsewhere only false.
    pub think: Option<Think>,

    /// Not supported: only empty.
    pub suffix: Option<String>,
    /// Not supported: only empty.
    pub template: Option<String>,
    /// Not supported: only empty.
    pub context: Option<Vec<i64>>,
    /// Not supported yet: only empty.
    pub images: Option<Vec<String>>,
}

impl GenerateRequest {
    pub fn streams(&self) -> bool {
        self.stream != Some(false)
    }

    /// How long the model is to stay in memory, if the request says so.
    ///
    /// # Errors
    /// 400 for a `keep_alive` that is no duration.
    pub fn keep_alive(&self) -> Result<Option<engine::KeepAlive>> {
        KeepAlive::read(self.keep_alive.as_ref())
    }

    /// What the engine is asked, if anything.
    ///
    /// # Errors
    /// 400 that names the field, for values out of range and for wishes that cannot be met.
    pub fn into_question(self) -> Result<Option<Question>> {
        self.check_supported()?;
        let parameters = self.options.unwrap_or_default().into_parameters()?;
        let output = Output {
            schema: schema(self.format)?,
            tools: None,
            logprobs: logprobs(self.logprobs == Some(true), self.top_logprobs, "top_logprobs")?,
        };
        let prompt = self.prompt.filter(|prompt| !prompt.is_empty()).map(|prompt| {
            if self.raw == Some(true) {
                return Prompt::Text(prompt);
            }
            let system = self.system.filter(|system| !system.is_empty());
            let system = system.map(|system| PromptMessage::new(Role::System, system));
            Prompt::Messages(system.into_iter().chain([PromptMessage::new(Role::User, prompt)]).collect())
        });
        let think = self.think;
        Ok(prompt.map(|prompt| Question { think, ..Question::new(self.model, prompt, parameters, output) }))
    }

    /// Fields that change the answer must not be ignored: a client could not tell that they were.
    fn check_supported(&self) -> Result<()> {
        check_images(self.images.as_ref(), "images")?;
        let is_filled = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        if is_filled(&self.suffix) {
            return Err(Error::unsupported("suffix", "suffix is not supported: leave it out"));
        }
        if is_filled(&self.template) {
            return Err(Error::unsupported(
                "template",
                "template is not supported: use raw and write the whole prompt",
            ));
        }
        if self.context.as_ref().is_some_and(|context| !context.is_empty()) {
            return Err(Error::unsupported("context", "context is not supported: use /api/chat for conversations"));
        }
        Ok(())
    }
}
