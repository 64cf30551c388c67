#!/usr/bin/env sh
# What a map at run time gains: networks of two paintings and two widths with maps and without, of
# the same training, on 64 photos not trained on; and how far a map that changes in the sky moves
# what is near. Needs FSTSTYLE_ASSETS. An hour on 2 CPU cores with bfloat16; started again it goes on.
# METHODS="weighted combined" compares these two, DEPTH is the network that tells the pictures' depth.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-experiments/maps}
STEPS=${STEPS:-600}
SIZE=${SIZE:-256} # of the crops
A=$FSTSTYLE_ASSETS

for style in ${STYLES:-great_wave the_scream}; do
  for width in ${WIDTHS:-32 8}; do
    networks=
    for method in ${METHODS:-plain weighted}; do
      name=${style}_${width}_$method
      networks="$networks $OUT/$name/$name.safetensors"
      "$PYTHON" -m fststyle train --resume --style "$A/styles/$style.jpg" --content "$A/photos_free/image" \
        --val "$A/photos/val" --name "$name" --run-dir "$OUT/$name" --method $method \
        --width "$width" --steps "$STEPS" --image-size "$SIZE" --batch-size 1 --style-size 512 \
        --locality-weight "${LOCALITY:-0}" --stability-weight "${STABILITY:-0}" --grain "${GRAIN:-0}" \
        --depth-weight "${DEPTH_WEIGHT:-0.5}"
    done
    # Words: names have no blanks.
    "$PYTHON" -m fststyle evaluate $networks --photos "$A/photos/val" \
      --style "$A/styles/$style.jpg" --depth-network "${DEPTH:-vgg_head}" \
      --json "$OUT/${style}_$width.json" --sheet "$OUT/${style}_$width.jpg" --overwrite
    mapped=
    for network in $networks; do
      case $network in *_plain/*) continue ;; esac
      "$PYTHON" -m fststyle export "$network" --output "${network%.*}.onnx" --overwrite
      mapped="$mapped ${network%.*}.onnx"
    done
    [ -z "$mapped" ] || "$PYTHON" experiments/locality.py $mapped --photos "$A/photos/val" \
      --json "$OUT/${style}_${width}_moved.json"
  done
done
