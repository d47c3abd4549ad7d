#!/bin/sh
# What somebody does first with a new install: help, doctor, a detection. Ends at the first failure.
# first_steps.sh HEXDET BUNDLE IMAGE OUT
set -eu
hexdet=$1 bundle=$2 image=$3 out=$4
"$hexdet" --help >/dev/null
"$hexdet" doctor --for detect
"$hexdet" detect "$bundle" "$image" --out "$out"
test -s "$out/detections.json"
# At least one object: an empty list would also be a file.
grep -q '"score"' "$out/detections.json"
echo "first steps: ok"
