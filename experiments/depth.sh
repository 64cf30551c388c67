#!/usr/bin/env sh
# Trains the depth networks on what $FSTSTYLE_ASSETS holds, measures them, and does the thesis's
# experiment on KITTI. Some hours on 2 CPU cores; can be interrupted and started again. Longer where
# there is a GPU: TIMES=4 BATCH=16 sh experiments/depth.sh
#
# First a head learns from maps alone, then it labels photos, and the networks that ship learn from
# both: the head on from there, the fast network from the loss network that ships. The hourglass
# never sees a label of the head's, so that each can measure the other's work; they share the maps.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-experiments/depth}
SHIP=${SHIP:-$OUT/checkpoints}
TIMES=${TIMES:-1}
BATCH=${BATCH:-8}
SIZE=${SIZE:-224x288}
SMALL_SIZE=${SMALL_SIZE:-160x208}
NOTE="Trained on maps that larger networks made of pictures on the web, on NYU Depth v2, a KITTI drive, \
rendered frames and scenes rendered from photos (experiments/depth.sh); their sources permit research, \
not commerce."
A=$FSTSTYLE_ASSETS
D=$A/depth
W=$D/wild_train
mkdir -p "$OUT/lists"
fststyle() { "$PYTHON" -m fststyle "$@"; }

# Every source of maps is a set, and weighs as much as it has scenes, since frames of one video
# teach little more than one of them. Less weight for maps less sure in order, none for a scene that
# other measurements need and for maps in which 0 means unknown.
shares=$(awk -F, -v out="$OUT/lists" '
  NR == 1 || $2 == "cityscapes_stereo" || $2 == "sintel_gt_depthcrafter" { next }
  { print $1 > (out "/" $2 ".txt") }
  !seen[$2, $3]++ { scenes[$2]++ }
  END {
    part["lotus_examples"] = 0.5; part["pair_art_midas"] = 0.4
    for (s in scenes) printf "%s=%g ", s, scenes[s] * (s in part ? part[s] : 1)
  }' "$W/pairs.csv")
maps=$(for share in $shares; do printf '%s ' "${share%%=*}=$W@$OUT/lists/${share%%=*}.txt"; done)
DATA="$maps nyu=$D/nyu_labelled@:1140 kittidrive=$D/kitti_drive tartan=$D/tartanair replica=$D/replica_frames"
SHARES="$shares nyu=70 kittidrive=6 tartan=4 replica=4 scenes=22"
VAL="wild2=$D/wild_val2"
UNSEEN="wild=$D/wild_val $VAL nyu=$D/nyu_labelled@1150: kitti=$D/kitti seven=$D/sevenscenes redwood=$D/indoor@1:"

train() { # NAME NETWORK STEPS, then options; what is there already is left
  name=$1 network=$2 steps=$3
  shift 3
  fststyle depth train --resume --name "$name" --run-dir "$OUT/$name" --network "$network" --val $VAL \
    --scenes "$A/photos/train" "$A/photos/train_more" --steps $((steps * TIMES)) --near-pairs 0.4 \
    --weight-decay 0.02 --checkpoint-interval 200 --picture-interval 1000 "$@"
}
ship() { # NAME
  fststyle depth convert "$OUT/$1/$1.safetensors" --half --overwrite --note "$NOTE" \
    --output "$SHIP/$1.safetensors"
}

train teacher vgg_head 2000 --data $DATA --share $SHARES --size "$SIZE" --batch-size "$BATCH" --blocks 2 --lr 1e-3
LABELLED=""
for set in photos_free/image photos/train photos/train_more; do
  name=$(echo $set | tr / _)
  labels=$OUT/labels/$name/depth
  [ -d "$labels" ] || fststyle depth predict "$A/$set" --network "$OUT/teacher/teacher.safetensors" --flip \
    --output "$OUT/labels/$name" --overwrite
  LABELLED="$LABELLED $name=$A/$set+$labels"
done
labelled="photos_free_image=90 photos_train=40 photos_train_more=20"
train vgg_head vgg_head 4000 --init "$OUT/teacher/teacher.safetensors" --data $DATA $LABELLED \
  --share $SHARES $labelled --size "$SIZE" --batch-size "$BATCH" --blocks 2 --lr 5e-4
ship vgg_head
labelled="photos_free_image=150 photos_train=75 photos_train_more=35"
train fast fast 6000 --data $DATA $LABELLED --share $SHARES $labelled --size "$SMALL_SIZE" \
  --batch-size $((2 * BATCH)) --lr 8e-4 --lr-decay 0.7 --dropout 0.02
ship fast
fststyle export "$SHIP/fast.safetensors" --half --overwrite --output "$SHIP/fast.onnx"
train hourglass hourglass 3000 --data $DATA --share $SHARES --size "$SMALL_SIZE" --batch-size "$BATCH" --lr 1e-3
ship hourglass

# The thesis's experiment: fine-tuned on KITTI alone, by its rule for pairs, at its size.
fststyle depth train --resume --name kitti --run-dir "$OUT/kitti" --network hourglass \
  --init "$SHIP/hourglass.safetensors" --data "drive=$D/kitti_drive" --size 128x160 \
  --val "kitti=$D/kitti" --batch-size "$BATCH" --steps $((60 * TIMES)) --lr 1e-4 --near-pairs 1 \
  --dense-weight 0

fststyle depth eval "$SHIP/vgg_head.safetensors" "$SHIP/fast.safetensors" "$SHIP/hourglass.safetensors" \
  "$OUT/kitti/kitti.safetensors" --data $UNSEEN --json "$OUT/figures.json" --overwrite --sheet "$OUT/depth.png"
fststyle bench depth --json "$OUT/cost.json" --overwrite
