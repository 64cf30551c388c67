#!/usr/bin/env sh
# Styles that ship beside what other people's networks for the same paintings make, on photos that
# none was trained on: relative errors, depth error, and of networks warping errors and moves; a
# sheet for each painting; and everybody's pictures, for fststyle judge. On 2 CPU cores about five
# minutes a painting.
#   FSTSTYLE_ASSETS=… sh experiments/peers.sh [--peers FOLDER…]
# Each FOLDER is called as who made it and holds, for each painting, PAINTING/ with pictures named as
# the photos in $FSTSTYLE_ASSETS/content, or a network of pytorch/examples, PAINTING.pth or .npz.
# OURS is a folder of networks instead of those that ship. TIME=40m trains such ones first, to the
# sizes of strokes and content errors that lengstrom's have, and can be interrupted and started again.
set -eu
[ "${1:-}" != --peers ] || shift
for folder; do
  shift
  set -- "$@" "$(cd "$folder" && pwd)"
done
A=$FSTSTYLE_ASSETS
[ $# -gt 0 ] || set -- "$A"/peers/*
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-experiments/peers}
STYLES=${STYLES:-great_wave the_scream udnie}
OURS=${OURS:-checkpoints/styles}
SIZE=${SIZE:-512}
FRAMES=${FRAMES:-11}
TIME=${TIME:-}
MAP=${MAP:-none} # of networks that take one: the style everywhere, as others have it
FAR=${FAR:-0} # how much of the photo stays there: 0.2 is --strength 0.8
fststyle() { "$PYTHON" -m fststyle "$@" < /dev/null; }

train() { # PAINTING
  case $1 in
    the_scream) look="--style-size 512 --content-error 0.61" ;;
    udnie) look="--style-size 512 --content-error 0.88" ;;
    *) look="--style-size 640 --content-error 0.8" ;;
  esac
  # As measured, before stability and grain were on by default.
  fststyle train --resume --style "$A/styles/$1.jpg" --content "$A/photos_free/image" \
    --val "$A/photos/val" --name "$1" --run-dir "$OUT/runs/$1" --method plain --time "$TIME" \
    --batch-size 1 $look --stability-weight 0 --grain 0
}

network() { # FOLDER PAINTING: prints the network's file, or nothing
  for suffix in safetensors onnx pth npz; do
    if [ -f "$1/$2.$suffix" ]; then
      echo "$1/$2.$suffix"
      return
    fi
  done
}

draw() { # NETWORK MAKER PAINTING: as users see it
  onnx="${1%.*}.onnx"
  if [ ! -f "$onnx" ]; then
    onnx="$OUT/exported/$2/$3.onnx"
    fststyle export "$1" --output "$onnx" --overwrite
  fi
  fststyle infer "$onnx" "$A/content" --output "$OUT/pictures/$2/$3" --map "$MAP" --far "$FAR" --max-size 800 --overwrite
}

rm -rf "$OUT/beside" "$OUT/pictures"
mkdir -p "$OUT/pictures"
OUT=$(cd "$OUT" && pwd)
OURS=$(cd "$OURS" && pwd)
for painting in $STYLES; do
  beside="$OUT/beside/$painting" # links, called as who made what they point to
  mkdir -p "$beside"
  ours=$(network "$OURS" "$painting")
  if [ -n "$TIME" ]; then
    train "$painting"
    ours="$OUT/runs/$painting/$painting.safetensors"
  fi
  if [ -n "$ours" ]; then
    ln -s "$ours" "$beside/fststyle.${ours##*.}"
    draw "$ours" fststyle "$painting"
  fi
  for folder; do
    maker=$(basename "$folder")
    file=$(network "$folder" "$painting")
    if [ -n "$file" ]; then
      ln -s "$file" "$beside/$maker.${file##*.}"
      draw "$file" "$maker" "$painting"
    elif [ -d "$folder/$painting" ]; then
      mkdir -p "$OUT/pictures/$maker"
      ln -s "$folder/$painting" "$beside/$maker"
      ln -s "$folder/$painting" "$OUT/pictures/$maker/$painting"
    fi
  done
  fststyle evaluate "$beside"/* --photos "$A/content" --style "$A/styles/$painting.jpg" \
    --size "$SIZE" --map "$MAP" --far "$FAR" --no-maps --videos "$A"/video/davis/*.mp4 --frames "$FRAMES" \
    --json "$OUT/$painting.json" --sheet "$OUT/$painting.jpg" --overwrite
done
