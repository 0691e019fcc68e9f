#!/usr/bin/env python3
"""What the best network says of images, in onnxruntime: classify.py MODEL.onnx IMAGES-IDX.gz

The first 20 images of a gzip IDX file, a line each: number, class, probability.
"""
import gzip
import sys

import numpy
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1])
about = session.get_modelmeta().custom_metadata_map
_, channels, height, width = session.get_inputs()[0].shape

with gzip.open(sys.argv[2]) as file:
    dimensions = file.read(4)[3]
    sizes = numpy.frombuffer(file.read(4 * dimensions), ">u4")
    pixels = numpy.frombuffer(file.read(), numpy.uint8)
# IDX: image, row, column, and channel if there is more than one; the network: channels first.
pixels = pixels.reshape(sizes[0], height, width, channels).transpose(0, 3, 1, 2)[:20]
image = (pixels / 255 - float(about["pixel_mean"])) / float(about["pixel_std"])

logits, = session.run(["logits"], {"image": image.astype(numpy.float32)})
odds = numpy.exp(logits - logits.max(axis=1, keepdims=True))
probabilities = odds / odds.sum(axis=1, keepdims=True)
names = about.get("class_names", ",".join(map(str, range(logits.shape[1])))).split(",")
for number, row in enumerate(probabilities):
    print(f"{number:3}  {names[row.argmax()]:20}  {row.max():.3f}")
