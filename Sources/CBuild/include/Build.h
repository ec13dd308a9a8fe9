#pragma once

// What the program was built from and for.

/// The commit that SCANSTEP_COMMIT named at the build; empty where none was named.
const char *_Nonnull cbuild_commit(void);

/// The level of processors that kernels are compiled for.
const char *_Nonnull cbuild_march(void);
