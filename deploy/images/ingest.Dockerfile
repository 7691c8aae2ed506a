# ingest: DICOM in, durable on disk, events out.
# Build from the repository root: docker build -f deploy/images/ingest.Dockerfile -t voorrang-ingest:0.1.0 .
# The base is pinned by tag; put its digest here where a registry can be reached.

FROM python:3.11-slim-bookworm AS wheel
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY voorrang voorrang
COPY ingest ingest
COPY inference inference
COPY worklist worklist
COPY monitoring monitoring
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip,target=/etc/pip.conf,required=false \
    pip wheel --no-deps --wheel-dir /dist .

FROM python:3.11-slim-bookworm AS install
RUN python -m venv /opt/voorrang
ENV PATH=/opt/voorrang/bin:$PATH
WORKDIR /build
COPY constraints.txt ./
COPY --from=wheel /dist dist
# Our wheel first and by file, so that pip looks up no "voorrang" on any index; then what the extras ask for.
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip,target=/etc/pip.conf,required=false \
    pip install --no-deps dist/*.whl \
    && pip install -c constraints.txt 'voorrang[ingest,postgresql]' \
    && pip check \
    && python -c "import importlib.util as u, sys; sys.exit('torch in this image' if u.find_spec('torch') else 0)"

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="voorrang-ingest" \
      org.opencontainers.image.description="Research. Not CE-marked. Not for clinical use." \
      org.opencontainers.image.licenses="Apache-2.0"
# The same uid and folders in every image: the volumes are shared, and a new volume takes its owner from here.
RUN groupadd --gid 10001 voorrang \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin voorrang \
    && install -d -m 0750 -o 10001 -g 10001 /var/lib/voorrang /var/lib/voorrang/archive /var/lib/voorrang/pictures
COPY --from=install /opt/voorrang /opt/voorrang
ENV PATH=/opt/voorrang/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /var/lib/voorrang
EXPOSE 11112 2575 9101
# Without proxies: a proxy set for all containers must not answer for this one. Any answer but 2xx raises, exit 1.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:9101/-/ready', timeout=4)"]
ENTRYPOINT ["voorrang"]
CMD ["ingest", "serve"]
