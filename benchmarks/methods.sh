#!/usr/bin/env sh
# The thesis's four methods as trained networks, for two paintings, measured and drawn on photos not
# trained on. Same seed, steps and photos; style weights such that the style losses agree within 5 %.
# Needs FSTSTYLE_ASSETS. About an hour on 2 CPU cores; can be interrupted and started again.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-benchmarks/methods}
SETTING=${SETTING:---image-size 128 --batch-size 2 --steps 1200}
SIZE=${SIZE:-160}
A=$FSTSTYLE_ASSETS
mkdir -p "$OUT"
fststyle() { "$PYTHON" -m fststyle "$@"; }

train() { # PAINTING METHOD OPTIONS…
  painting=$1 method=$2
  shift 2
  fststyle train --resume --style "$A/styles/$painting.jpg" --content "$A/photos/train" \
    --val "$A/photos/val" --name "$method" --run-dir "$OUT/$painting/$method" --method "$method" \
    --picture-interval 400 --checkpoint-interval 400 $SETTING "$@"
}

judge() { # PAINTING
  networks=""
  for method in plain weighted depth combined; do
    networks="$networks $OUT/$1/$method/$method.safetensors"
  done
  fststyle evaluate $networks --photos "$A/photos/val" --size $SIZE \
    --second-depth checkpoints/depth/hourglass.safetensors \
    --json "$OUT/$1.json" --sheet "$OUT/$1.png" | tee "$OUT/$1.md"
  # The thesis's figures 11 to 13, on photos with strong perspective.
  fststyle compare $networks --style "$A/styles/$1.jpg" --height 256 --output "$OUT/$1_methods.png" \
    --content "$A/content/chicago.jpg" "$A/content/tubingen.jpg" "$A/content/venice_gondolas.jpg" \
    "$A/content/golden_gate2.jpg" "$A/content/mountain_lake.jpg" "$A/content/taj_mahal.jpg"
}
