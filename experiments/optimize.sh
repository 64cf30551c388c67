#!/usr/bin/env sh
# Per-image optimization: its speed, the thesis's figures 10 to 13 as sheets, and trained networks and
# optimization in one table. Needs FSTSTYLE_ASSETS, and NETWORKS: style networks of Starry Night.
# Half an hour on 2 CPU cores; what is there is not made again.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-experiments/optimize}
SIZE=${SIZE:-256}
STEPS=${STEPS:-60}
NETWORKS=${NETWORKS:-}
A=$FSTSTYLE_ASSETS
PHOTOS="chicago tubingen venice_gondolas golden_gate2 mountain_lake taj_mahal"
STYLE=$A/styles/starry_night.jpg
mkdir -p "$OUT/photos"
for photo in $PHOTOS; do cp "$A/content/$photo.jpg" "$OUT/photos"; done
fststyle() { "$PYTHON" -m fststyle "$@"; }

pictures() { # NAME OPTIONS…
  name=$1
  shift
  fststyle optimize "$OUT/photos" --style "$STYLE" --output "$OUT/$name" --size "$SIZE" \
    --steps "$STEPS" --record --skip-existing "$@"
}

# Style weights at which the style losses agree within 5 %.
pictures plain --method plain
pictures weighted --method weighted --style-weight "${WEIGHTED:-2.8}"
pictures depth --method depth --style-weight "${DEPTH:-4.6}"
pictures combined --method combined --style-weight "${COMBINED:-3.3}"
pictures gradient --method weighted --weight-map horizontal --alpha-min 1 --alpha-max 10

files=""
for photo in $PHOTOS; do files="$files $OUT/photos/$photo.jpg"; done
fststyle compare "$OUT/gradient" --content $files --style "$STYLE" --height 256 \
  --output "$OUT/figure_10.png" --overwrite
fststyle compare --overwrite "$OUT/plain" "$OUT/weighted" "$OUT/depth" "$OUT/combined" --content $files \
  --style "$STYLE" --height 256 --output "$OUT/figures_11_to_13.png"
fststyle evaluate $NETWORKS "$OUT/plain" "$OUT/weighted" "$OUT/depth" "$OUT/combined" \
  --photos "$OUT/photos" --style "$STYLE" --json "$OUT/figures.json" --overwrite --sheet "$OUT/sheet.png" \
  --second-depth checkpoints/depth/hourglass.safetensors | tee "$OUT/figures.md"
bench() { # NAME OPTIONS…
  name=$1
  shift
  fststyle bench optimize --content "$A/content/chicago.jpg" --style "$STYLE" \
    --json "$OUT/$name.json" --overwrite "$@" | tee "$OUT/$name.txt"
}
bench speed --size 512x640 --steps 60
bench steps --size 256x320 --steps 300 ${NETWORKS:+--network ${NETWORKS%% *}}
