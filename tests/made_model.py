"""Networks of random weights and images for them, written here and not by clade; for tests."""
import csv
import gzip
import json
import re
import struct
import subprocess
import sys

import numpy

IMAGES = 1000
DATA = "/usr/share/datasets/fashion-mnist"
NAMES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker",
         'Bag "??/"', "Ankle\\boot"]
# (genome, height, width, channels); Fashion-MNIST where it has that shape, else noise
NETWORKS = [("NC8k3:swish-RC12k5:gelu-NC10k1:sigmoid-RC9k3:tanh-NC17k3:relu-FC64:gelu", 28, 28, 1),
            ("RC9k7:relu-RC13k3:swish-FC64:tanh", 11, 8, 3)]
MEAN, STD = numpy.float32(0.2860), numpy.float32(0.3530)


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
