# make demo: train a style, export it, stylize photos, draw demo/sheet.png.
# make test: run every test.  make lint: formatting, lint, types.
PYTHON ?= python3
BIN := .venv/bin

STYLE ?= demo/style.png
CONTENT ?= demo/photos
PHOTOS ?= demo/photos/rocket.png demo/photos/coffee.png demo/photos/chelsea.png

.PHONY: demo test lint clean

# Nothing is downloaded but packages: the painting and the scenes are drawn, the photos are
# scikit-image's, the loss network ships.
demo: .venv/train.installed
	$(BIN)/python -m fststyle demo demo
	$(BIN)/python train.py --style "$(STYLE)" --content "$(CONTENT)" --name demo \
	  --run-dir demo/run --resume $(DEMO_OPTIONS)
	$(BIN)/python export.py demo/run/demo.safetensors --uint8 --output demo/demo.onnx --overwrite
	$(BIN)/python infer.py demo/demo.onnx $(PHOTOS) --output demo/pictures --max-size 1024 \
	  --overwrite
	$(BIN)/python -m fststyle compare demo/demo.onnx --content $(PHOTOS) --style "$(STYLE)" \
	  --output demo/sheet.png --overwrite
	@echo "The sheet: $(CURDIR)/demo/sheet.png"

DEMO_OPTIONS := --loss-network small --time 5m --method plain --image-size 256 --batch-size 1 --content-error 0.9

test: .venv/test.installed
	$(BIN)/python -m pytest

lint: .venv/dev.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

.venv/%.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	touch $@

clean:
	rm -rf .venv demo
