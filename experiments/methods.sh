#!/usr/bin/env sh
# The thesis's four methods as trained networks, for two paintings, measured and drawn on photos not
# trained on. Each painting has one network that is trained plainly first; from it all four methods go
# on, with the same seed, steps and photos, and style weights such that the style losses agree.
# Needs FSTSTYLE_ASSETS. About 50 minutes on 2 CPU cores; can be interrupted and started again.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-experiments/methods}
SETTING=${SETTING:---image-size 128 --batch-size 2}
BASE=${BASE:-1200}
STEPS=${STEPS:-800}
SIZE=${SIZE:-128}
# The losses and the optimizer that these figures were measured with, before there were others.
PAPERS="--no-map-input --alpha-min 0.2 --style-balance sum --content-layers relu2_2 --depth-weight 8 --optimizer adam --loss-padding zeros --grain 0 --stability-moves shifts"
A=$FSTSTYLE_ASSETS
mkdir -p "$OUT"
fststyle() { "$PYTHON" -m fststyle "$@"; }

train() { # PAINTING NAME STEPS OPTIONS…
  painting=$1 name=$2 steps=$3
  shift 3
  fststyle train --resume --style "$A/styles/$painting.jpg" --content "$A/photos/train" \
    --val "$A/photos/val" --name "$name" --run-dir "$OUT/$painting/$name" --steps "$steps" \
    --picture-interval 400 --checkpoint-interval 400 $PAPERS $SETTING "$@"
}

methods() { # PAINTING and the style weights of weighted, depth and combined
  train "$1" base "$BASE" --method plain --style-weight 2 --init none
  set -- "$@" "--init $OUT/$1/base/base.safetensors"
  train "$1" plain "$STEPS" $5 --method plain --style-weight 2
  train "$1" weighted "$STEPS" $5 --method weighted --alpha-min 0.1 --alpha-max 10 \
    --style-weight "$2"
  train "$1" depth "$STEPS" $5 --method depth --depth-weight 8 --style-weight "$3"
  train "$1" combined "$STEPS" $5 --method combined --alpha-min 0.1 --alpha-max 10 \
    --depth-weight 8 --style-weight "$4"
}

measure() { # PAINTING
  networks=""
  for method in plain weighted depth combined; do
    networks="$networks $OUT/$1/$method/$method.safetensors"
  done
  fststyle evaluate $networks --photos "$A/photos/val" --size $SIZE \
    --second-depth checkpoints/depth/hourglass.safetensors \
    --json "$OUT/$1.json" --overwrite --sheet "$OUT/$1.png" | tee "$OUT/$1.md"
  # The thesis's figures 11 to 13, on photos with strong perspective.
  fststyle compare $networks --style "$A/styles/$1.jpg" --height 256 --output "$OUT/$1_methods.png" --overwrite \
    --content "$A/content/chicago.jpg" "$A/content/tubingen.jpg" "$A/content/venice_gondolas.jpg" \
    "$A/content/golden_gate2.jpg" "$A/content/mountain_lake.jpg" "$A/content/taj_mahal.jpg"
}

methods starry_night 2.3 3.15 3.2
methods the_scream 2.35 3.2 3.5
measure starry_night
measure the_scream
