#!/usr/bin/env python3
"""Writes the small inputs from which the fuzzers and the mutation test start, into corpus/.

Good files of every kind that the readers know, and bad ones that take different turns in them.
Files that a fuzzer found are added to corpus/ by hand. Standard library only.
"""

import json
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent / "corpus"
SPACE = "\u2581"


def write(folder, name, data):
    if not isinstance(data, (bytes, str)):
        data = json.dumps(data, separators=(",", ":"))
    path = HERE / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def safetensors(header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def write_safetensors():
    write("safetensors", "good", safetensors(
        {"__metadata__": {"format": "pt"}, "a": tensor("F32", [2, 2], 0, 16),
         "b": tensor("BF16", [3], 16, 22), "c": tensor("F64", [], 22, 30),
         "d": tensor("F16", [0, 5], 30, 30), "e": tensor("I64", [1], 30, 38)}, bytes(38)))
    write("safetensors", "not-finite", safetensors(
        {"a": tensor("F32", [2], 0, 8)}, struct.pack("<ff", float("inf"), float("nan"))))
    write("safetensors", "overlap", safetensors(
        {"a": tensor("F32", [2], 0, 8), "b": tensor("F32", [2], 4, 12)}, bytes(12)))
    write("safetensors", "gap", safetensors(
        {"a": tensor("F32", [1], 0, 4), "b": tensor("F32", [1], 8, 12)}, bytes(12)))
    write("safetensors", "overflow", safetensors(
        {"a": tensor("F32", [1 << 32, 1 << 32], 0, 0), "b": tensor("F32", [0, 1 << 63], 0, 0)},
        b""))
    write("safetensors", "newline", safetensors({"a\nb": tensor("X9", [1], 0, 4)}, bytes(4)))
    write("safetensors", "twice", safetensors(b'{"a":1,"a":1}', b""))
    write("safetensors", "not-utf8", safetensors(b'{"\xff":1}', b""))
    write("safetensors", "deep", safetensors(b'{"a":' + b"[" * 80 + b"]" * 80 + b"}", b""))
    write("safetensors", "long-header", struct.pack("<Q", 1 << 63) + b"{}")


def write_config():
    sizes = {"hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2,
             "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4, "vocab_size": 16,
             "max_position_embeddings": 32, "rms_norm_eps": 1e-5, "hidden_act": "silu",
             "bos_token_id": 0, "tie_word_embeddings": True}
    write("config", "llama", {"model_type": "llama", "rope_theta": 1e4, "attention_bias": False,
                              "torch_dtype": "float32", **sizes})
    write("config", "plumb", {"model_type": "plumb", "pre_norm": "dynamic_tanh",
                              "post_norm": "rms_norm", "qk_norm": "per_head",
                              "attention_gate": "head", "attention_scale": 0.5,
                              "rotary_pairing": "interleaved",
                              "rope_parameters": {"rope_type": "default", "rope_theta": 100.0},
                              **sizes})
    for family in ("mistral", "qwen2", "qwen3", "gemma", "gemma2", "olmo2"):
        write("config", family, {"model_type": family, "sliding_window": 8,
                                 "layer_types": ["sliding_attention", "full_attention"],
                                 "rope_scaling": {"rope_type": "llama3", "factor": 8.0}, **sizes})
    write("config", "huge", {"model_type": "llama", **sizes, "vocab_size": 1 << 62,
                             "num_hidden_layers": 2147483647, "head_dim": 2147483646})
    write("config", "types", '{"model_type":"llama","hidden_size":-1,"num_hidden_layers":1.5,'
                             '"vocab_size":1e400,"rms_norm_eps":"x"}')


def bpe(vocab, merges, **more):
    return {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "vocab": vocab,
            "merges": merges, **more}


def byte_level():
    """GPT-2's spelling of the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return {chr(b if b in plain else next(others)): b for b in range(256)}


def step(kind, **options):
    return {"type": kind, **options}


def added(index, content, **flags):
    return {"id": index, "content": content, "single_word": False, "lstrip": False,
            "rstrip": False, "normalized": False, "special": True, **flags}


def write_tokenizers():
    vocab = {**byte_level(), "ab": 256, "abab": 257}
    merges = [["a", "b"], "ab ab"]
    llama3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
              r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    write("tokenizer", "bytes.json", {
        "version": "1.0", "added_tokens": [added(258, "<s>", rstrip=True)],
        "normalizer": step("NFC"),
        "pre_tokenizer": step("Sequence", pretokenizers=[
            step("Split", pattern={"Regex": llama3}, behavior="Isolated", invert=False),
            step("ByteLevel", add_prefix_space=False, use_regex=False)]),
        "decoder": step("ByteLevel"), "model": bpe(vocab, merges, ignore_merges=True)})
    small = {"<unk>": 0, "<s>": 1, "</s>": 2, "a": 3, "b": 4, SPACE: 5, "ab": 6, SPACE + "ab": 7}
    replace = step("Replace", pattern={"String": " "}, content=SPACE)
    back = step("Replace", pattern={"String": SPACE}, content=" ")
    write("tokenizer", "llama2.json", {
        "added_tokens": [added(1, "<s>"), added(2, "</s>", normalized=True, lstrip=True)],
        "normalizer": step("Sequence", normalizers=[step("Prepend", prepend=SPACE), replace]),
        "decoder": step("Sequence", decoders=[
            back, step("ByteFallback"), step("Fuse"),
            step("Strip", content=" ", start=1, stop=0)]),
        "model": bpe(small, ["a b", [SPACE, "ab"]], byte_fallback=True)})
    write("tokenizer", "metaspace.json", {
        "pre_tokenizer": step("Metaspace", replacement=SPACE, prepend_scheme="first", split=True),
        "decoder": step("Metaspace", replacement=SPACE), "model": bpe(small, ["a b"])})
    write("tokenizer", "gemma.json", {
        "normalizer": replace,
        "pre_tokenizer": step("Split", pattern={"String": " "}, behavior="MergedWithPrevious",
                              invert=False),
        "model": bpe(small, [])})
    # Merges that lead back to where they began, as far as spelling allows.
    write("tokenizer", "circle.json", {
        "model": bpe({"<unk>": 0, "a": 1, "aa": 2, "aaa": 3}, ["a a", "aa a", "a aa"])})
    write("tokenizer", "twice.json", {
        "model": bpe({"<unk>": 0, "a": 1, "aa": 2}, ["a a", "a a"])})

    def scored(tokens):
        return struct.pack("<i", 9) + b"".join(
            struct.pack("<fi", score, len(text)) + text for text, score in tokens)

    fallback = [(b"<0x%02X>" % b, 0.0) for b in range(256)]
    first = [(b"<unk>", 0.0), (b"\n<s>\n", 0.0), (b"\n</s>\n", 0.0)]
    letters = [(b" ", -3.0), (b"a", -3.0), (b"b", -3.0), (b"ab", -1.0), (b"ba", -1.0),
               (b" ab", -2.0), (b"", 0.0)]
    write("tokenizer", "llama2c.bin", scored(first + fallback + letters))
    write("tokenizer", "short.bin", scored(first)[:-3])


def write_llama2c():
    def model(dim, hidden, layers, heads, kv_heads, vocab, seq, extra=0):
        kv = dim // heads * kv_heads
        floats = abs(vocab) * dim + dim + seq * (dim // heads) + layers * (
            2 * dim + 2 * dim * dim + 2 * kv * dim + 3 * hidden * dim)
        floats += abs(vocab) * dim if vocab < 0 else 0
        header = struct.pack("<7i", dim, hidden, layers, heads, kv_heads, vocab, seq)
        return header + struct.pack("<f", 0.5) * floats + bytes(extra)

    write("llama2c", "tied", model(4, 3, 2, 2, 1, 5, 6))
    write("llama2c", "untied", model(4, 2, 1, 1, 1, -3, 2))
    write("llama2c", "trailing", model(4, 2, 1, 1, 1, 3, 2, extra=5))
    write("llama2c", "absurd", struct.pack("<7i", *[2147483646] * 7) + bytes(64))
    write("llama2c", "negative", struct.pack("<7i", -4, 2, 1, 1, 1, -2147483648, 2) + bytes(64))
    write("llama2c", "version1", b"24ka" + struct.pack("<i", 1) + bytes(248))


def write_ids():
    def npy(dtype, shape, data, version=b"\x01\x00"):
        header = str({"descr": dtype, "fortran_order": False, "shape": shape}).encode() + b"\n"
        length = struct.pack("<H" if version[0] == 1 else "<I", len(header))
        return b"\x93NUMPY" + version + length + header + data

    write("ids", "i8.npy", npy("<i8", (3,), struct.pack("<3q", 0, 5, 7)))
    write("ids", "i4.npy", npy("<i4", (1, 2), struct.pack("<2i", 1, 2), b"\x02\x00"))
    write("ids", "u1.npy", npy("|u1", (2,), b"\x01\x02"))
    write("ids", "negative.npy", npy("<i4", (1,), struct.pack("<i", -1)))
    write("ids", "float.npy", npy("<f4", (1,), bytes(4)))
    write("ids", "huge.npy", npy("<i8", (2305843009213693953,), bytes(8)))
    write("ids", "record.npy", npy([("a", "<i4")], (1,), bytes(4)))
    write("ids", "long-header.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}")
    write("ids", "text", "0 1,2\n3\t4294967296\n")
    write("ids", "words", "1 2\nthree -4 18446744073709551616")


if __name__ == "__main__":
    write_safetensors()
    write_config()
    write_tokenizers()
    write_llama2c()
    write_ids()
