/*
 * An OpenCL driver that fails, for test_probe: it dies as soon as the loader asks it
 * anything.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(FAULT_CRASH)
#define FAULT raise(SIGKILL)
#elif defined(FAULT_EXIT)
#define FAULT _exit(3)
#endif

void *clGetExtensionFunctionAddress(const char *name);

void *clGetExtensionFunctionAddress(const char *name)
{
    (void)name;
    FAULT;
    return NULL;
}
