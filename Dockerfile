# The product in one image: web, worker, provisioner, beat, relay (docs/docker.md).
#   scripts/image            builds freehold:<version>
#
# Everything is made in the first stage, from the lock file with its hashes; the second has no compiler,
# no pip of ours and nothing that its user could change.

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/image.txt /build/image.txt
# First the wheels (one package comes as source only), then an environment out of nothing else. Compiled here:
# with a root filesystem that is read only nothing could be later.
RUN python -m venv /build/venv \
 && /build/venv/bin/pip wheel --quiet --require-hashes --no-deps --wheel-dir /build/wheels -r /build/image.txt \
 && python -m venv --without-pip /opt/venv \
 && /build/venv/bin/pip --python /opt/venv/bin/python install --quiet --no-index --no-deps --no-compile /build/wheels/*.whl \
 && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib \
 && chmod -R u=rwX,go=rX /opt/venv
COPY config /app/config
COPY shared_apps /app/shared_apps
COPY tenant_apps /app/tenant_apps
COPY image /app/image
COPY manage.py pyproject.toml /app/
RUN /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /app \
 && chmod -R u=rwX,go=rX /app \
 && chmod 755 /app/image/*

# pg_dump and pg_restore of the newest PostgreSQL that the base offers, without Debian's wrappers, which bring Perl.
FROM python:3.11-slim-bookworm AS postgresql
ARG POSTGRESQL=15
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends "postgresql-client-${POSTGRESQL}" \
 && mkdir /clients \
 && cp "/usr/lib/postgresql/${POSTGRESQL}/bin/pg_dump" "/usr/lib/postgresql/${POSTGRESQL}/bin/pg_restore" \
       "/usr/lib/postgresql/${POSTGRESQL}/bin/psql" /clients/

FROM python:3.11-slim-bookworm
# What the PostgreSQL clients are linked with; versions are the base image's.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends libpq5 liblz4-1 libzstd1 libreadline8 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log \
 && groupadd --gid 10001 freehold \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin freehold \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/freehold /run/secrets/freehold \
 && for name in entrypoint start start-web start-celeryworker start-provisioner start-celerybeat start-relay start-flower; \
    do ln -s "/app/image/${name}" "/${name}"; done
COPY --from=postgresql /clients/ /usr/local/bin/
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
ENV PATH=/opt/venv/bin:/app/image:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=config.settings.production \
    HEARTBEAT_DIR=/tmp/heartbeat
WORKDIR /app
USER 10001:10001
EXPOSE 5000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=120s --retries=3 \
    CMD ["python", "-m", "config.container.health"]
ENTRYPOINT ["/entrypoint"]
CMD ["/start"]
# Last, because they change with every commit.
ARG VERSION=0
ARG COMMIT=
ARG CREATED=
LABEL org.opencontainers.image.title="freehold" \
      org.opencontainers.image.description="One Django product for many enterprise customers, a PostgreSQL schema each" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}" \
      org.opencontainers.image.created="${CREATED}"
ENV FREEHOLD_COMMIT="${COMMIT}"
