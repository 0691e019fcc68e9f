/* The tuner and the disk: a device gets the tuning that was kept, or one that is made and kept now.
 */
#include <stdlib.h>

#include "cl_kernels/tuner.h"
#include "cl_kernels/tuning.h"
#include "cl_kernels/tuning_file.h"
#include "pipeline/base/log.h"

static enum error give(struct device *device, struct tuning *tuning)
{
    struct tuning *own = malloc(sizeof *own);
    if (own == NULL)
        return error_set(ERR_INTERNAL, "out of memory for a tuning");
    *own = *tuning;
    *tuning = (struct tuning){0};
    device_set_tuning(device, own);
    return gemm_use(device, tuning_product(own));
}

enum error tuner_use(struct device *device)
{
    struct tuning tuning;
    enum error err = tuning_load(&tuning, device);
    if (err == ERR_NONE && (tuning.count > 0 || tuning.product_count > 0))
        err = give(device, &tuning);
    tuning_free(&tuning);
    return err;
}

enum error tuner_use_text(struct device *device, const char *text)
{
    char key[TUNING_KEY_SIZE];
    const char *why;
    struct tuning tuning = {0};
    tuning_key(key, device);
    enum error err = tuning_parse(&tuning, text, key, &why);
    if (err == ERR_NONE)
        err = give(device, &tuning);
    tuning_free(&tuning);
    return err;
}

/* The classes of a request that are to be timed; malloc'ed. */
static enum error select_classes(struct tune_class **selected, size_t *count,
                                 const struct tuning *tuning, const struct tuner_request *request)
{
    *count = 0;
    *selected = calloc(request->count > 0 ? request->count : 1, sizeof **selected);
    if (*selected == NULL)
        return error_set(ERR_INTERNAL, "out of memory for %zu classes", request->count);
    for (size_t i = 0; i < request->count; i++) {
        bool timed, has = tuning_has(tuning, &request->classes[i], &timed);
        if (request->again || !has || (request->untimed && !timed))
            (*selected)[(*count)++] = request->classes[i];
    }
    return ERR_NONE;
}

static bool products_are_timed(const struct tuning *tuning)
{
    for (int i = 0; i < tuning->product_count; i++)
        if (tuning->products[i].status == TUNE_UNTIMED)
            return false;
    return tuning->product_count > 0;
}

/* Classes or products, as it is asked. *changed: something was timed. */
static enum error time_request(bool *changed, struct tuning *tuning, struct device *device,
                               const struct tuner_request *request)
{
    enum error err = ERR_NONE;
    struct tune_class *classes = NULL;
    size_t count;
    if (request->products) {
        *changed = request->again || !products_are_timed(tuning);
        if (*changed)
            err =
                tuner_products(tuning, device, request->classes, request->count, request->seconds);
        return err;
    }
    TRY(gemm_use(device, tuning_product(tuning)));
    TRY(select_classes(&classes, &count, tuning, request));
    *changed = count > 0;
    if (*changed) {
        log_event(LOG_INFO,
                  "tuning %zu kinds of convolutions for %s, about %.0f s; this is done "
                  "once",
                  count, device_get_info(device)->name, request->seconds);
        TRY(tuner_run(tuning, device, classes, count, request->seconds));
    }
out:
    free(classes);
    return err;
}

enum error tuner_prepare(struct device *device, const struct tuner_request *request)
{
    enum error err = ERR_NONE;
    struct tuning tuning = {0};
    bool changed;
    int lock = tuning_lock(device);
    if (lock < 0) {
        log_event(LOG_WARNING, "nothing is tuned that is not there: no directory to keep it in can "
                               "be written to (XDG_CACHE_HOME says where)");
        return tuner_use(device);
    }
    device_set_tuning(device, NULL); /* what is timed are the rules and their variants */
    TRY(tuning_load(&tuning, device));
    TRY(time_request(&changed, &tuning, device, request));
    if (changed && !tuning_store(&tuning, device))
        goto out;
    TRY(give(device, &tuning));
out:
    tuning_free(&tuning);
    tuning_unlock(lock);
    return err;
}
