#!/bin/sh
# Resolve requirements/*.txt: hashes for every file, no address of any index.
set -eu
lock() {
    .venv/bin/python -m uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 "$@"
}
lock requirements/build.in -o requirements/build.txt
lock pyproject.toml -o requirements/core.txt
lock pyproject.toml --all-extras -c requirements/build.in -o requirements/all.txt
