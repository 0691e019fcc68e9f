#include "pipeline/weights.h"

#include <sys/stat.h>
#include <unistd.h>

#include "inputs/safetensors.h"
#include "pipeline/run_directory.h"

enum error weights_load(struct model *model, struct settings *settings, const char *operand)
{
    enum error err = ERR_NONE;
    struct stat status;
    char path[RUN_PATH_SIZE];
    if (stat(operand, &status) != 0 || !S_ISDIR(status.st_mode))
        return safetensors_read(model, operand);
    TRY(run_path(path, operand, RUN_WEIGHTS));
    if (access(path, F_OK) != 0)
        return error_set(ERR_USAGE,
                         "%s has no %s: it is not a run, or its best genome is not confirmed yet",
                         operand, RUN_WEIGHTS);
    TRY(safetensors_read(model, path));
    if (settings != NULL) {
        TRY(run_path(path, operand, RUN_SETTINGS));
        err = settings_read_file(settings, NULL, path);
        if (err != ERR_NONE)
            model_free(model);
    }
out:
    return err;
}
