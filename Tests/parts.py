"""The parts of `make test` and `make soak`, one line each: `make test` runs those without `soak`, `make soak` all.

A command is bash's, run at the root of the repository. It prints `N passed, N failed` at its end, or counts as one.
"""

import dataclasses
import os
import sys

SWIFT = os.environ.get("SWIFT", "swift")
MODELS = os.environ.get("MODELS", "Models")
FUZZ_SECONDS = os.environ.get("FUZZ_SECONDS", "600")

PYTHON = ".venv/bin/python"
SCANSTEP = ".build-test/release/scanstep"
CLIENTS = f"{PYTHON} Tests/clients.py --scanstep {SCANSTEP}"
RELEASE = ".build/release/scanstep"
BUNDLE = ".build-test/release/scanstepPackageTests.xctest --testing-library swift-testing"
"""Every test of Swift; it runs beside others, where `swift test` would wait for the build folder."""

# Optimised: kernels in a debug build are hundreds of times slower.
OPTIMISED = "-c release --disable-index-store -Xswiftc -enable-testing"
# SwiftPM leaves out swift-testing by itself where a package has an XCTMain.swift.
SWIFT_TEST = f"{SWIFT} test --enable-swift-testing --disable-xctest {OPTIMISED}"
ADDRESS = f"{SWIFT_TEST} --scratch-path .build-address --sanitize address"
THREAD = f"{SWIFT_TEST} --scratch-path .build-thread --sanitize thread"
LEAKS = "LSAN_OPTIONS=suppressions=$PWD/Tests/Sanitizers/leaks.txt:print_suppressions=0"


@dataclasses.dataclass(frozen=True)
class Part:
    """One command, its log, and its line in the table at the end."""

    name: str
    command: str
    needs: tuple[str, ...] = ()
    """Parts that must have passed before."""
    soak: bool = False
    """Takes long, and belongs to `make soak` alone."""
    cores: int = 1
    """How many processor cores it keeps busy."""


# Two --sanitize flags together would leave the code uninstrumented: the first links libFuzzer, the second adds both.
FUZZ_BUILD = (
    f"SCANSTEP_FUZZ=1 {SWIFT} build {OPTIMISED} --scratch-path .build-fuzz"
    " --sanitize fuzzer -Xswiftc -sanitize=fuzzer,address -Xcxx -fsanitize=address"
)

PARTS = [
    Part("build", f"{SWIFT} build {OPTIMISED} --scratch-path .build-test --build-tests"),
    Part("python", "make --no-print-directory .venv/ready"),
    Part("format", f"{SWIFT} format lint --strict --recursive Package.swift Sources Tests"),
    Part("layers", f"{sys.executable} Tests/layers.py"),
    Part("openapi", f"{PYTHON} Tests/openapi.py", ("python",)),
    Part("dependencies", f"{sys.executable} Tests/dependencies.py", ("build",)),
    Part("linkage", f"Tests/linkage.sh {SCANSTEP}", ("build",)),
    Part("unit", f"{BUNDLE} --skip IntegrationTests", ("build",)),
    # On their own: they block threads that the tasks of the unit tests need.
    Part("integration", f"{BUNDLE} --filter IntegrationTests", ("build",)),
    Part("curl", f"PYTHON={PYTHON} Tests/curl.sh {SCANSTEP} {MODELS}", ("build", "python")),
    *(
        Part(f"clients-{groups.partition(',')[0]}", f"{CLIENTS} --only {groups}", ("build", "python"))
        for groups in ("schemathesis", "converter", "http,tls,keys,bare,identity", "tokenizers", "triton,kserve")
    ),
    Part("leaks", f"{PYTHON} Tests/leaks.py --scanstep {SCANSTEP} --requests 4000", ("build", "python")),
    Part("training", f"{PYTHON} Tests/training.py --scanstep {SCANSTEP}", ("build", "python")),
    # The release is built without the access that tests have.
    Part("release-build", f"{SWIFT} build -c release --product scanstep", soak=True),
    Part("release-linkage", f"Tests/linkage.sh {RELEASE}", ("release-build",), soak=True),
    Part("release-curl", f"PYTHON={PYTHON} Tests/curl.sh {RELEASE}", ("release-build", "python"), soak=True),
    Part("kill", f"SCANSTEP_KILL_ROUNDS=1000 {BUNDLE} --filter KillTests", ("build",), soak=True),
    *(
        Part(f"full-{group}", f"{CLIENTS} --full --only {group}", ("build", "python"), soak=True)
        for group in ("tokenizers", "schemathesis")
    ),
    Part("full-training", f"{PYTHON} Tests/training.py --scanstep {SCANSTEP} --full", ("build", "python"), soak=True),
    Part("full-leaks", f"{PYTHON} Tests/leaks.py --scanstep {SCANSTEP} --requests 100000", ("build", "python"), soak=True),
    # KServe's package depends on 400 MB of packages for Kubernetes: it has an environment of its own.
    Part("kserve-python", "make --no-print-directory .venv-kserve/ready", soak=True),
    Part("kserve", f".venv-kserve/bin/python Tests/clients.py --scanstep {SCANSTEP} --only kserve,kserve-package", ("build", "kserve-python"), soak=True),
    Part("checker", f"{PYTHON} Tests/checker.py --scanstep {SCANSTEP} --operations 500000 --kills 200", ("build", "python"), soak=True, cores=2),
    Part("memory", f"{PYTHON} Tests/soak_memory.py --scanstep {SCANSTEP}", ("build", "python"), soak=True),
    Part("models", f"{PYTHON} Tests/soak_models.py --scanstep {SCANSTEP}", ("build", "python"), soak=True),
    Part("fuzz-build", FUZZ_BUILD, soak=True, cores=2),
    # Each fuzzer must find a crash that is planted in it.
    Part("fuzz-planted", "Tests/Fuzz/run.sh .build-fuzz 20 planted", ("fuzz-build",), soak=True, cores=2),
    Part("fuzz", f"Tests/Fuzz/run.sh .build-fuzz {FUZZ_SECONDS}", ("fuzz-planted",), soak=True, cores=2),
    # A server in which a sanitizer finds a race or a leak exits with a status of its own, which fails the test that
    # runs it. The malloc of neither is the one whose calls AllocationTests count, and the 1.6 million tokens of idleLimit take
    # the thread sanitizer longer than a client waits.
    Part("sanitize-address", f"{LEAKS} {ADDRESS} --skip 'IntegrationTests|AllocationTests'", soak=True, cores=2),
    Part("sanitize-address-integration", f"{LEAKS} {ADDRESS} --skip-build --filter IntegrationTests", ("sanitize-address",), soak=True),
    Part("sanitize-thread", f"{THREAD} --skip 'IntegrationTests|AllocationTests'", soak=True, cores=2),
    Part("sanitize-thread-integration", f"{THREAD} --skip-build --filter IntegrationTests --skip idleLimit", ("sanitize-thread",), soak=True),
]  # fmt: skip
