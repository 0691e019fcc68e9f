#!/usr/bin/env python3
"""What `clade export` writes, used by others: ONNX's checker, onnxruntime, a C compiler.

    tests/test_export.py CLADE CC PYTHON-WITH-ONNXRUNTIME

Networks with every activation (made_model.py) are written as .safetensors. clade's own
logits on 1,000 images are what the exports are compared with.
"""
import os
import re
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnx.numpy_helper
import onnx.shape_inference

from made_model import (MEAN, NAMES, NETWORKS, STD, clade_logits, random_tensors, read_safetensors, run,
                        write_data, write_safetensors)

TOLERANCE = 1e-4

RUN_ONNX = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
numpy.save(sys.argv[3], session.run(["logits"], {"image": numpy.load(sys.argv[2])})[0])
one = session.run(["logits"], {"image": numpy.load(sys.argv[2])[:1]})[0]
assert one.shape == (1, 10), one.shape
"""


def check_same(what, logits, expected):
    difference = numpy.abs(logits - expected).max()
    print(f"{what}: largest difference of a logit {difference:.2e}")
    assert difference <= TOLERANCE, what
    assert (logits.argmax(1) == expected.argmax(1)).all(), what


def check_onnx(path, genome, shape, tensors):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == 8
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 13)]
    entries = {entry.key: entry.value for entry in model.metadata_props}
    assert entries["class_names"] == ",".join(NAMES), entries
    assert entries["genome"] == genome
    assert numpy.float32(entries["pixel_mean"]) == MEAN
    assert numpy.float32(entries["pixel_std"]) == STD
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, check_type=True)
    for value, name, wanted in ((inferred.graph.input[0], "image",
                                ["batch", shape[2], *shape[:2]]),
                               (inferred.graph.output[0], "logits", ["batch", 10])):
        dimensions = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        assert (value.name, dimensions) == (name, wanted), (value.name, dimensions)
    found = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    for name, value in tensors.items():
        assert numpy.array_equal(found[name], value), name


def check_onnxruntime(python, path, pixels, expected, room):
    images = ((pixels.astype(numpy.float32) / numpy.float32(255) - MEAN) / STD)
    numpy.save(f"{room}/images.npy", numpy.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    run(python, "-c", RUN_ONNX, path, f"{room}/images.npy", f"{room}/onnx.npy")
    check_same("onnxruntime", numpy.load(f"{room}/onnx.npy"), expected)


def check_c(compiler, path, pixels, expected, room):
    with open(path, encoding="ascii") as file:
        source = file.read()
    assert not re.search(r"\b(malloc|calloc|realloc|alloca)\b\s*\(", source)
    assert set(re.findall(r"#include <(.*)>", source)) == {"math.h", "stddef.h", "stdio.h"}
    flags = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    run(compiler, *flags, "-c", path, "-o", f"{room}/model.o")  # as part of another program
    build = [compiler, *flags, "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined",
             "-DCLADE_MAIN"]
    run(*build, path, "-o", f"{room}/classify", "-lm")
    rows = [line.split() for line in
            run(f"{room}/classify", input=pixels.tobytes()).decode().splitlines()]
    logits = numpy.array([row[1:] for row in rows], dtype=float)
    assert [int(row[0]) for row in rows] == logits.argmax(1).tolist()
    check_same("C", logits, expected)
    # The self-test sees a wrong weight.
    wrong = re.sub(r"(output_bias\[10\] = \{\s*)\S+", r"\g<1>9.0f,", source)
    assert wrong != source
    with open(f"{room}/wrong.c", "w", encoding="ascii") as file:
        file.write(wrong)
    run(*build, f"{room}/wrong.c", "-o", f"{room}/wrong", "-lm")
    result = subprocess.run(f"{room}/wrong", input=b"", capture_output=True, check=False)
    assert result.returncode == 1 and b"self-test failed" in result.stderr, result


def check_refused(clade, weights, *arguments, part):
    result = subprocess.run([clade, "export", weights, *arguments], capture_output=True,
                            check=False)
    lines = result.stderr.decode().splitlines()
    assert result.returncode == 2 and len(lines) == 1 and part in lines[0], result


def main():
    clade, compiler, python = sys.argv[1:]
    runs_onnx = os.access(python, os.X_OK)
    if not runs_onnx:
        print(f"no {python} (script/onnxruntime makes it): the check in onnxruntime is left out")
    for seed, (genome, *shape) in enumerate(NETWORKS):
        shape = tuple(shape)
        rng = numpy.random.default_rng(seed)
        with tempfile.TemporaryDirectory() as room:
            pixels = write_data(room, shape, rng)
            tensors = random_tensors(genome, shape[2], rng)
            weights = f"{room}/model.safetensors"
            write_safetensors(weights, genome, shape, tensors)
            expected = clade_logits(clade, weights, room)
            run(clade, "export", weights, "--onnx", f"{room}/model.onnx", "--c", f"{room}/model.c",
                "--safetensors", f"{room}/again.safetensors")
            check_refused(clade, weights, part="expected --onnx, --c or --safetensors")
            check_refused(clade, weights, "--c", f"{room}/x.c", "--class-names", "a,b",
                          part="2 names for 10 classes")
            for other in ("--onnx", "--c"):
                check_refused(clade, weights, other, f"{room}/x", "--safetensors", f"{room}/x",
                              part=f"two forms cannot be in one file, {room}/x")
            assert not os.path.exists(f"{room}/x")
            check_refused(clade, room, "--c", f"{room}/x.c", part="best_genome.safetensors")
            metadata, again = read_safetensors(f"{room}/again.safetensors")
            assert metadata["class_names"] == ",".join(NAMES)
            assert list(again) == list(tensors)  # in canonical order
            assert all(numpy.array_equal(again[name], tensors[name]) for name in tensors)
            check_onnx(f"{room}/model.onnx", genome, shape, tensors)
            check_c(compiler, f"{room}/model.c", pixels, expected, room)
            if runs_onnx:
                check_onnxruntime(python, f"{room}/model.onnx", pixels, expected, room)


main()
