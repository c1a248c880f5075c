#!/usr/bin/env bash
# Installs Debian's Chromium, which the browser tests drive; does nothing where it is there already.
set -euo pipefail
if command -v chromium >/dev/null; then
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "chromium is not installed: the browser tests will be skipped (needs root and apt-get)" >&2
    exit 0
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends chromium >/dev/null
