#!/usr/bin/env sh
# What the stability loss gains and costs: the same trainings with and without it in two widths, at width
# 8 also along plain shifts instead of the moves of a camera, measured on photos and videos not trained
# on, and as infer steadies videos. Needs FSTSTYLE_ASSETS. About an hour and a quarter on one CPU core;
# can be interrupted and started again.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-experiments/stability}
SETTING=${SETTING:---image-size 256 --batch-size 1 --style-size 512}
WEIGHT=${WEIGHT:-200}
A=$FSTSTYLE_ASSETS
mkdir -p "$OUT"
for run in "32 1200 0 camera" "32 1200 $WEIGHT camera" "8 1500 0 camera" "8 1500 $WEIGHT camera" \
           "8 1500 $WEIGHT shifts"; do
  set -- $run
  name=w${1}_$4
  [ "$3" = 0 ] && name=w${1}_without
  "$PYTHON" train.py --resume --style "$A/styles/starry_night_crop.jpg" --content "$A/photos_free/image" \
    --val "$A/photos/val" --method plain --width "$1" --steps "$2" $SETTING --checkpoint-interval 200 \
    --stability-weight "$3" --stability-moves "$4" --name "$name" --run-dir "$OUT/$name"
done
networks=
for name in w32_without w32_camera w8_without w8_camera w8_shifts; do
  networks="$networks $OUT/$name/$name.safetensors"
done
"$PYTHON" -m fststyle evaluate $networks --photos "$A/photos/val" --videos "$A"/video/davis/*.mp4 \
  --json "$OUT/figures.json" --overwrite
"$PYTHON" -m fststyle evaluate $networks --videos "$A"/video/davis/*.mp4 --steady 0.6 \
  --json "$OUT/steadied.json" --overwrite
