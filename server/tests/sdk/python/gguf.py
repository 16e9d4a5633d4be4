"""The starter model under a chat template that knows functions, which its own does not.

`python3 gguf.py SOURCE TARGET` is for the tests in other languages.
"""

import pathlib
import struct
import sys

KEY = b"tokenizer.chat_template"
STRING, ARRAY = 8, 9
WIDTHS = {0: 1, 1: 1, 7: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 10: 8, 11: 8, 12: 8}
ALIGNMENT = 32

# What Qwen's and Hermes' templates tell their models, in short.
TOOL_TEMPLATE = (
    "{% if tools %}{% for tool in tools %}<|im_start|>system\n{{ tool | tojson }}<|im_end|>\n{% endfor %}{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}"
    "{% for call in message.tool_calls %}<tool_call>\n{{ call.function | tojson }}\n</tool_call>{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_with_template(source, target, template=TOOL_TEMPLATE):
    """Copy a model; only its template changes, and what has to be a multiple of the alignment is filled up again."""
    model = pathlib.Path(source).read_bytes()
    value = model.index(KEY) + len(KEY) + 4
    header_end = end_of_header(model)
    text = template.encode()
    header = model[:value] + struct.pack("<Q", len(text)) + text + model[value + 8 + u64(model, value) : header_end]
    weights = model[header_end + -header_end % ALIGNMENT :]
    target = pathlib.Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(header + bytes(-len(header) % ALIGNMENT) + weights)


def end_of_header(model):
    at = 24
    for _ in range(u64(model, 16)):
        at += 8 + u64(model, at)
        at = after_value(model, at + 4, u32(model, at))
    for _ in range(u64(model, 8)):
        at += 8 + u64(model, at)
        at += 4 + 8 * u32(model, at) + 4 + 8
    return at


def after_value(model, at, kind):
    if kind == STRING:
        return at + 8 + u64(model, at)
    if kind != ARRAY:
        return at + WIDTHS[kind]
    kind, count, at = u32(model, at), u64(model, at + 4), at + 12
    if kind in WIDTHS:
        return at + count * WIDTHS[kind]
    for _ in range(count):
        at = after_value(model, at, kind)
    return at


def u32(model, at):
    return struct.unpack_from("<I", model, at)[0]


def u64(model, at):
    return struct.unpack_from("<Q", model, at)[0]


if __name__ == "__main__":
    write_with_template(*sys.argv[1:3])
