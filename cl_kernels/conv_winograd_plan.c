#include "cl_kernels/conv_winograd_plan.h"

enum {
    /* Large tiles round worse: they are for where they save much and sums have many terms. */
    LARGE_PERCENT = 90,  /* of the products with small tiles, at most */
    LARGE_CHANNELS = 8,  /* at least */
    LARGE_PIXELS = 1000, /* of a full batch's output images, at least */
    MOST_CHUNK = 16,     /* images */
    LEAST_COLUMNS = 32,  /* tiles of a chunk, where the batch has as many */
    STRIP_COLUMNS = 48   /* of a strip, where an image has more than one */
};

/* Taps in a line, of a phase. */
static int line_taps(const struct conv_shape *shape)
{
    return shape->stride == 2 ? 3 : shape->kernel;
}

/* Pixels of a side of an output tile. */
static int output_side(const struct conv_shape *shape, int side)
{
    return side + 1 - line_taps(shape);
}

static int tiles_along(int pixels, int output)
{
    return (pixels + output - 1) / output;
}

/* Products that an image takes, a pair of channels. */
static double products(const struct conv_plan *plan, int side)
{
    int output = output_side(&plan->shape, side);
    double tiles =
        (double)tiles_along(plan->output.height, output) * tiles_along(plan->output.width, output);
    int along = plan->shape.stride == 2 ? 2 * side - 1 : side; /* of two phases */
    return tiles * along * along;
}

/* With three taps a line, large tiles put the results too far from the truth, but not the weight
   gradient. */
int winograd_side(const struct conv_plan *plan, bool weight_gradient)
{
    const struct conv_shape *s = &plan->shape;
    double pixels = (double)plan->batch * plan->output.height * plan->output.width;
    bool exact = weight_gradient ? pixels >= LARGE_PIXELS
                                 : line_taps(s) > 3 && s->channels_in >= LARGE_CHANNELS &&
                                       s->channels_out >= LARGE_CHANNELS;
    bool saves =
        100 * products(plan, WINOGRAD_LARGE) <= LARGE_PERCENT * products(plan, WINOGRAD_SMALL);
    return exact && saves ? WINOGRAD_LARGE : WINOGRAD_SMALL;
}

static int round_up(int value, int unit)
{
    return (value + unit - 1) / unit * unit;
}

/* Enough images for LEAST_COLUMNS tiles, then as many as waste the fewest places; or, of large
   images, strips of as many tiles, so that what is transformed stays in the cache. Follows from the
   rule's pixels, whatever the tiles: it decides the order of sums over a batch. */
static void choose_chunk(struct winograd_pass *p, int batch)
{
    int tiles = p->tiles_y * p->tiles_x, strips = tiles / STRIP_COLUMNS;
    double least_waste = 1e30;
    p->strip = p->tiles_y;
    if (strips > 1) {
        p->chunk = 1;
        p->strip = (p->tiles_y + strips - 1) / strips;
        p->columns = round_up(round_up(p->strip * p->tiles_x, WINOGRAD_PIXELS), p->pixels);
        return;
    }
    for (int chunk = 1; chunk <= MOST_CHUNK && chunk <= batch; chunk++) {
        int columns = round_up(chunk * tiles, WINOGRAD_PIXELS);
        double waste = (double)columns / (chunk * tiles) - 1.0;
        bool enough = chunk * tiles >= LEAST_COLUMNS || chunk == MOST_CHUNK || chunk == batch;
        if (enough && waste < least_waste - 0.005) {
            least_waste = waste;
            p->chunk = chunk;
            p->columns = round_up(columns, p->pixels);
        }
        if (enough && chunk * tiles >= 2 * LEAST_COLUMNS)
            break;
    }
}

/* Tiles lie on the smaller of the two images. */
struct winograd_pass winograd_plan_pass(const struct conv_plan *plan, enum winograd_kind kind)
{
    const struct conv_shape *shape = &plan->shape;
    const struct conv_tiles *tiles = &plan->tiles;
    bool gradient = kind == WINOGRAD_INPUT_GRADIENT;
    int phases = shape->stride * shape->stride;
    struct winograd_pass p = {
        .from = gradient ? plan->gradient : plan->input,
        .to = gradient                   ? plan->input_gradient
              : kind == WINOGRAD_FORWARD ? plan->output
                                         : plan->gradient,
        .channels = gradient ? shape->channels_out : shape->channels_in,
        .vectors = gradient ? tiles->group_transposed : tiles->group,
        .phases_from = gradient ? 1 : phases,
        .phases_to = gradient ? phases : 1,
        .pixels = gradient                   ? tiles->input_gradient
                  : kind == WINOGRAD_FORWARD ? tiles->forward
                                             : WINOGRAD_PIXELS,
        .side = kind == WINOGRAD_WEIGHT_GRADIENT ? tiles->weight_side : tiles->side,
    };
    p.groups = p.to.blocks / p.vectors;
    p.tiles_y = tiles_along(plan->output.height, output_side(shape, p.side));
    p.tiles_x = tiles_along(plan->output.width, output_side(shape, p.side));
    choose_chunk(&p, plan->batch);
    return p;
}

static size_t points(const struct winograd_pass *p)
{
    return (size_t)(p->side * p->side);
}

size_t winograd_read_floats(const struct winograd_pass *p)
{
    return points(p) * (size_t)(p->phases_from * p->from.blocks * p->from.lanes) *
           (size_t)p->columns;
}

size_t winograd_written_floats(const struct winograd_pass *p)
{
    return points(p) * (size_t)(p->phases_to * p->to.blocks * p->to.lanes) * (size_t)p->columns;
}

static size_t weight_floats(const struct winograd_pass *p)
{
    return points(p) * (size_t)(p->phases_from * p->channels) *
           (size_t)(p->phases_to * p->to.blocks * p->to.lanes);
}

size_t winograd_partial_floats(const struct winograd_pass *p)
{
    return weight_floats(p) + (size_t)(p->to.blocks * p->to.lanes);
}
