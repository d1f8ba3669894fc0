# The sample upstream. Build from the repository's root:
#   docker build -f envoy/docker/upstream.Dockerfile -t tidegate/sample-upstream .
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --profile local -p tidegate-stack --bin stack && cp target/local/stack /stack

FROM debian:bookworm-slim
COPY --from=build /stack /usr/local/bin/stack
ENTRYPOINT ["stack"]
