#!/bin/sh
# The browser tests need Chromium and its driver: as root on Debian install what is missing, elsewhere say what to do.
set -eu
if command -v chromium >/dev/null 2>&1 && command -v chromedriver >/dev/null 2>&1; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing chromium and chromium-driver ..."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium chromium-driver fonts-dejavu-core >/dev/null
else
    echo "browser tests are skipped: install Chromium and ChromeDriver (Debian, Ubuntu: apt install chromium chromium-driver)" >&2
fi
