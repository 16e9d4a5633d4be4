//! `tojson` as Hugging Face's renderer has it, which templates were written and models trained with.
//!
//! minijinja's own escapes `<`, `>` and `&` for web pages and leaves out the blanks that Python writes.

use std::io;

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, State, Value};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// The value as JSON: `{{ tool | tojson }}` or `{{ tool | tojson(indent=4) }}`.
pub fn tojson(state: &State<'_, '_>, value: &Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let mut json = Vec::new();
    let written = match indent {
        None => value.serialize(&mut Serializer::with_formatter(&mut json, OneLine)),
        Some(indent) => {
            let indent = " ".repeat(indent.min(MAX_INDENT));
            value.serialize(&mut Serializer::with_formatter(&mut json, PrettyFormatter::with_indent(indent.as_bytes())))
        }
    };
    // What minijinja's own takes for its result.
    state.consume_fuel(json.len() as u64 / BYTES_PER_FUEL)?;
    let json = written.ok().and_then(|()| String::from_utf8(json).ok());
    json.ok_or_else(|| Error::new(ErrorKind::BadSerialization, "tojson was given something that is no JSON"))
}

const BYTES_PER_FUEL: u64 = 64;
const MAX_INDENT: usize = 16;

/// Python's `json.dumps`: a blank after each comma and colon.
struct OneLine;

impl Formatter for OneLine {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
