#!/usr/bin/env python3
"""What `clade export` writes, used by others: ONNX's checker, onnxruntime, a C compiler.

    tests/test_export.py CLADE CC PYTHON-WITH-ONNXRUNTIME

A network with every activation, of random weights, is written here as .safetensors. clade's own
logits on 1,000 images are what the exports are compared with.
"""
import csv
import gzip
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnx.numpy_helper
import onnx.shape_inference

IMAGES = 1000
TOLERANCE = 1e-4
DATA = "/usr/share/datasets/fashion-mnist"
NAMES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker",
         'Bag "??/"', "Ankle\\boot"]
# (genome, height, width, channels); Fashion-MNIST where it has that shape, else noise
NETWORKS = [("NC8k3:swish-RC12k5:gelu-NC10k1:sigmoid-RC9k3:tanh-NC17k3:relu-FC64:gelu", 28, 28, 1),
            ("RC9k7:relu-RC13k3:swish-FC64:tanh", 11, 8, 3)]
MEAN, STD = numpy.float32(0.2860), numpy.float32(0.3530)

RUN_ONNX = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
numpy.save(sys.argv[3], session.run(["logits"], {"image": numpy.load(sys.argv[2])})[0])
one = session.run(["logits"], {"image": numpy.load(sys.argv[2])[:1]})[0]
assert one.shape == (1, 10), one.shape
"""


def random_tensors(genome, channels, rng):
    """The tensors of a genome in canonical order, scaled so that the logits differ."""
    tensors = {}
    *layers, _ = genome.split("-")
    for i, layer in enumerate(layers, 1):
        filters, kernel = map(int, re.match(r"[NR]C(\d+)k(\d)", layer).groups())
        shape = (filters, channels, kernel, kernel)
        tensors[f"conv{i}.weight"] = rng.normal(0, (3 / numpy.prod(shape[1:])) ** 0.5, shape)
        tensors[f"conv{i}.bias"] = rng.normal(0, 0.2, filters)
        channels = filters
    tensors["dense.weight"] = rng.normal(0, (8 / channels) ** 0.5, (64, channels))
    tensors["dense.bias"] = rng.normal(0, 0.2, 64)
    tensors["output.weight"] = rng.normal(0, 0.5, (10, 64))
    tensors["output.bias"] = rng.normal(0, 0.2, 10)
    return {name: value.astype("<f4") for name, value in tensors.items()}


def write_safetensors(path, genome, shape, tensors):
    """In the order of names, as other programs do, not in clade's."""
    header = {"__metadata__": {"format": "clade 1", "genome": genome, "image": "x".join(map(str, shape)),
                               "classes": "10", "pixel_mean": repr(float(MEAN)),
                               "pixel_std": repr(float(STD)), "class_names": ",".join(NAMES)}}
    data = b""
    for name in sorted(tensors):
        value = tensors[name].tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensors[name].shape),
                        "data_offsets": [len(data), len(data) + len(value)]}
        data += value
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path):
    with open(path, "rb") as file:
        length, = struct.unpack("<Q", file.read(8))
        assert length % 8 == 0, length
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop("__metadata__")
    return metadata, {name: numpy.frombuffer(data[slice(*t["data_offsets"])], "<f4")
                      .reshape(t["shape"]) for name, t in header.items()}


def write_data(room, shape, rng):
    """Test images; returns them, [image][row][column][channel]."""
    if shape == (28, 28, 1):
        with gzip.open(f"{DATA}/t10k-images-idx3-ubyte.gz") as file:
            pixels = file.read(16 + IMAGES * 784)[16:]
    else:  # every image and channel of its own brightness
        level = rng.integers(0, 200, (IMAGES, 1, 1, shape[2]))
        pixels = (level + rng.integers(0, 56, (IMAGES, *shape))).astype(numpy.uint8).tobytes()
    with open(f"{room}/images", "wb") as file:
        file.write(struct.pack(">IIIII", 0x804, IMAGES, *shape) + pixels)
    with open(f"{room}/labels", "wb") as file:
        file.write(struct.pack(">II", 0x801, IMAGES) + bytes(i % 10 for i in range(IMAGES)))
    return numpy.frombuffer(pixels, numpy.uint8).reshape(IMAGES, *shape)


def run(*command, **more):
    result = subprocess.run(command, capture_output=True, check=False, **more)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {result.returncode}\n"
                 f"{result.stderr.decode(errors='replace')}")
    return result.stdout


def clade_logits(clade, weights, room):
    run(clade, "eval", weights, "--logits", f"{room}/logits.csv", "--set", f"data.dir={room}",
        "--set", "data.test_images=images", "--set", "data.test_labels=labels")
    with open(f"{room}/logits.csv", newline="", encoding="ascii") as file:
        rows = list(csv.reader(file))[1:]
    logits = numpy.array([row[3:] for row in rows], dtype=float)
    assert logits.shape == (IMAGES, 10), logits.shape
    assert [int(row[2]) for row in rows] == logits.argmax(1).tolist()
    assert len(set(logits.argmax(1))) >= 2, "the network says one thing of all images"
    assert logits.std(0).min() > 0.01, "the network hardly looks at the images"
    return logits


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
