"""Genomes as the peers need them: parsing as strict as inputs/genome.h, sizes, random ones."""

import random
import re
from typing import NamedTuple

ACTIVATIONS = ("relu", "sigmoid", "tanh", "swish", "gelu")  # swish is SiLU, gelu the erf one
MAX_LAYERS = 64
MAX_FILTERS = 511
REDUCTIONS = 2
HEAD_UNITS = 64

# The genomes that every comparison is made on, small and large, all activations.
BENCH = (
    "NC32k3:relu-RC64k3:relu-NC64k3:relu-RC128k3:relu-NC64k3:relu-FC64:relu",
    "NC32k3:relu-RC32k3:relu-RC64k3:relu-NC48k3:relu-FC64:relu",
    "RC16k5:tanh-NC32k3:sigmoid-NC32k1:relu-RC64k3:swish-NC128k3:gelu-FC64:relu",
    "RC64k3:relu-NC128k3:relu-RC256k3:relu-NC256k3:relu-NC256k3:relu-FC64:relu",
)

_ACTIVATION = "(" + "|".join(ACTIVATIONS) + ")"
_LAYER = re.compile(r"(NC|RC)([1-9][0-9]{0,2})k([1357]):" + _ACTIVATION)
_HEAD = re.compile(r"FC64:" + _ACTIVATION)


class Layer(NamedTuple):
    """A convolution padded by kernel // 2 zeros on each side."""

    stride: int  # 1: NC, 2: RC
    filters: int
    kernel: int
    activation: str


class Genome(NamedTuple):
    """Convolutions, then global average pooling, dense of 64, activation, dense of the classes."""

    layers: tuple
    head: str  # activation of the dense layer of 64

    def __str__(self):
        parts = [
            f"{'RC' if l.stride == 2 else 'NC'}{l.filters}k{l.kernel}:{l.activation}"
            for l in self.layers
        ]
        return "-".join(parts + [f"FC64:{self.head}"])


class Cost(NamedTuple):
    """What a genome takes, without a device."""

    parameters: int  # weights and biases
    macs: int  # multiply-accumulates of one image, forward
    training_flops: int  # of one image: forward, input gradient but the first layer's, weights'


def parse(text):
    """The genome of one canonical line; ValueError says what is wrong."""
    *convolutions, head = text.split("-")
    layers = []
    for part in convolutions:
        match = _LAYER.fullmatch(part)
        if not match or int(match[2]) > MAX_FILTERS:
            raise ValueError(f"genome {text[:80]!r}: bad layer {part[:24]!r}")
        layers.append(
            Layer(2 if match[1] == "RC" else 1, int(match[2]), int(match[3]), match[4])
        )
    match = _HEAD.fullmatch(head)
    if not match:
        raise ValueError(f"genome {text[:80]!r}: bad head {head[:24]!r}")
    if sum(layer.stride == 2 for layer in layers) != REDUCTIONS or len(layers) > MAX_LAYERS:
        raise ValueError(f"genome {text[:80]!r}: not exactly 2 RC in at most 64 layers")
    return Genome(tuple(layers), match[1])


def cost(genome, side=28, channels=1, classes=10):
    """The Cost of `genome` on square images."""
    parameters = macs = first_macs = 0
    for i, layer in enumerate(genome.layers):
        side = -(-side // layer.stride)
        weights = layer.filters * channels * layer.kernel**2
        parameters += weights + layer.filters
        macs += weights * side * side
        if i == 0:
            first_macs = macs
        channels = layer.filters
    for inputs, outputs in ((channels, HEAD_UNITS), (HEAD_UNITS, classes)):
        parameters += inputs * outputs + outputs
        macs += inputs * outputs
    return Cost(parameters, macs, 2 * (3 * macs - first_macs))


def random_genomes(space, count, seed):
    """
    `count` genomes, uniform over the [space] section of `clade run --print-settings` as
    docs/search-space.md says: layer count, places of the reductions, then each layer's parts.
    """

    def numbers(key):
        return [int(n) for n in space[key].replace(",", " ").split()]

    filters, kernels = numbers("filters"), numbers("kernels")
    activations = space["activations"].replace(",", " ").split()
    fewest, most = int(space["min_layers"]), int(space["max_layers"])
    max_parameters, max_macs = (int(space.get(key, "0")) for key in ("max_parameters", "max_macs"))
    rng = random.Random(seed)
    genomes = []
    for _ in range(1000 * count):
        if len(genomes) == count:
            break
        layer_count = rng.randint(max(fewest, REDUCTIONS), most)
        reductions = rng.sample(range(layer_count), REDUCTIONS)
        layers = tuple(
            Layer(
                2 if i in reductions else 1,
                rng.choice(filters),
                rng.choice(kernels),
                rng.choice(activations),
            )
            for i in range(layer_count)
        )
        genome = Genome(layers, rng.choice(activations))
        size = cost(genome)
        if max_parameters and size.parameters > max_parameters:
            continue
        if max_macs and size.macs > max_macs:
            continue
        genomes.append(genome)
    if len(genomes) < count:
        raise ValueError("the limits of the search space are too tight to draw genomes from")
    return genomes
