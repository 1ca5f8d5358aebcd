# One image for the API, the relay, the worker and the migrations, and one for the tests.

FROM python:3.13-slim AS base
ENV PATH=/opt/venv/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_INPUT=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app


FROM base AS packages
COPY requirements.lock ./
RUN python3 -m venv /opt/venv \
 && pip install --quiet --require-hashes --no-deps --requirement requirements.lock


FROM base AS test-packages
COPY requirements-dev.lock ./
RUN python3 -m venv /opt/venv \
 && pip install --quiet --require-hashes --no-deps --requirement requirements-dev.lock


FROM base AS test
RUN useradd --uid 10001 --create-home ketlog
COPY --from=test-packages /opt/venv /opt/venv
COPY . .
# A checkout may be readable by its owner alone.
RUN chmod -R a+rX . && chown ketlog .
USER 10001:10001
ENTRYPOINT ["python", "-m", "infrastructure.local.container"]
CMD ["python", "-m", "pytest", "-p", "no:cacheprovider", "tests/conformance", "tests/integration"]


FROM base AS runtime
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ketlog
COPY --from=packages /opt/venv /opt/venv
COPY domain domain
COPY infrastructure infrastructure
COPY migrations migrations
COPY relay relay
COPY service service
# A new volume takes its owner from here.
RUN chmod -R a+rX . && python -m compileall -q . && install -d -o 10001 -g 10001 /var/lib/ketlog
USER 10001:10001
EXPOSE 8000
ENTRYPOINT ["python", "-m", "infrastructure.local.container"]
CMD ["python", "-m", "service.api"]
