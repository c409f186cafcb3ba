# One image for all parts; EXTRAS="stream,gpu" adds torch for a worker on a GPU.
FROM python:3.11.13-slim-bookworm
ARG EXTRAS=stream,sources
RUN useradd --uid 10001 --create-home moodstream && install -d -o 10001 -g 10001 /data
WORKDIR /opt/moodstream
COPY requirements/build.txt requirements/all.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY pipeline pipeline
COPY producers producers
COPY models models
COPY consumers consumers
COPY dashboards dashboards
# The pinned list bounds every version; only what the extras need is installed.
RUN sed -e 's/ \\$//' -e '/^ *--hash/d' requirements/all.txt > /tmp/pins.txt \
    && python -m uv pip install --system --no-cache -c /tmp/pins.txt -e ".[${EXTRAS}]" \
    && rm /tmp/pins.txt
USER 10001:10001
WORKDIR /data
ENTRYPOINT ["moodstream"]
CMD ["--help"]
