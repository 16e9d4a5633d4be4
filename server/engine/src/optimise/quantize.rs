//! Another quantisation of a model's weights.

use std::ffi::CString;
use std::path::Path;

use llama_cpp_sys_2::{
    LLAMA_FTYPE_MOSTLY_Q4_0, LLAMA_FTYPE_MOSTLY_Q8_0, llama_ftype, llama_model_quantize,
    llama_model_quantize_default_params, llama_model_quantize_params,
};
use thiserror::Error;

use crate::model;

/// A form of weights that llama.cpp computes fast on a processor. Q4_1, Q5_0 and Q5_1 have neither of these ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// llama.cpp interleaves the rows when it loads them, so that one instruction of AVX2, AVX-512, NEON or SVE serves many at
    /// once (`ggml-cpu/repack.cpp`).
    Q4_0,
    /// Twice as large, and hardly anything is lost. Prompts go through matrix kernels of their own (`ggml-cpu/llamafile`), and
    /// nothing has to be unpacked.
    Q8_0,
}

impl Form {
    /// As people know it from file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q4_0 => "Q4_0",
            Self::Q8_0 => "Q8_0",
        }
    }

    fn file_type(self) -> llama_ftype {
        match self {
            Self::Q4_0 => LLAMA_FTYPE_MOSTLY_Q4_0,
            Self::Q8_0 => LLAMA_FTYPE_MOSTLY_Q8_0,
        }
    }
}

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

/// Writes the weights of the model in `from` to the file `to`. In Q4_0 the matrix that tells the next token, and that
/// of the tokens where the two are one, is what an error shows in most: llama.cpp's rule leaves these at six or eight bits.
/// `from` may be quantised itself; what that has lost stays lost.
///
/// What is in `to` on failure is no model. An assertion of llama.cpp may end the process.
pub fn quantize(from: &Path, to: &Path, form: Form, threads: u32) -> Result<(), QuantizeError> {
    model::backend()?;
    let path = |path: &Path| CString::new(path.to_str()?).ok();
    let (from, to) = path(from).zip(path(to)).ok_or(QuantizeError::Path)?;
    let params = llama_model_quantize_params {
        nthread: threads as i32,
        ftype: form.file_type(),
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
