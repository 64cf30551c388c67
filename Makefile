# make demo: train a style, export it, stylize photos, draw demo/sheet.png.
# make test: run every test.  make lint: formatting, lint, types.
PYTHON ?= python3
BIN := .venv/bin

STYLE ?= $(FSTSTYLE_ASSETS)/styles/the_scream.jpg
CONTENT ?= $(FSTSTYLE_ASSETS)/photos/train
PHOTOS ?= $(wildcard $(addprefix $(FSTSTYLE_ASSETS)/content/,tubingen.jpg chicago.jpg golden_gate2.jpg))

.PHONY: demo test lint clean

demo: .venv/train.installed
	@test -f "$(STYLE)" -a -d "$(CONTENT)" -a -n "$(PHOTOS)" || { echo \
	  'make demo needs a painting and photos: make demo STYLE=painting.jpg CONTENT=folder PHOTOS="a.jpg b.jpg"' \
	  '(or FSTSTYLE_ASSETS, a folder with styles/, photos/train/ and content/)'; exit 2; }
	$(BIN)/python train.py --style "$(STYLE)" --content "$(CONTENT)" --name demo \
	  --run-dir demo/run --resume $(DEMO_OPTIONS)
	$(BIN)/python export.py demo/run/demo.safetensors --uint8 --output demo/demo.onnx
	$(BIN)/python infer.py demo/demo.onnx $(PHOTOS) --output demo/pictures --max-size 1024
	$(BIN)/python -m fststyle compare demo/demo.onnx --content $(PHOTOS) --style "$(STYLE)" \
	  --output demo/sheet.png
	@echo "The sheet: $(CURDIR)/demo/sheet.png"

DEMO_OPTIONS := --steps 400 --image-size 160

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
