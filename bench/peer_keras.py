#!/usr/bin/env python3
"""Keras with TensorFlow on the CPU as a peer of bench/compare; see peer.py for what it is asked."""

import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import peer

try:
    import keras
    import numpy
    import tensorflow
except ImportError as error:
    peer.fail(4, f"no Keras here ({error}); install tensorflow-cpu in a venv and give --python")

ACTIVATIONS = {
    "relu": "relu",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "swish": "silu",
    "gelu": lambda x: keras.activations.gelu(x, approximate=False),
}


def describe():
    """What bench/compare may try: XLA compiles the whole step."""
    cores = len(os.sched_getaffinity(0))
    settings = []
    for processes, threads in sorted({(1, cores), (1, 1), (cores, 1)}):
        name = peer.setting_name(processes, threads)
        settings.append([name, processes, ["--threads", str(threads)]])
    return {
        "peer": "Keras",
        "version": f"{keras.__version__} (TensorFlow {tensorflow.__version__})",
        "settings": settings,
        "refinements": [["XLA", ["--xla"]]],
    }


def build(genome, norm, side, classes):
    """The network of a genome; channels last, as TensorFlow's CPU kernels have it."""
    layers = [keras.Input((side, side, 1))]
    for layer in genome.layers:
        # padding="same" pads one side less than kernel // 2 at stride 2
        layers.append(keras.layers.ZeroPadding2D(layer.kernel // 2))
        layers.append(
            keras.layers.Conv2D(
                layer.filters,
                layer.kernel,
                layer.stride,
                use_bias=norm == "none",
            )
        )
        if norm == "batch":
            layers.append(keras.layers.BatchNormalization())
        layers.append(keras.layers.Activation(ACTIVATIONS[layer.activation]))
    layers += [
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(64, activation=ACTIVATIONS[genome.head]),
        keras.layers.Dense(classes),
    ]
    return keras.Sequential(layers)


def main():
    """Lists or serves."""

    def add(parser):
        parser.add_argument("--threads", type=int, default=1)
        parser.add_argument("--xla", action="store_true")

    args = peer.arguments(__doc__, add)
    if args.list:
        print(json.dumps(describe()))
        return

    tensorflow.config.threading.set_intra_op_parallelism_threads(args.threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(args.threads)
    keras.utils.set_random_seed(1)
    pixels, labels, count, side = peer.training_images(args.data)
    images = numpy.frombuffer(pixels, numpy.uint8).reshape(count, side, side, 1)
    images = images.astype(numpy.float32) / 255
    images = tensorflow.constant((images - images.mean()) / images.std())
    targets = tensorflow.constant(numpy.frombuffer(labels, numpy.uint8).astype(numpy.int32))
    network = build(args.genome, args.norm, side, max(labels) + 1)
    optimizer = keras.optimizers.AdamW(1e-3)
    optimizer.build(network.trainable_variables)
    batch = args.batch

    @tensorflow.function(jit_compile=args.xla)
    def train(batch_images, batch_targets):
        with tensorflow.GradientTape() as tape:
            losses = tensorflow.nn.sparse_softmax_cross_entropy_with_logits(
                batch_targets, network(batch_images, training=True)
            )
            loss = tensorflow.reduce_mean(losses)
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply(gradients, network.trainable_variables)
        return loss

    def step(first, end):
        return train(images[first:end], targets[first:end])

    parameters = sum(int(numpy.prod(v.shape)) for v in network.trainable_variables)
    peer.serve(step, batch, count, parameters)


main()
