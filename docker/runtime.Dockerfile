# syntax=docker/dockerfile:1
# What runs a bundle, on ARM64 boards and on x86-64: the base install, without torch.
#
#   docker build -f docker/runtime.Dockerfile -t hexdet-runtime .
#   docker buildx build --platform linux/arm64,linux/amd64 -f docker/runtime.Dockerfile -t NAME .
#   docker run --rm -v "$PWD/build:/work/build" hexdet-runtime detect build/heads build/street.jpg --out build/found
#
# The base image is pinned by its dated tag, which Debian does not move. Pin it harder with the
# digest that you have checked: --build-arg BASE=docker.io/library/debian:bookworm-20250520-slim@sha256:...
ARG BASE=docker.io/library/debian:bookworm-20250520-slim

FROM ${BASE} AS system
COPY docker/system.sh /setup/
RUN /setup/system.sh ca-certificates python3

FROM system AS build
RUN /setup/system.sh python3-venv
COPY docker/packages.sh constraints.txt pyproject.toml /setup/
RUN /setup/packages.sh
COPY docker/install.sh /setup/
COPY . /src
RUN /setup/install.sh /src

FROM system
COPY docker/user.sh docker/healthy.sh /setup/
RUN /setup/user.sh
COPY --from=build /opt/hexdet /opt/hexdet
ENV PATH=/opt/hexdet/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1
USER 1000:1000
WORKDIR /work
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["/setup/healthy.sh"]
ENTRYPOINT ["hexdet"]
CMD ["--help"]
