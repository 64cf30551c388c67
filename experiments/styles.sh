#!/usr/bin/env sh
# Trains the styles that ship, with maps, steadily, and against VGG-19; lets them teach their live
# twins; measures all on photos not trained on, and publishes them. Needs FSTSTYLE_ASSETS. Those of
# width 32 that ship had STEPS=1050 BATCH=4: on a GPU five minutes each, six at a time on an H200. As
# it stands, for CPUs, it takes 40 minutes for a style and 27 for its live twin on a core with
# bfloat16. STYLES chooses among them, so that cores or machines can share them; a twin whose teacher
# was not trained here learns from the one that ships. Can be interrupted and started again: what is
# there is not made again.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-experiments/styles}
TO=${TO:-checkpoints/styles}
PAINTINGS="starry_night the_scream udnie great_wave composition_vii mondrian edtaonisl woman_with_a_hat tahiti
  shipwreck night_cafe houses"
STYLES=${STYLES:-$(for name in $PAINTINGS; do echo "$name ${name}_live"; done)}
STEPS=${STEPS:-400}
BATCH=${BATCH:-2}
LIVE_TIME=${LIVE_TIME:-25m}
A=$FSTSTYLE_ASSETS
fststyle() { "$PYTHON" -m fststyle "$@"; }

facts() { # NAME: sets file, title, painter, year; how much of a photo may be lost, the mean over all
  # maps; the painting's longer side, which decides how large strokes are; and the stability loss's weight,
  # that of the twin beside it
  file=${1%_live} lost=0.7 side=640 steady=100 live=200
  case $file in
    starry_night) file=starry_night_crop title="The Starry Night" painter="Vincent van Gogh" year=1889 side=800 \
      lost=0.85 steady=500 live=600 ;; # strokes so small flicker most
    great_wave) title="The Great Wave off Kanagawa" painter="Katsushika Hokusai" year="about 1831" side=512 lost=0.6 ;;
    the_scream) title="The Scream" painter="Edvard Munch" year=1893 side=512 lost=0.46 live=100 ;;
    udnie) title="Udnie" painter="Francis Picabia" year=1913 side=512 lost=0.8 ;;
    composition_vii) title="Composition VII" painter="Wassily Kandinsky" year=1913 lost=0.75 ;;
    edtaonisl) title="Edtaonisl" painter="Francis Picabia" year=1913 lost=0.8 ;;
    woman_with_a_hat) title="Woman with a Hat" painter="Henri Matisse" year=1905 lost=0.72 ;;
    mondrian) title="Tableau No. 2 / Composition No. VII" painter="Piet Mondrian" year=1913 lost=0.78 live=400 ;;
    tahiti) title="Three Tahitian Women" painter="Paul Gauguin" year=1896 lost=0.68 ;;
    shipwreck) file=shipwreck_of_the_minotaur title="The Wreck of a Transport Ship" \
      painter="J. M. W. Turner" year=1810 lost=0.65 ;;
    night_cafe) file=van_gogh_la_cafe title="The Night Café" painter="Vincent van Gogh" year=1888 ;;
    houses) file=van_gogh_houses title="Houses and Figure" painter="Vincent van Gogh" year=1890 side=1000 live=300 ;;
    *) echo "$1: not among the styles of this file" >&2; exit 2 ;;
  esac
}

if [ -d "$A/photos_free/image" ]; then
  content=$A/photos_free/image
  photos="1,805 photos under free licences (checkpoints/base/PHOTOS.csv names them and their authors)"
  terms="The photos are under free licences; their depth was told by vgg_head, whose data permits research, not commerce."
else
  content=$A/photos/train
  photos="783 photos (457 of ImageNet, 192 of BSDS500, 134 of COCO)"
  terms="The photos permit research, not commerce."
fi

for name in $STYLES; do
  [ ! -f "$OUT/$name/published" ] || continue
  facts "$name"
  mkdir -p "$OUT/$name"
  case $name in
    *_live)
      teacher=${name%_live}
      if [ -f "$OUT/$teacher/$teacher.safetensors" ]; then teacher=$OUT/$teacher/$teacher.safetensors; fi
      set --
      if [ "$name" = starry_night_live ]; then # whose strokes a small network misses
        set -- --style "$A/styles/$file.jpg" --style-size $side --loss-network vgg19
      fi
      fststyle distill --resume --teacher "$teacher" --content "$content" --val "$A/photos/val" \
        --name "$name" --run-dir "$OUT/$name" --time "$LIVE_TIME" --checkpoint-interval 200 \
        --stability-weight $live "$@" ;;
    *)
      fststyle train --resume --style "$A/styles/$file.jpg" --content "$content" --val "$A/photos/val" \
        --name "$name" --run-dir "$OUT/$name" --method weighted --content-error $lost --style-size $side \
        --stability-weight $steady --steps "$STEPS" --batch-size "$BATCH" --checkpoint-interval 50 ;;
  esac
  fststyle evaluate "$OUT/$name/$name.safetensors" --photos "$A/photos/val" --map none --no-maps \
    --videos "$A"/video/davis/*.mp4 --json "$OUT/$name/figures.json" --overwrite --sheet "$OUT/$name/sheet.jpg"
  fststyle publish "$OUT/$name/$name.safetensors" --title "$title" --painter "$painter" --year "$year" \
    --figures "$OUT/$name/figures.json" --output "$TO" --overwrite \
    --licence "MIT, as far as the makers of fststyle are concerned. The painting is in the public domain. VGG-19, which judged the pictures: Oxford VGG, CC BY 4.0. $terms" \
    --note "Trained on $photos, measured on 64 others, of ImageNet, BSDS500 and COCO, without a map."
  touch "$OUT/$name/published"
done
