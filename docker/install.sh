#!/bin/sh
# Build hexdet's wheel from its sources, and put it into /opt/hexdet: install.sh SOURCES
set -eu
sources=$1
here=$(dirname "$0")
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
python3 -m venv /tmp/builder
/tmp/builder/bin/python -m pip install --quiet -c "$here/constraints.txt" setuptools
/tmp/builder/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /tmp/dist "$sources"
/opt/hexdet/bin/python -m pip install --quiet --no-deps --no-index /tmp/dist/hexdet-*.whl
/opt/hexdet/bin/python -m pip check
# What is installed stays as it is: a container is built anew, not changed.
/opt/hexdet/bin/python -m pip uninstall --quiet --yes pip
rm -rf /tmp/builder /tmp/dist
/opt/hexdet/bin/hexdet --help >/dev/null
