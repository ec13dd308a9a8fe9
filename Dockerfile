# docker build -t scanstep .
# docker run -p 8080:8080 -v "$PWD/Models:/models:ro" scanstep
#
# The build stage and the runtime image are the same Debian release, so that the shared libraries match.

FROM swift:6.3-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends libcurl4-openssl-dev libsimdjson-dev libsqlite3-dev libssl-dev pkg-config zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
# Dependencies in a layer of their own: they change less often than the sources.
COPY Package.swift ./
RUN swift package resolve
COPY openapi.yaml ./
COPY Sources Sources
# The manifest names the test targets; their folders must exist though nothing of them is built.
COPY Tests Tests
# x86-64-v3 (AVX2, FMA) unless told otherwise; no other level has been measured.
ARG SCANSTEP_MARCH=x86-64-v3
# What the metric scanstep_build_info tells: --build-arg SCANSTEP_COMMIT="$(git rev-parse HEAD)"
ARG SCANSTEP_COMMIT=
RUN SCANSTEP_MARCH="$SCANSTEP_MARCH" SCANSTEP_COMMIT="$SCANSTEP_COMMIT" swift build -c release --product scanstep --static-swift-stdlib \
    && install -D --strip "$(swift build -c release --show-bin-path)/scanstep" /out/scanstep

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libsimdjson14 libsqlite3-0 libssl3 libstdc++6 zlib1g \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/scanstep /usr/local/bin/scanstep
COPY Models /models
# For --state-dir: a volume that is mounted here for the first time belongs to the server's user too.
RUN install -d -m 0700 -o 10001 -g 10001 /state
USER 10001:10001
EXPOSE 8080
# bash opens the socket itself: the image needs no HTTP client.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /livez HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
ENTRYPOINT ["/usr/local/bin/scanstep"]
CMD ["serve", "--models", "/models", "--host", "0.0.0.0", "--port", "8080"]
