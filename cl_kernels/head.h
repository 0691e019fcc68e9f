/*
 * The fixed end of every network (head.cl): global average pooling, dense 64, activation, dense
 * classes, softmax cross-entropy, with gradients. All calls only enqueue.
 */
#ifndef CLADE_CL_KERNELS_HEAD_H
#define CLADE_CL_KERNELS_HEAD_H

#include "cl_kernels/conv.h"
#include "cl_kernels/device.h"
#include "cl_kernels/layout.h"

struct head_plan {
    struct layout input;    /* output of the last convolution */
    struct layout gradient; /* its dy */
    enum activation below;  /* of the last convolution */
    enum activation activation;
    const enum activation *each_below, *each; /* pack.h; must outlive the head */
    int classes;
    int batch;            /* images of a member at most */
    int members;          /* of a pack (conv.h); 0 counts as 1 */
    size_t member_stride; /* floats between their parameters, and their gradients */
    float smoothing;      /* of labels, 0..1 */
    /* Offsets in the flat parameters, floats: weights [channels][64], bias [64], weights
       [64][classes rounded up to 16], bias [the same]. */
    size_t weights_1, bias_1, weights_2, bias_2;
};

struct head {
    struct device *device;
    struct head_plan plan;
    int classes_stride;
    cl_kernel run, gradients, statistics;
    cl_mem pooled, hidden, logits, d_hidden, d_logits, losses, hits;
};

int head_classes_stride(int classes);

/* Bytes of the buffers that head_create() makes. */
uint64_t head_bytes(const struct layout *input, int classes, int batch, int members);

enum error head_create(struct head *head, struct device *device, const struct head_plan *plan);
void head_destroy(struct head *head);

/*
 * Loss and hits of images order[first .. first + members * images), x being their last activations,
 * `images` for each member. With
 * dx (not NULL) the gradients too: dx the gradient of the last convolution's sums, `kept` as in
 * struct conv_chain and in the layout of x; gradients of the dense weights into `gradients`.
 */
enum error head_run(struct head *head, cl_mem x, cl_mem kept, cl_mem parameters, cl_mem order,
                    cl_mem labels, int first, int images, cl_mem dx, cl_mem gradients);

/* statistics[step][member] = (sum of losses, hits) of the last head_run(); float pairs. */
enum error head_statistics(struct head *head, cl_mem statistics, int step, int images);

#endif
