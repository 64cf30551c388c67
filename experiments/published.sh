#!/usr/bin/env sh
# Three paintings by the clock, beside pictures that published networks made of the same photos: the
# sizes of the paintings and content errors are about theirs. Goes on where it was stopped.
#   PEERS=pictures FSTSTYLE_ASSETS=… sh experiments/published.sh
# with a folder of pictures for each painting in PEERS, named as the photos in $FSTSTYLE_ASSETS/content.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-experiments/published}
TIME=${TIME:-60m}
A=$FSTSTYLE_ASSETS
PEERS=${PEERS:-$A/peers/lengstrom}
fststyle() { "$PYTHON" -m fststyle "$@"; }

while read -r painting size error; do
  fststyle train --resume --style "$A/styles/$painting.jpg" --content "$A/photos_free/image" \
    --val "$A/photos/val" --name "$painting" --run-dir "$OUT/$painting" --method plain \
    --time "$TIME" --batch-size 1 --style-size "$size" --content-error "$error" \
    --stability-weight 0 --grain 0 < /dev/null # as measured, before these were on by default
  fststyle evaluate "$OUT/$painting/$painting.safetensors" "$PEERS/$painting" \
    --photos "$A/content" --style "$A/styles/$painting.jpg" --size 512 \
    --json "$OUT/$painting.json" --sheet "$OUT/$painting.jpg" --overwrite < /dev/null
done << PAINTINGS
the_scream 512 0.61
great_wave 640 0.8
udnie 512 0.88
PAINTINGS
