#!/usr/bin/env python3
"""`clade predict` against `clade eval`, on IDX files and PNG, and what it says of bad files.

    tests/test_predict.py CLADE
"""
import csv
import gzip
import io
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy

from made_model import (IMAGES, NAMES, NETWORKS, clade_logits, random_tensors, run, write_data,
                        write_safetensors)

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, colour, samples, bits=8, extra=b""):
    """`samples`: the bytes of the rows, one after the other."""
    stride = len(samples) // height
    rows = b"".join(b"\0" + samples[i * stride:(i + 1) * stride] for i in range(height))
    return (SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)) +
            extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)
    return path


def predict(clade, *arguments):
    """The classes, and the probabilities [image][class]; the header and the names are right."""
    rows = list(csv.reader(io.StringIO(run(clade, "predict", *arguments).decode())))
    assert rows[0] == ["file", "image", "predicted", "class_name", "probability"] + [
        f"probability_{c}" for c in range(10)], rows[0]
    classes = [int(row[2]) for row in rows[1:]]
    values = numpy.array([row[5:] for row in rows[1:]], dtype=float)
    assert [row[3] for row in rows[1:]] == [NAMES[c] for c in classes]
    assert [float(row[4]) for row in rows[1:]] == [values[i][c] for i, c in enumerate(classes)]
    return rows[1:], classes, values


def check_same(what, classes, values, expected):
    assert classes == expected.argmax(1).tolist(), what
    assert numpy.abs(values - expected).max() < 2e-6, what


def check_pictures(clade, weights, pixels, expected, room):
    """PNG files of the first images, in every form that says the same."""
    height, width, channels = pixels.shape[1:]
    forms = {}
    if channels == 1:
        forms["grey"] = lambda p: png(width, height, GREY, p.tobytes())
        forms["palette"] = lambda p: png(width, height, PALETTE, p.tobytes(), extra=chunk(
            b"PLTE", bytes(v for v in range(256) for _ in range(3))))
        forms["colour"] = lambda p: png(width, height, RGB, p.repeat(3, 2).tobytes())
        forms["opaque"] = lambda p: png(width, height, GREY_ALPHA, numpy.concatenate(
            [p, numpy.full_like(p, 255)], 2).tobytes())
        forms["wide"] = lambda p: png(width, height, GREY, p.repeat(2, 2).tobytes(), bits=16)
    else:
        forms["colour"] = lambda p: png(width, height, RGB, p.tobytes())
        forms["opaque"] = lambda p: png(width, height, RGBA, numpy.concatenate(
            [p, numpy.full_like(p[:, :, :1], 255)], 2).tobytes())
    for name, make in forms.items():
        paths = [write(f"{room}/{name}{i}.png", make(pixels[i])) for i in range(3)]
        rows, classes, values = predict(clade, weights, *paths)
        assert [row[:2] for row in rows] == [[path, "0"] for path in paths]
        check_same(name, classes, values, expected[:3])


def check_refused(clade, weights, room, what, path, part):
    result = subprocess.run([clade, "predict", weights, path], capture_output=True, check=False,
                            timeout=60)
    lines = result.stderr.decode(errors="replace").splitlines()
    if result.returncode != 3 or len(lines) != 1 or result.stdout or not re.search(part, lines[0]):
        sys.exit(f"{what}: exit code {result.returncode}, {result.stdout[:99]}, {lines[:3]}")


def check_hostile(clade, weights, pixels, room):
    good = png(28, 28, GREY, pixels[0].tobytes())
    idx = struct.pack(">IIII", 0x803, 2, 28, 28) + pixels[:2].tobytes()
    bad = {
        "other size": (png(29, 28, GREY, bytes(29 * 28)), "29x1.*takes 28x28x1|28x29x1"),
        "enormous": (SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 16, 6,
                                                           0, 0, 0)) + good[33:], "PNG|2147483647"),
        "no size": (SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 0, 8, 0, 0, 0, 0)), "PNG"),
        "signature alone": (SIGNATURE, "PNG"),
        "wrong checksum": (good[:29] + b"\0\0\0\0" + good[33:], "PNG"),
        "no image data": (good[:33] + chunk(b"IEND", b""), "PNG"),
        "not deflated": (good[:33] + chunk(b"IDAT", b"what") + chunk(b"IEND", b""), "PNG"),
        "endless chunk": (good[:33] + struct.pack(">I", 2**31 - 1) + b"IDAT" + bytes(99), "PNG"),
        "too much": (good[:-12] + chunk(b"tEXt", bytes(2**21)) + good[-12:], "too large for a PNG"),
        "text": (b"hello, world, this is text\n", "magic"),
        "empty": (b"", "empty"),
        "IDX of labels": (struct.pack(">II", 0x801, 9) + bytes(9), "magic"),
        "IDX cut off": (idx[:-1], "cut off"),
        "IDX with more": (idx + b"x", "goes on"),
        "IDX of another size": (struct.pack(">IIII", 0x803, 1, 28, 27) + bytes(28 * 27), "28x27x1"),
        "IDX of endless images": (struct.pack(">IIII", 0x803, 2**31 - 1, 28, 28), "can hold"),
    }
    for at in range(9, len(good) - 12, 37):
        bad[f"cut off at {at}"] = (good[:at], "PNG")
    for what, (data, part) in bad.items():
        check_refused(clade, weights, room, what, write(f"{room}/bad", data), part)
    os.mkfifo(f"{room}/fifo")
    check_refused(clade, weights, room, "fifo", f"{room}/fifo", "special file")
    check_refused(clade, weights, room, "directory", room, "a directory")
    check_refused(clade, weights, room, "nothing", f"{room}/nothing", "nothing")
    # More data than the header says is decoded to what the header says.
    large = good[:33] + chunk(b"IDAT", zlib.compress(bytes(10**7))) + chunk(b"IEND", b"")
    result = subprocess.run([clade, "predict", weights, write(f"{room}/large", large)],
                            capture_output=True, check=False, timeout=60)
    assert result.returncode in (0, 3) and b"Sanitizer" not in result.stderr, result
    # A name that a spreadsheet would take for a formula.
    write(f"{room}/=1+1", good)
    assert b"\r\n\"'=1+1\",0," in run(clade, "predict", weights, "=1+1", cwd=room)


def main():
    clade = os.path.abspath(sys.argv[1])
    for seed, (genome, *shape) in enumerate(NETWORKS):
        shape = tuple(shape)
        rng = numpy.random.default_rng(seed)
        with tempfile.TemporaryDirectory() as room:
            pixels = write_data(room, shape, rng)
            weights = f"{room}/model.safetensors"
            write_safetensors(weights, genome, shape, random_tensors(genome, shape[2], rng))
            logits = clade_logits(clade, weights, room)
            expected = numpy.exp(logits - logits.max(1, keepdims=True))
            expected /= expected.sum(1, keepdims=True)

            rows, classes, values = predict(clade, weights, f"{room}/images")
            assert [row[:2] for row in rows] == [[f"{room}/images", str(i)] for i in range(IMAGES)]
            check_same("IDX", classes, values, expected)
            assert numpy.abs(values.sum(1) - 1).max() < 1e-5

            # The share of right ones is what eval says; the labels are those of write_data().
            said = run(clade, "eval", weights, "--format", "csv", "--set", f"data.dir={room}", "--set",
                       "data.test_images=images", "--set", "data.test_labels=labels").decode()
            accuracy = float(next(csv.DictReader(io.StringIO(said)))["test_accuracy"])
            right = sum(c == i % 10 for i, c in enumerate(classes)) / IMAGES
            assert abs(right - accuracy) < 1e-6, (right, accuracy)

            # Packed, and with the weights of a run's directory.
            os.mkdir(f"{room}/run")
            shutil.copy(weights, f"{room}/run/best_genome.safetensors")
            write(f"{room}/run/settings.ini", b"[training]\nbatch = 17\n")
            with open(f"{room}/images", "rb") as images:
                write(f"{room}/images.gz", gzip.compress(images.read()))
            _, classes, values = predict(clade, f"{room}/run", f"{room}/images.gz")
            check_same("gzip", classes, values, expected)

            check_pictures(clade, weights, pixels, expected, room)
            if shape[2] == 1:
                check_hostile(clade, weights, pixels, room)
            print(f"{shape}: accuracy {right} as eval says")


main()
