//! Loads a GGUF file and knows the settings under which llama.cpp runs it.
//!
//! `bench` uses the same two functions to measure llama.cpp without the rest of this crate.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::{LlamaCppError, LogOptions};
use thiserror::Error;

use crate::gguf::{self, GgufError};
use crate::protocol::{LoadOptions, ModelFacts};

/// Why a model cannot be loaded. The messages are for a person.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("`{0}` must be from 1 to {1}.")]
    Option(&'static str, u32),
    #[error(transparent)]
    File(#[from] GgufError),
    #[error("llama.cpp cannot run this model. It may be damaged or of a newer kind; the log of the engine says more.")]
    Unsupported,
    #[error("The model's chat template cannot be read. Choose another version of this model.")]
    Template,
    #[error("This model does not generate text. Choose a chat or completion model.")]
    NotGenerative,
    #[error("There is not enough memory for {0} chats of {1} tokens. Lower the context length or the number of chats.")]
    Memory(u32, u32),
}

/// Tokens that llama.cpp takes in one call, and computes in one pass over the weights.
pub const BATCH_TOKENS: u32 = 512;
/// llama.cpp's `LLAMA_MAX_SEQ` is 256; so many chats at once would not fit any machine this is meant for.
const MAX_SLOTS: u32 = 64;
const MAX_THREADS: u32 = 512;
const MAX_CONTEXT_LENGTH: u32 = 1 << 20;

/// Initialises llama.cpp once a process and sends its log to tracing.
pub fn backend() -> Result<&'static LlamaBackend, LlamaCppError> {
    static BACKEND: OnceLock<LlamaBackend> = OnceLock::new();
    static FIRST: Mutex<()> = Mutex::new(());
    // Of two threads that ask for it first, llama.cpp would refuse one.
    let _first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(backend) = BACKEND.get() {
        return Ok(backend);
    }
    llama_cpp_2::send_logs_to_tracing(LogOptions::default());
    let backend = LlamaBackend::init()?;
    Ok(BACKEND.get_or_init(|| backend))
}

/// What llama.cpp was compiled with, for example `CPU : AVX512 = 1 | AVX512_VNNI = 1 | REPACK = 1`.
pub fn system_info() -> String {
    #[expect(unsafe_code, reason = "llama-cpp-2 has no wrapper; llama.cpp returns a static, NUL-terminated string")]
    let text = unsafe { std::ffi::CStr::from_ptr(llama_cpp_sys_2::llama_print_system_info()) };
    text.to_string_lossy().trim_end_matches([' ', '|']).to_owned()
}

/// Loads a model file after its header was checked.
pub fn load(backend: &LlamaBackend, path: &Path, options: &LoadOptions) -> Result<LlamaModel, LoadError> {
    gguf::read(path)?;
    // llama.cpp's own default is all layers, as far as a GPU is there.
    let mut params = LlamaModelParams::default();
    if let Some(layers) = options.gpu_layers {
        params = params.with_n_gpu_layers(layers);
    }
    let model = LlamaModel::load_from_file(backend, path, &params).map_err(|_| LoadError::Unsupported)?;
    if model.n_ctx_train() == 0 || model.n_vocab() == 0 {
        return Err(LoadError::NotGenerative);
    }
    Ok(model)
}

/// Prepares a model to decode `options.slots` chats together, and computes one token so that the weights are in memory.
pub fn new_context<'model>(
    backend: &LlamaBackend,
    model: &'model LlamaModel,
    options: &LoadOptions,
) -> Result<LlamaContext<'model>, LoadError> {
    check_options(options)?;
    let context_length = context_length(model, options);
    let out_of_memory = || LoadError::Memory(options.slots, context_length);
    let cells = context_length.checked_mul(options.slots).ok_or_else(out_of_memory)?;
    let threads = options.threads as i32;
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(cells))
        .with_n_batch(BATCH_TOKENS)
        .with_n_ubatch(BATCH_TOKENS)
        .with_n_seq_max(options.slots)
        // Each chat has cells of its own. In one pool, a token of one chat is compared with the cells of all of them.
        .with_kv_unified(false)
        // ggml's own threads, not OpenMP's: waiting for each other is 6 to 9 % of a step here, so there is little to win.
        .with_n_threads(threads)
        .with_n_threads_batch(threads);
    let mut context = model.new_context(backend, params).map_err(|_| out_of_memory())?;
    warm_up(model, &mut context)?;
    Ok(context)
}

/// Tokens that one chat may hold, prompt and answer together.
pub fn context_length(model: &LlamaModel, options: &LoadOptions) -> u32 {
    options.context_length.min(model.n_ctx_train())
}

pub fn facts(model: &LlamaModel, options: &LoadOptions) -> ModelFacts {
    let metadata = |key| model.meta_val_str(key).ok();
    let file_type = metadata("general.file_type").and_then(|number| number.parse().ok());
    ModelFacts {
        architecture: metadata("general.architecture").unwrap_or_default(),
        quantization: file_type.and_then(gguf::quantization).unwrap_or("unknown").to_owned(),
        parameters: model.n_params(),
        context_length: context_length(model, options),
        trained_context_length: model.n_ctx_train(),
    }
}

fn check_options(options: &LoadOptions) -> Result<(), LoadError> {
    let limits = [
        ("slots", options.slots, MAX_SLOTS),
        ("context_length", options.context_length, MAX_CONTEXT_LENGTH),
        ("threads", options.threads, MAX_THREADS),
    ];
    match limits.into_iter().find(|(_, value, max)| !(1..=*max).contains(value)) {
        Some((name, _, max)) => Err(LoadError::Option(name, max)),
        None => Ok(()),
    }
}

fn warm_up(model: &LlamaModel, context: &mut LlamaContext<'_>) -> Result<(), LoadError> {
    let mut batch = LlamaBatch::new(1, 1);
    let any_token = model.vocab().tokens().next().ok_or(LoadError::NotGenerative)?;
    batch.add(any_token, 0, &[0], true).map_err(|_| LoadError::Unsupported)?;
    context.decode(&mut batch).map_err(|_| LoadError::Unsupported)?;
    context.synchronize();
    context.clear_kv_cache();
    Ok(())
}
