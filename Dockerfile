# The image of the sidecar: two stages, so that neither pip nor sources are in it. `make image` builds it; wheels exist for
# amd64 and arm64, so `--platform linux/amd64,linux/arm64` works with a builder that can do both.
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
# First what changes seldom. Every file that is installed has its digest in a lock.
COPY requirements-build.lock requirements-runtime.lock ./
RUN python3 -m venv /build \
    && python3 -m venv --without-pip /opt/sidecar \
    && /build/bin/pip install --require-hashes --only-binary :all: -r requirements-build.lock \
    && /build/bin/pip --python /opt/sidecar/bin/python install --require-hashes --only-binary :all: -r requirements-runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY sql sql
COPY sidecar sidecar
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /build/bin/pip --python /opt/sidecar/bin/python install --no-deps --no-index --find-links /wheels wso2-mediation-sidecar

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="WSO2 mediation sidecar" \
      org.opencontainers.image.description="Asynchronous REST through webhooks for WSO2 API gateways" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/sidecar /opt/sidecar
ENV PATH=/opt/sidecar/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# `sidecar.yaml` is looked for here. Nothing but /tmp is ever written, so the root may be read-only.
WORKDIR /etc/sidecar
USER 10001:10001
EXPOSE 8080 8081 8082
ENTRYPOINT ["sidecar"]
CMD ["serve"]
