//! Another quantisation of a model's weights.

use std::ffi::CString;
use std::path::Path;

use llama_cpp_sys_2::{
    LLAMA_FTYPE_MOSTLY_Q4_0, llama_model_quantize, llama_model_quantize_default_params, llama_model_quantize_params,
};
use thiserror::Error;

use crate::model;

/// What [`quantize`] makes, by the name that people know. llama.cpp interleaves the rows of such weights when it loads them, so
/// that one instruction of AVX2, AVX-512, NEON or SVE serves many rows at once (`ggml-cpu/repack.cpp`); it has no such form of
/// Q4_1, Q5_0 or Q5_1.
pub const QUANTIZATION: &str = "Q4_0";

/// Why no other weights were made. The messages are for a person.
#[derive(Debug, Error)]
pub enum QuantizeError {
    #[error("llama.cpp cannot be initialised.")]
    Backend(#[from] llama_cpp_2::LlamaCppError),
    #[error("The path of the model has characters that llama.cpp cannot take. Move the models folder.")]
    Path,
    #[error("llama.cpp cannot quantise this model; the log says more.")]
    Refused,
}

/// Writes the weights of the model in `from` to the file `to` as [`QUANTIZATION`]. The matrix that tells the next token, and that
/// of the tokens where the two are one, is what an error shows in most: llama.cpp's rule leaves these at six or eight bits.
/// `from` may be quantised itself; what that has lost stays lost.
///
/// What is in `to` on failure is no model. An assertion of llama.cpp may end the process.
pub fn quantize(from: &Path, to: &Path, threads: u32) -> Result<(), QuantizeError> {
    model::backend()?;
    let path = |path: &Path| CString::new(path.to_str()?).ok();
    let (from, to) = path(from).zip(path(to)).ok_or(QuantizeError::Path)?;
    let params = llama_model_quantize_params {
        nthread: threads as i32,
        ftype: LLAMA_FTYPE_MOSTLY_Q4_0,
        allow_requantize: true,
        ..default_params()
    };
    #[expect(unsafe_code, reason = "llama-cpp-2 has no wrapper for it")]
    // SAFETY: both paths end in NUL and live longer than the call, as do the parameters, whose pointers are null as in the
    // defaults. No C++ exception leaves the function.
    let status = unsafe { llama_model_quantize(from.as_ptr(), to.as_ptr(), &raw const params) };
    if status == 0 { Ok(()) } else { Err(QuantizeError::Refused) }
}

#[expect(unsafe_code, reason = "llama-cpp-2 has no wrapper for it")]
fn default_params() -> llama_model_quantize_params {
    // SAFETY: it takes nothing and returns plain numbers and null pointers.
    unsafe { llama_model_quantize_default_params() }
}
