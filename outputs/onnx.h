/*
 * A model as ONNX (IR version 8, operators of opset 13), written in protobuf's wire format after
 * onnx.proto (https://github.com/onnx/onnx), of which only these few messages are needed.
 *
 * Input "image" float [batch][channels][height][width], of values (pixel / 255 - mean) / std;
 * output "logits" float [batch][classes]. swish is x Sigmoid(x), gelu the exact one, with Erf.
 * Genome, class names and preprocessing are in metadata_props.
 */
#ifndef CLADE_OUTPUTS_ONNX_H
#define CLADE_OUTPUTS_ONNX_H

#include "inputs/model.h"
#include "pipeline/base/error.h"

/* Replaces the file at `path` whole (file.h). `version` is the program's. ERR_OUTPUT names the
   file, also when it would be over the 2 GiB that protobuf allows. */
enum error onnx_write(const char *path, const struct model *model, const char *version);

#endif
