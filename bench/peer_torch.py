#!/usr/bin/env python3
"""PyTorch on the CPU as a peer of bench/compare; see peer.py for what it is asked."""

import json
import os

import peer

try:
    import torch
except ImportError as error:
    peer.fail(4, f"no PyTorch here ({error}); install python3-torch, or give --python")

ACTIVATIONS = {
    "relu": torch.nn.ReLU,
    "sigmoid": torch.nn.Sigmoid,
    "tanh": torch.nn.Tanh,
    "swish": torch.nn.SiLU,
    "gelu": torch.nn.GELU,
}


def describe():
    """What bench/compare may try."""
    cores = len(os.sched_getaffinity(0))
    settings = []
    for processes, threads in sorted({(1, cores), (1, 1), (cores, 1)}):
        name = peer.setting_name(processes, threads)
        settings.append([name, processes, ["--threads", str(threads)]])
    refinements = [["channels last", ["--channels-last"]]]
    if int(torch.__version__.split(".", maxsplit=1)[0]) < 2:
        refinements += [["foreach optimizer", ["--optimizer", "foreach"]]]
    else:
        refinements += [
            ["fused optimizer", ["--optimizer", "fused"]],
            ["compiled", ["--compile"]],
        ]
    return {
        "peer": "PyTorch",
        "version": torch.__version__,
        "settings": settings,
        "refinements": refinements,
    }


def build(genome, norm, channels, classes):
    """The network of a genome."""
    layers = []
    for layer in genome.layers:
        layers.append(
            torch.nn.Conv2d(
                channels,
                layer.filters,
                layer.kernel,
                layer.stride,
                padding=layer.kernel // 2,
                bias=norm == "none",
            )
        )
        if norm == "batch":
            layers.append(torch.nn.BatchNorm2d(layer.filters))
        layers.append(ACTIVATIONS[layer.activation]())
        channels = layer.filters
    layers += [
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(channels, 64),
        ACTIVATIONS[genome.head](),
        torch.nn.Linear(64, classes),
    ]
    return torch.nn.Sequential(*layers)


def main():
    """Lists or serves."""

    def add(parser):
        parser.add_argument("--threads", type=int, default=1)
        parser.add_argument("--channels-last", action="store_true")
        parser.add_argument("--optimizer", choices=("loop", "foreach", "fused"), default="loop")
        parser.add_argument("--compile", action="store_true")

    args = peer.arguments(__doc__, add)
    if args.list:
        print(json.dumps(describe()))
        return

    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    pixels, labels, count, side = peer.training_images(args.data)
    images = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).reshape(count, 1, side, side)
    images = images.float().div_(255)
    images.sub_(images.mean()).div_(images.std())
    targets = torch.frombuffer(bytearray(labels), dtype=torch.uint8).long()
    network = build(args.genome, args.norm, 1, int(targets.max()) + 1)
    parameters = sum(p.numel() for p in network.parameters())
    if args.channels_last:
        images = images.to(memory_format=torch.channels_last)
        network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=1e-3,
        **({} if args.optimizer == "loop" else {args.optimizer: True}),
    )
    forward = torch.compile(network) if args.compile else network
    cross_entropy = torch.nn.functional.cross_entropy

    def step(first, end):
        optimizer.zero_grad(set_to_none=True)
        loss = cross_entropy(forward(images[first:end]), targets[first:end])
        loss.backward()
        optimizer.step()
        return loss.detach()

    peer.serve(step, args.batch, count, parameters)


main()
