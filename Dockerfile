# One image for the three programs: wherry-api, wherry-operator and wherry-jobrunner.
# Builds with docker and with Debian's buildah. BASE is any Debian or Ubuntu image with Python 3.11
# or newer, venv and ca-certificates; of it only what runs is taken: the image has no shell, no
# package manager and no program but Python.
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build
# Where the builder's network needs its own certificates or package index: these are seen by pip
# during the build and are no part of the image.
ARG PIP_CERT
ARG PIP_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 SOURCE_DATE_EPOCH=315532800
WORKDIR /src
# The tools stay in /opt/build, so the copied environment has no pip in it.
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/wherry
COPY requirements.lock deploy/image/build-requirements.lock ./
RUN /opt/build/bin/pip install --require-hashes --only-binary :all: -r build-requirements.lock \
 && /opt/build/bin/pip --python /opt/wherry/bin/python install \
      --require-hashes --only-binary :all: --no-compile -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY api api
COPY operator operator
COPY jobrunner jobrunner
COPY core core
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /opt/build/dist . \
 && /opt/build/bin/pip --python /opt/wherry/bin/python install \
      --no-index --no-deps --no-compile /opt/build/dist/*.whl
COPY deploy/image/collect_root.py ./
RUN PYTHONHASHSEED=0 python3 collect_root.py /opt/wherry /image

FROM scratch
LABEL org.opencontainers.image.title="wherry" \
      org.opencontainers.image.description="Bundles S3 objects into one archive on Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image /
ENV PATH=/opt/wherry/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /
CMD ["wherry-api"]
