"""
What the peers share: the command line, the images, and the clock.

A peer is a program that trains one genome with one library, for bench/compare:

    peer_X.py --list
        one line of JSON: {"peer": name, "version": text, "settings": [[name, processes, [argument,
        ...]], ...], "refinements": [[name, [argument, ...]], ...]}. A setting is run as that many
        processes at once; a refinement may be added to the best setting.
    peer_X.py --genome TEXT --batch N --norm none|batch --data DIR [arguments of the setting]
        builds, warms up, prints {"ready": true, "parameters": n}; then reads how many seconds to
        train, one number a line, and answers each with one line {"images_per_s": x, "loss": y};
        ends with its input.

A training step is forward, mean cross-entropy, backward and one AdamW update, in float32, on a
batch of normalised Fashion-MNIST images that lie shuffled in memory. With --norm batch each
convolution has batch normalisation instead of a bias.

Exit code: 0 good, 2 bad command line, 3 no data, 4 the library is missing.
"""

import argparse
import gzip
import json
import math
import os
import random
import struct
import sys
import time

import genome as genomes

BATCH_LIMIT = 60000
WARM_UP_STEPS = 5


def fail(status, message):
    """Ends the program with one line."""
    print(f"{os.path.basename(sys.argv[0])}: {message}", file=sys.stderr)
    sys.exit(status)


def arguments(description, add):
    """The parsed command line; `add` adds what only this peer takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--genome")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--norm", choices=("none", "batch"), default="none")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    add(parser)
    args = parser.parse_args()
    if not args.list:
        if not args.genome or not 1 <= args.batch <= BATCH_LIMIT:
            parser.error("--genome and a --batch from 1 to 60000 are needed")
        try:
            args.genome = genomes.parse(args.genome)
        except ValueError as error:
            parser.error(str(error))
    return args


def setting_name(processes, threads):
    """For people: "1 process of 2 threads"."""
    return (
        f"{processes} process{'es' if processes > 1 else ''} of "
        f"{threads} thread{'s' if threads > 1 else ''}"
    )


def _idx(path, magic):
    """The dimensions and bytes of a gzipped IDX file."""
    try:
        with gzip.open(path) as file:
            data = file.read()
    except (OSError, EOFError) as error:
        fail(3, f"cannot read {path}: {error}; install dataset-fashion-mnist or give --data")
    dimensions = magic & 255
    sizes = struct.unpack_from(f">{1 + dimensions}I", data)
    if sizes[0] != magic or len(data) != 4 + 4 * dimensions + math.prod(sizes[1:]):
        fail(3, f"{path} is not the IDX file that was expected")
    return sizes[1:], data[4 + 4 * dimensions :]


def training_images(directory):
    """Shuffled (pixels as bytes, labels as bytes, count, side) of the training file."""
    (count, side, width), pixels = _idx(f"{directory}/train-images-idx3-ubyte.gz", 0x803)
    (label_count,), labels = _idx(f"{directory}/train-labels-idx1-ubyte.gz", 0x801)
    if (label_count, width) != (count, side):
        fail(3, f"the images of {directory} are not square, or not as many as the labels")
    order = list(range(count))
    random.Random(1).shuffle(order)
    size = side * side
    shuffled = b"".join([pixels[i * size : (i + 1) * size] for i in order])
    return shuffled, bytes(labels[i] for i in order), count, side


def serve(step, batch, count, parameters):
    """
    Answers requests until the input ends. step(first, end) trains on images [first, end) and
    returns its loss, which float() turns into a number once it is computed.
    """
    position = 0

    def train(seconds, steps):
        nonlocal position
        done = 0
        start = time.perf_counter()
        while True:
            loss = step(position, position + batch)
            position += batch
            if position + batch > count:
                position = 0
            done += 1
            if done >= steps and time.perf_counter() - start >= seconds:
                break
        loss = float(loss)
        return done * batch / (time.perf_counter() - start), loss

    train(0.5, WARM_UP_STEPS)
    print(json.dumps({"ready": True, "parameters": parameters}), flush=True)
    for line in sys.stdin:
        images_per_s, loss = train(float(line), 1)
        if not math.isfinite(loss):
            fail(5, "the loss is not finite")
        print(json.dumps({"images_per_s": images_per_s, "loss": loss}), flush=True)
