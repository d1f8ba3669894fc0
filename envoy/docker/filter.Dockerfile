# The filter as Istio and Envoy Gateway fetch it: one layer with one file of this very name. Build after
# `make wasm`, without attestations, which would make the tag an index instead of an image:
#   docker buildx build --provenance=false -f envoy/docker/filter.Dockerfile -t tidegate/filter \
#     target/wasm32-wasip1/release
FROM scratch
COPY tidegate.wasm /plugin.wasm
