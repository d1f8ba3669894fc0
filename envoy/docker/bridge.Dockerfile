# redis-bridge. Build from the repository's root:
#   docker build -f envoy/docker/bridge.Dockerfile -t tidegate/redis-bridge .
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --profile dist -p redis-bridge && cp target/dist/redis-bridge /redis-bridge

FROM debian:bookworm-slim
COPY --from=build /redis-bridge /usr/local/bin/redis-bridge
ENTRYPOINT ["redis-bridge"]
