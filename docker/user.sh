#!/bin/sh
# Make the user that everything runs as, its working folder, and where datasets are mounted.
set -eu
useradd --uid 1000 --user-group --no-create-home --home-dir /work --shell /usr/sbin/nologin hexdet
install -d -o hexdet -g hexdet /work /work/build
install -d /data
