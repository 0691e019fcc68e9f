/* The names of a data set's classes: one text, separated by commas; "" stands for their numbers. */
#ifndef CLADE_INPUTS_CLASS_NAMES_H
#define CLADE_INPUTS_CLASS_NAMES_H

#include "inputs/settings.h"
#include "pipeline/base/error.h"

enum { CLASS_NAME_SIZE = 64 }; /* of one name where it is shown */

#define CLASS_NAMES_AUTO "auto"

/* ERR_USAGE unless `names` are `classes` names (0: any count), each of printable ASCII and not
   empty. */
enum error class_names_check(const char *names, int classes);

/* What data.class_names says; under "auto" the names of Fashion-MNIST where data.dir is called
   fashion-mnist and there are 10 classes, else "". Borrowed from *data, or constant. */
const char *class_names_of(const struct data_settings *data, int classes);

/* One name, cut to fit; the number where `names` does not have that many. */
void class_name(char out[CLASS_NAME_SIZE], const char *names, int index);

#endif
