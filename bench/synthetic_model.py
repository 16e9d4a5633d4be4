#!/usr/bin/env python3
"""Writes a GGUF file in the shape of a known model and with random weights: for measuring speed where the model itself cannot
be fetched. What it says is noise, and no measure of anything.

    synthetic_model.py SHAPE VOCABULARY OUTPUT

VOCABULARY is a GGUF file whose tokeniser and chat template are taken over, and filled up to the shape's size; it needs no tensors.
It takes the packages `gguf` and `numpy`.
"""

import argparse

import gguf
import numpy

# The numbers of the models' own configurations (config.json of Qwen/Qwen2.5-*-Instruct).
SHAPES = {
    "0.5b": {"layers": 24, "width": 896, "heads": 14, "key_heads": 2, "inner": 4864, "tokens": 151936, "tied": True},
    "7b": {"layers": 28, "width": 3584, "heads": 28, "key_heads": 4, "inner": 18944, "tokens": 152064, "tied": False},
}
# As most files are that people run: 32 weights in 4 bits each, and a scale.
BLOCK, QUANTISATION = 32, gguf.GGMLQuantizationType.Q4_0


class Weights:
    """Random, and about as large as trained ones, so that nothing overflows on its way through the layers."""

    def __init__(self, writer):
        self.writer = writer
        self.random = numpy.random.default_rng(1)

    def matrix(self, name, rows, columns):
        blocks = rows * columns // BLOCK
        # A block of Q4_0: its scale as a half, then two weights in each byte, from -8 to 7 times the scale.
        data = numpy.empty((blocks, 2 + BLOCK // 2), dtype=numpy.uint8)
        data[:, :2] = numpy.frombuffer(numpy.float16(0.2 / columns**0.5).tobytes(), dtype=numpy.uint8)
        data[:, 2:] = self.random.integers(0, 256, (blocks, BLOCK // 2), dtype=numpy.uint8)
        self.writer.add_tensor(name, data.reshape(rows, -1), raw_dtype=QUANTISATION)

    def vector(self, name, length, value):
        self.writer.add_tensor(name, numpy.full(length, value, dtype=numpy.float32))


def copy_vocabulary(reader, writer, tokens):
    for field in reader.fields.values():
        if not field.name.startswith("tokenizer."):
            continue
        kind, value = field.types[0], field.contents()
        if kind == gguf.GGUFValueType.ARRAY and field.name != "tokenizer.ggml.merges":
            is_text = field.types[1] == gguf.GGUFValueType.STRING
            value += [f"Ġw{number}" if is_text else gguf.TokenType.NORMAL for number in range(len(value), tokens)]
        writer.add_key_value(field.name, value, kind, field.types[1] if kind == gguf.GGUFValueType.ARRAY else None)


def write(name, vocabulary, output):
    shape = SHAPES[name]
    width, inner = shape["width"], shape["inner"]
    key_width = width // shape["heads"] * shape["key_heads"]
    writer = gguf.GGUFWriter(output, "qwen2")
    writer.add_name(f"Random weights in the shape of Qwen2.5 {name}")
    writer.add_context_length(32768)
    writer.add_embedding_length(width)
    writer.add_block_count(shape["layers"])
    writer.add_feed_forward_length(inner)
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["key_heads"])
    writer.add_rope_freq_base(1_000_000)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    copy_vocabulary(gguf.GGUFReader(vocabulary), writer, shape["tokens"])

    weights = Weights(writer)
    weights.matrix("token_embd.weight", shape["tokens"], width)
    weights.vector("output_norm.weight", width, 1)
    if not shape["tied"]:
        weights.matrix("output.weight", shape["tokens"], width)
    for layer in range(shape["layers"]):
        weights.vector(f"blk.{layer}.attn_norm.weight", width, 1)
        for part, rows in [("q", width), ("k", key_width), ("v", key_width)]:
            weights.matrix(f"blk.{layer}.attn_{part}.weight", rows, width)
            weights.vector(f"blk.{layer}.attn_{part}.bias", rows, 0)
        weights.matrix(f"blk.{layer}.attn_output.weight", width, width)
        weights.vector(f"blk.{layer}.ffn_norm.weight", width, 1)
        weights.matrix(f"blk.{layer}.ffn_gate.weight", inner, width)
        weights.matrix(f"blk.{layer}.ffn_up.weight", inner, width)
        weights.matrix(f"blk.{layer}.ffn_down.weight", width, inner)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("vocabulary")
    parser.add_argument("output")
    options = parser.parse_args()
    write(options.shape, options.vocabulary, options.output)


if __name__ == "__main__":
    main()
