/*
 * Times families and tiles of convolutions on a device. A candidate is first compared with the CPU
 * twin on a small case (check_conv.h); one whose results are wrong beyond the usual tolerance, or
 * whose bits differ from those of other tiles of its family, is disqualified. Then all passes of
 * all candidates are timed in turn, several rounds, and the shortest times count. Something else
 * than the rule is chosen only where it is clearly faster.
 */
#ifndef CLADE_CL_KERNELS_TUNER_H
#define CLADE_CL_KERNELS_TUNER_H

#include <stdbool.h>
#include <stddef.h>

#include "cl_kernels/device.h"

struct tune_class; /* tuning.h */

/* What a tuning depends on, hashed: hexadecimal digits. */
void tuning_key(char key[TUNING_KEY_SIZE], const struct device *device);

/*
 * Times the classes in order for about `seconds` and adds their rows to the tuning, replacing those
 * they had. Classes for which there was no time, or no memory, get rows that say so, so that a
 * later start does not choose differently; those that had been timed keep what they have. Kernels
 * that have to be compiled count.
 */
enum error tuner_run(struct tuning *tuning, struct device *device, const struct tune_class *classes,
                     size_t count, double seconds);

/*
 * Times CLBlast's products with its own parameters and then with other sets (gemm.h), as they are
 * needed for the classes that CLBlast may convolve, for about `seconds`, and replaces the products
 * of the tuning; classes in which CLBlast was timed with other parameters are removed. Nothing
 * happens where CLBlast may convolve none. Leaves the device with the last set,
 * so it is for a process that ends soon: CLBlast cannot be told to use its own again.
 */
enum error tuner_products(struct tuning *tuning, struct device *device,
                          const struct tune_class *classes, size_t count, double seconds);

/*
 * Makes sure that the device's tuning on disk has all the classes, and gives it to the device.
 * Waits for another process that tunes the same device. `again`: classes are timed though they are
 * there; `untimed`: also those for which there was no time before. Where nothing can be kept on
 * disk, nothing is timed, for rules alone are the same every time; what is there is given all the
 * same.
 */
struct tuner_request {
    const struct tune_class *classes; /* the most important first, each once */
    size_t count;
    double seconds;
    bool again, untimed;
    bool products; /* sets of parameters for CLBlast (tuner_products()) instead of the classes */
};
enum error tuner_prepare(struct device *device, const struct tuner_request *request);

/* Gives the tuning on disk, as it is, to the device. */
enum error tuner_use(struct device *device);

/* Gives the device one that was kept elsewhere as text (tuning_format()). One that is not whole, or
   of another device, is ERR_DATA. */
enum error tuner_use_text(struct device *device, const char *text);

#endif
