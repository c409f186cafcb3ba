#!/bin/sh
# Make .venv with the pinned uv and setuptools. Needs python3 >= 3.11 with its venv module.
set -eu
python3 - <<'PY' || exit 1
import sys
if sys.version_info < (3, 11):
    sys.exit(f"moodstream needs python3 >= 3.11; this is {sys.version.split()[0]}")
PY
if [ ! -x .venv/bin/python ] && ! python3 -m venv .venv 2>/dev/null; then
    rm -rf .venv
    echo "python3 can't make a virtual environment here; on Debian or Ubuntu: apt install python3-venv" >&2
    exit 1
fi
echo "preparing .venv ..."
.venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/build.txt
