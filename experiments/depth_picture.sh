#!/usr/bin/env sh
# The picture of docs/depth.md: one of scikit-image's photos, optimized under the four methods. Needs
# FSTSTYLE_ASSETS. A quarter of an hour on 2 CPU cores; what is there is not made again.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-experiments/depth_picture}
STYLE=$FSTSTYLE_ASSETS/styles/starry_night.jpg
fststyle() { "$PYTHON" -m fststyle "$@"; }

PHOTO=$OUT/demo/photos/astronaut.png
[ -d "$OUT/demo" ] || fststyle demo "$OUT/demo"
pictures() { # METHOD STYLE_WEIGHT
  fststyle optimize "$PHOTO" --style "$STYLE" --output "$OUT/$1/astronaut.png" --method "$1" \
    --style-weight "$2" --size 240 480 --steps 60 50 --record --skip-existing
}
pictures plain 16
pictures weighted 11
pictures depth 18
pictures combined 13
fststyle compare "$OUT/plain" "$OUT/weighted" "$OUT/depth" "$OUT/combined" \
  --content "$PHOTO" --height 256 --quality 85 --output "$OUT/depth.jpg" --overwrite
