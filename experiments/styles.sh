#!/usr/bin/env sh
# Trains the styles that ship, against VGG-19 and with depth, measures them on photos not trained on,
# and publishes them. Needs FSTSTYLE_ASSETS. On 2 CPU cores about 25 minutes a style; STYLES chooses
# among them, so that cores or machines can share them. Can be interrupted and started again.
# INIT=FOLDER begins each with FOLDER/NAME.safetensors: checkpoints/styles to go on with those;
# INIT=FILE begins all with one network, which has to be of their width.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-experiments/styles}
TO=${TO:-checkpoints/styles}
LIVE="starry_night_live great_wave_live the_scream_live composition_vii_live udnie_live"
STYLES=${STYLES:-starry_night great_wave the_scream composition_vii udnie woman_with_a_hat $LIVE}
SETTING=${SETTING:---image-size 192 --batch-size 2}
STEPS=${STEPS:-1200}
LIVE_STEPS=${LIVE_STEPS:-1400}
HISTORY=${HISTORY:-}
# The losses and the optimizer that these figures were measured with, before there were others.
PAPERS="--no-map-input --alpha-min 0.2 --style-balance sum --content-layers relu2_2 --depth-weight 8 --optimizer adam --loss-padding zeros --grain 0 --stability-moves shifts"
A=$FSTSTYLE_ASSETS
fststyle() { "$PYTHON" -m fststyle "$@"; }

facts() { # NAME: sets file, title, painter, year
  case $1 in
    starry_night*) file=starry_night_crop title="The Starry Night" painter="Vincent van Gogh" year=1889 ;;
    great_wave*) title="The Great Wave off Kanagawa" painter="Katsushika Hokusai" year="about 1831" ;;
    the_scream*) title="The Scream" painter="Edvard Munch" year=1893 ;;
    composition_vii*) title="Composition VII" painter="Wassily Kandinsky" year=1913 ;;
    udnie*) title="Udnie" painter="Francis Picabia" year=1913 ;;
    woman_with_a_hat) title="Woman with a Hat" painter="Henri Matisse" year=1905 ;;
    *) echo "$1: not among the styles of this file" >&2; exit 2 ;;
  esac
  case $1 in starry_night*) ;; *) file=${1%_live} ;; esac
}

mkdir -p "$OUT"
networks=""
for name in $STYLES; do
  facts "$name"
  networks="$networks $OUT/$name/$name.safetensors"
  if [ "$name" = great_wave ]; then # with maps
    fststyle train --resume --style "$A/styles/$file.jpg" --content "$A/photos_free/image" \
      --val "$A/photos/val" --name "$name" --run-dir "$OUT/$name" --method weighted \
      --content-error 0.68 --time "${TIME:-38m}" --locality-weight 0 --stability-weight 0 --grain 0
    continue
  fi
  look="--width 32 --style-weight 8 --steps $STEPS" init="--init none"
  # Steady strokes are for video; they take from the style what the larger weight gives back.
  case $name in
    *_live) look="--width 8 --style-weight 10 --stability-weight 1000 --steps $LIVE_STEPS" ;;
  esac
  if [ -f "${INIT:-}" ]; then init="--init $INIT"; elif [ -n "${INIT:-}" ]; then
    init="--init $INIT/$name.safetensors"
  fi
  fststyle train --resume --style "$A/styles/$file.jpg" --content "$A/photos/train" --val "$A/photos/val" \
    --name "$name" --run-dir "$OUT/$name" $look \
    --picture-interval 600 --checkpoint-interval 100 $PAPERS $SETTING $init
done
fststyle evaluate $networks --photos "$A/photos/val" \
  --videos "$A"/video/davis/*.mp4 --json "$OUT/figures.json" --overwrite --sheet "$OUT/sheet.jpg"
for name in $STYLES; do
  facts "$name"
  photos="783 photos (457 of ImageNet, 192 of BSDS500, 134 of COCO), measured on 64 others of the same sources"
  terms="The photos permit research, not commerce."
  if [ "$name" = great_wave ]; then
    photos="1,805 photos under free licences (checkpoints/base/PHOTOS.csv names them)"
    terms="The photos are under free licences; their depth was told by vgg_head, whose data permits research, not commerce."
  fi
  fststyle publish "$OUT/$name/$name.safetensors" --title "$title" --painter "$painter" --year "$year" \
    --figures "$OUT/figures.json" --output "$TO" --overwrite \
    --licence "MIT, as far as the makers of fststyle are concerned. The painting is in the public domain. VGG-19, which judged the pictures: Oxford VGG, CC BY 4.0. $terms" \
    --note "Trained on $photos. $HISTORY"
done
