#if arch(x86_64) && !SCANSTEP_MARCH
    import CLinux
#endif

/// Ends the program on a processor that lacks what the kernels were compiled for, instead of in the middle of a
/// request.
func requireProcessor() throws {
    #if arch(x86_64) && !SCANSTEP_MARCH
        guard linux_has_x86_64_v3() else {
            throw Failure(
                "this processor lacks AVX2, FMA or F16C (x86-64-v3); build with SCANSTEP_MARCH set to what it has")
        }
    #endif
}
