#include "Build.h"

// The manifest defines what it knows of the build.
#ifndef SCANSTEP_COMMIT
#define SCANSTEP_COMMIT ""
#endif
#ifndef SCANSTEP_MARCH
#define SCANSTEP_MARCH ""
#endif

const char *cbuild_commit(void) { return SCANSTEP_COMMIT; }

const char *cbuild_march(void) { return SCANSTEP_MARCH; }
