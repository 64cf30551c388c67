#!/usr/bin/env sh
# Everything that waits for a CUDA machine, in one command: tests, speed, parity, trainings.
# Results go to OUT (default: benchmarks/cuda). Needs FSTSTYLE_ASSETS, or VGG-19 from torchvision
# with STYLE, CONTENT and CLIP given.
# Trainings can be interrupted and begun again.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
OUT=${OUT:-benchmarks/cuda}
STYLE=${STYLE:-$FSTSTYLE_ASSETS/styles/starry_night.jpg}
CONTENT=${CONTENT:-$FSTSTYLE_ASSETS/photos/train}
CLIP=${CLIP:-$FSTSTYLE_ASSETS/video/davis/blackswan.mp4}
mkdir -p "$OUT"

# A failure is told at the end: it should not cost the other figures a machine that is rare.
failed=0
$PYTHON -m pytest -m gpu > "$OUT/tests.txt" 2>&1 || failed=1
cat "$OUT/tests.txt"
for precision in fp32 bf16 fp16; do
  $PYTHON -m fststyle bench train --device cuda --precision $precision --repeats 20 \
    --content "$CONTENT" --json "$OUT/train_$precision.json"
done
# One network for a few minutes, at the paper's size and batch.
$PYTHON train.py --style "$STYLE" --content "$CONTENT" --name cuda --run-dir "$OUT/run" --resume \
  --method plain --steps 10000 --picture-interval 1000 --checkpoint-interval 1000
$PYTHON export.py "$OUT/run/cuda.safetensors" --uint8 --fp16 --output "$OUT/cuda.onnx"
# Needs onnxruntime-gpu; with the CPU build it says that the provider is not there.
$PYTHON -m fststyle bench infer --checkpoint "$OUT/run/cuda.safetensors" --provider cuda \
  --size 1280x720 1920x1080 3840x2160 --precision fp32 fp16 --repeats 30 --json "$OUT/infer.json" || failed=1
$PYTHON benchmarks/cuda_settings.py "$OUT/cuda.onnx" --json "$OUT/settings.json" || failed=1
for batch in 1 2 4; do
  $PYTHON -m fststyle bench video "$CLIP" --model "$OUT/cuda.onnx" --provider cuda \
    --batch-size $batch --json "$OUT/video_$batch.json" || failed=1
done
# Both depth networks, three times as long as on a CPU.
OUT="$OUT/depth" STEPS=3 BATCH=16 SIZE=224x288 HOURGLASS_SIZE=160x208 PYTHON="$PYTHON" \
  sh benchmarks/depth.sh || failed=1
# The four methods at the paper's size and batch; bench depth has the steps' times.
$PYTHON -m fststyle bench depth --repeats 20 --json "$OUT/steps.json" || failed=1
$PYTHON -m fststyle bench optimize --steps 300 --network "$OUT/run/cuda.safetensors" \
  --json "$OUT/optimize.json" || failed=1
OUT="$OUT/methods" SETTING="--image-size 256" BASE=10000 STEPS=10000 SIZE=256 PYTHON="$PYTHON" \
  sh benchmarks/methods.sh || failed=1
# The styles that ship, trained on from where they are; look at them before they take their place.
OUT="$OUT/styles" TO="$OUT/styles/published" SETTING="--image-size 256" STEPS=8000 PYTHON="$PYTHON" \
  INIT=checkpoints/styles HISTORY="Began with the network of this name that shipped before." \
  sh benchmarks/styles.sh || failed=1
exit $failed
