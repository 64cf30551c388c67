#!/usr/bin/env sh
# What the stability loss gains and costs: from one trained network, the same training with and without
# it, measured on photos and videos not trained on. It takes from the style, so that style weights differ
# to make style losses alike. Needs FSTSTYLE_ASSETS. About 25 minutes on 2 CPU cores; can be interrupted
# and started again.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-experiments/stability}
SETTING=${SETTING:---image-size 160 --batch-size 2}
STEPS=${STEPS:-700}
# The losses and the optimizer that these figures were measured with, before there were others.
PAPERS="--no-map-input --alpha-min 0.2 --style-balance sum --content-layers relu2_2 --depth-weight 8 --optimizer adam --loss-padding zeros"
A=$FSTSTYLE_ASSETS
mkdir -p "$OUT"
networks=""
for weights in "0 8" "1000 10"; do
  stability=${weights% *}
  name=stability_$stability
  "$PYTHON" train.py --resume --style "$A/styles/starry_night_crop.jpg" --content "$A/photos/train" \
    --val "$A/photos/val" --init checkpoints/styles/starry_night.safetensors --steps "$STEPS" $SETTING \
    $PAPERS --stability-weight "$stability" --style-weight "${weights#* }" --name "$name" --run-dir "$OUT/$name"
  networks="$networks $OUT/$name/$name.safetensors"
done
"$PYTHON" -m fststyle evaluate $networks --photos "$A/photos/val" --videos "$A"/video/davis/*.mp4 \
  --second-depth checkpoints/depth/hourglass.safetensors --json "$OUT/figures.json" --overwrite
