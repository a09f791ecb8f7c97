# One file, two images: `docker build --target member` (MariaDB + Galera + the agent) and `--target operator`.

FROM debian:trixie-slim AS member
# ss (iproute2) and ps (procps) are what the state transfer scripts look at ports and processes with; socat and mariadb-backup
# carry a state transfer; rsync is the other method. Debian's package makes a database and a configuration for a machine:
# both are removed, the agent makes its own.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      galera-4 iproute2 mariadb-backup mariadb-client mariadb-server procps python3 rsync socat \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/lib/mysql/* /var/log/*.log /var/log/apt \
      /etc/mysql/mariadb.conf.d/* /etc/mysql/debian-start /etc/mysql/debian.cnf \
      /usr/share/doc/* /usr/share/man/* /usr/share/locale/* /usr/share/mysql/mysql-test \
 && mkdir -p /run/mysqld /docker-entrypoint-initdb.d && chown mysql:mysql /run/mysqld /var/lib/mysql
COPY operator/galera_operator/__init__.py /usr/lib/python3/dist-packages/galera_operator/__init__.py
COPY operator/galera_operator/core /usr/lib/python3/dist-packages/galera_operator/core
COPY operator/galera_operator/agent /usr/lib/python3/dist-packages/galera_operator/agent
RUN python3 -m compileall -q /usr/lib/python3/dist-packages/galera_operator
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 LANG=C.UTF-8
VOLUME /var/lib/mysql
# 3306 SQL, 4444 state transfer, 4567 group (TCP and UDP), 4568 incremental transfer, 9200 agent, 9201 HAProxy agent-check
EXPOSE 3306 4444 4567 4567/udp 4568 9200 9201
STOPSIGNAL SIGTERM
# Healthy means admitted, once; before that no failure counts, however long a state transfer takes (start-period). The agent
# holds its answer, so the moment of admission is the moment of health, and a check starts about once a minute.
HEALTHCHECK --interval=2s --timeout=60s --start-period=720h --retries=3 \
  CMD ["python3", "-I", "-S", "/usr/lib/python3/dist-packages/galera_operator/agent/health.py"]
ENTRYPOINT ["python3", "-m", "galera_operator.agent"]
CMD ["mariadbd"]
LABEL org.opencontainers.image.title="galera-operator member" \
      org.opencontainers.image.description="MariaDB with Galera for Docker Swarm; PID 1 is galera-operator's agent" \
      org.opencontainers.image.licenses="Apache-2.0"

FROM debian:trixie-slim AS python
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/share/doc/* /usr/share/man/*

# uv stays behind in this stage: only what uv.lock says, at the same path, gets into the image.
FROM python AS builder
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv \
 && python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check uv
ENV UV_PROJECT_ENVIRONMENT=/opt/galera-operator UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1
WORKDIR /src
# The locked dependencies change rarely: their own layer, before the source.
COPY pyproject.toml uv.lock ./
RUN /opt/uv/bin/uv sync --frozen --no-dev --no-install-project --compile-bytecode
COPY README.md LICENSE ./
COPY operator ./operator
COPY runbooks ./runbooks
RUN /opt/uv/bin/uv sync --frozen --no-dev --no-editable --compile-bytecode

FROM python AS operator
COPY --from=builder /opt/galera-operator /opt/galera-operator
ENV PATH=/opt/galera-operator/bin:$PATH PYTHONUNBUFFERED=1 GALERA_OPERATOR_JOURNAL_DIR=/var/lib/galera-operator
COPY operator/galera_operator/web/health.py /usr/local/lib/galera-operator/health.py
# Unhealthy: the loop hangs, so that Swarm starts it anew. A Swarm that cannot be read is no reason: that would not help.
HEALTHCHECK --interval=5s --timeout=10s --start-period=30s --retries=4 \
  CMD ["python3", "-I", "-S", "/usr/local/lib/galera-operator/health.py"]
# status page, /metrics, /healthz
EXPOSE 9300
ENTRYPOINT ["galera-operator"]
CMD ["run"]
LABEL org.opencontainers.image.title="galera-operator" \
      org.opencontainers.image.description="A Galera-aware MariaDB cluster operator for Docker Swarm" \
      org.opencontainers.image.licenses="Apache-2.0"
