# redis-bridge. Build from the repository's root:
#   docker build -f envoy/docker/bridge.Dockerfile -t tidegate/redis-bridge .
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --profile dist -p redis-bridge && cp target/dist/redis-bridge /redis-bridge

FROM debian:bookworm-slim
# For `rediss://` without a CA of your own.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && install -d -m 0770 -o 65532 -g 65532 /run/tidegate
COPY --from=build /redis-bridge /usr/local/bin/redis-bridge
# Nobody's user. Envoy's needs this group to reach the socket (0660), or give both containers another one.
USER 65532:65532
# Not ready, BYE to every worker, what was accepted is answered: allow 10 s, and the longest `max_delay` more.
STOPSIGNAL SIGTERM
# The admin listener: /healthz, /readyz, /metrics.
EXPOSE 10040
ENTRYPOINT ["redis-bridge"]
