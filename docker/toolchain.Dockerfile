# syntax=docker/dockerfile:1
# Everything, for x86-64: train, export, quantize, report, bench. Qualcomm's pip libraries are
# installed from the package index when the image is built; whoever passes the image on passes them
# on, so read their licence first.
#
#   docker build -f docker/toolchain.Dockerfile -t hexdet-toolchain .
#   docker build -f docker/toolchain.Dockerfile -t hexdet-toolchain --build-arg GPU=cuda .
#   docker run --rm -v "$PWD/build:/work/build" hexdet-toolchain export heads
#
# An installed Qualcomm SDK is mounted, never copied: see compose.sdk.yaml.
ARG BASE=docker.io/library/debian:bookworm-20250520-slim

FROM ${BASE} AS system
COPY docker/system.sh /setup/
RUN /setup/system.sh ca-certificates python3

FROM system AS build
RUN /setup/system.sh python3-venv
COPY docker/packages.sh constraints.txt pyproject.toml /setup/
# none: torch for the CPU; cuda: torch with its CUDA libraries, for a host with NVIDIA's driver.
ARG GPU=none
# A mirror of PyTorch's index for the CPU; empty: what pip is set up with.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN /setup/packages.sh toolchain
COPY docker/install.sh /setup/
COPY . /src
RUN /setup/install.sh /src

FROM system
COPY docker/user.sh docker/healthy.sh /setup/
RUN /setup/user.sh
COPY --from=build /opt/hexdet /opt/hexdet
ENV PATH=/opt/hexdet/bin:$PATH \
    HOME=/tmp \
    HEXDET_DATA=/data \
    PYTHONUNBUFFERED=1
USER 1000:1000
WORKDIR /work
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["/setup/healthy.sh"]
ENTRYPOINT ["hexdet"]
CMD ["--help"]
