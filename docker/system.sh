#!/bin/sh
# Install Debian packages and leave no lists behind: system.sh PACKAGE...
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q --no-install-recommends "$@"
rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log
