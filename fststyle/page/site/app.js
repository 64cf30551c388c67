// The page: what is shown, and what happens when somebody does something.

import { allowPlaces, readControls, watchControls } from './controls.js';
import { Engine } from './engine.js';
import { fetchAll, keepFiles, keeps } from './offline.js';
import { Recorder } from './record.js';
import {
  BUDGET, FIRST_LEVEL, SMALLEST, atLevel, fitted, nextLevel,
} from './size.js';
import { hasTwoCameras, openAddress, openCamera, openFile } from './sources.js';
import { showStyles } from './styles.js';
import { makeWipe } from './wipe.js';

const PICTURE_SIDE = { cpu: 640, webgpu: 1280 };
/** Longer side of pictures where the size is automatic. */
const PREVIEW_SIDE = 320;
/** The same of what a new picture is shown as at first. */

const $ = (selector) => document.querySelector(selector);
const [view, before, after, form, message] = ['#view', '#before', '#after', '#controls', '#message']
  .map($);
const buttons = (action) => document.querySelectorAll(`[data-action="${action}"]`);
const recorder = new Recorder();
const wipe = makeWipe(view, $('#wipe'));

let catalogue;
let engine;
let style;
let source = null;
let showDepth = false;
let level = null;
let times = [];
let wanted = false; // something changed since the picture in work was begun
let working = false;
let facing = 'user';

function say(text) {
  message.textContent = text ?? '';
  message.hidden = !text;
}

function press(action, pressed) {
  for (const button of buttons(action)) {
    if (button.hasAttribute('aria-pressed')) button.setAttribute('aria-pressed', String(pressed));
  }
}

const isPressed = (action) => document
  .querySelector(`.actions [data-action="${action}"]`).getAttribute('aria-pressed') === 'true';

// Sizes ---------------------------------------------------------------------------------------

const engineGroup = () => (engine.kind === 'webgpu' ? 'webgpu' : 'cpu');

function sizeNow(preview) {
  const { width, height } = source;
  const chosen = form.elements.size.value;
  if (chosen !== 'auto') return fitted(width, height, Number(chosen));
  if (source.film) return atLevel(width, height, level ?? FIRST_LEVEL[engineGroup()]);
  return fitted(width, height, preview ? PREVIEW_SIDE : PICTURE_SIDE[engineGroup()]);
}

function holdRate(milliseconds) {
  if (!source.film || form.elements.size.value !== 'auto' || recorder.running) return;
  level ??= FIRST_LEVEL[engineGroup()];
  times.push(milliseconds);
  const next = nextLevel(level, times, BUDGET[engineGroup()]);
  if (next !== level) {
    level = next;
    times = [];
  }
}

// Pictures ------------------------------------------------------------------------------------

function draw({ width, height }) {
  Object.assign(before, { width, height });
  const context = before.getContext('2d', { willReadFrequently: true });
  if (source.mirrored) {
    context.setTransform(-1, 0, 0, 1, width, 0);
  }
  context.imageSmoothingQuality = 'high';
  context.drawImage(source.element, 0, 0, width, height);
  context.setTransform(1, 0, 0, 1, 0, 0);
  return context.getImageData(0, 0, width, height);
}

function show(result, milliseconds) {
  const image = new ImageData(result.data, result.width, result.height);
  if (after.width !== result.width || after.height !== result.height) {
    Object.assign(after, { width: result.width, height: result.height });
  }
  after.getContext('2d').putImageData(image, 0, 0);
  if (result.depth) {
    const canvas = $('#depth canvas');
    const { width, height, data } = result.depth;
    Object.assign(canvas, { width, height });
    canvas.getContext('2d').putImageData(new ImageData(data, width, height), 0, 0);
  }
  $('#depth').hidden = !(showDepth && result.depth);
  const rate = source.film ? ` · ${(1000 / milliseconds).toFixed(1)} a second` : '';
  $('#figures').textContent =
    `· ${result.width}×${result.height} · ${Math.round(milliseconds)} ms${rate}`;
  after.dataset.pictures = Number(after.dataset.pictures ?? 0) + 1;
  const usable = { compare: true, save: true, depth: catalogue.depth, record: Recorder.supported() };
  for (const [action, can] of Object.entries(usable)) {
    for (const button of buttons(action)) button.disabled = !can;
  }
}

async function stylizeOnce(preview = false) {
  const now = source;
  const size = sizeNow(preview);
  if (Math.min(size.width, size.height) < SMALLEST) {
    throw new Error(`A picture needs at least ${SMALLEST} pixels each way.`);
  }
  const began = performance.now();
  const picture = draw(size);
  showView(true);
  const result = await engine.stylize({
    name: style.name,
    picture: { data: picture.data, width: picture.width, height: picture.height },
    source: `${now.number} ${now.film ? '' : `${size.width} ${size.height}`}`,
    film: now.film,
    controls: readControls(form),
    showDepth,
  });
  if (source !== now) return;
  const milliseconds = performance.now() - began;
  show(result, milliseconds);
  holdRate(milliseconds);
}

/** Stylize what is there now; of changes that come meanwhile only the last is done. */
async function refresh(preview = false) {
  wanted = true;
  if (working || !source || !style) return;
  working = true;
  $('#stage').ariaBusy = String(!source.film);
  try {
    while (wanted && source) {
      wanted = false;
      await stylizeOnce(preview);
      if (preview) wanted = true;
      preview = false;
      if (source?.film && !isPressed('pause')) {
        wanted = true;
        await nextFrame(source.element);
      }
    }
  } catch (error) {
    say(error.message);
  } finally {
    working = false;
    $('#stage').ariaBusy = 'false';
  }
}

function nextFrame(video) {
  const late = new Promise((resolve) => { setTimeout(resolve, 250); });
  if (!video.requestVideoFrameCallback) return new Promise(requestAnimationFrame);
  const next = new Promise((resolve) => { video.requestVideoFrameCallback(resolve); });
  return Promise.race([next, late]);
}

function showView(shown) {
  view.hidden = !shown;
  $('#empty').hidden = shown;
  $('#stage').classList.toggle('full', shown);
  if (!shown) return;
  $('#stage').style.setProperty('--aspect', `${source.width} / ${source.height}`);
  placeView();
}

function placeView() {
  const { clientWidth, clientHeight } = $('#stage');
  const wide = source.width / source.height > clientWidth / clientHeight;
  view.classList.toggle('wide', wide);
  view.classList.toggle('tall', !wide);
}

/** Take another source; `opening` is a promise of it. */
async function take(opening) {
  say('');
  try {
    const opened = await opening;
    if (isPressed('record')) await actions.record();
    source?.close();
    source = opened;
    [level, times] = [null, []];
    press('camera', Boolean(source.camera));
    press('pause', false);
    for (const button of buttons('pause')) button.hidden = !source.film || Boolean(source.camera);
    for (const button of buttons('turn')) {
      button.hidden = !source.camera || !(await hasTwoCameras());
    }
    await refresh(!source.film);
  } catch (error) {
    say(error.message);
  }
}

// Actions -------------------------------------------------------------------------------------

function offer(blob, suffix) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = `${style.name}.${suffix}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function toggle(action) {
  const pressed = !isPressed(action);
  press(action, pressed);
  return pressed;
}

const actions = {
  open: () => $('#file').click(),
  sample: () => take(openAddress('sample.jpg')),
  camera: () => {
    if (!source?.camera) return take(openCamera(facing));
    source.close();
    source = null;
    press('camera', false);
    for (const button of buttons('turn')) button.hidden = true;
    showView(false);
    return null;
  },
  turn: () => {
    facing = facing === 'user' ? 'environment' : 'user';
    source.close();
    return take(openCamera(facing));
  },
  pause: () => {
    if (toggle('pause')) source.element.pause();
    else {
      source.element.play();
      refresh();
    }
  },
  compare: () => wipe(toggle('compare')),
  depth: () => {
    showDepth = toggle('depth');
    if (!showDepth) $('#depth').hidden = true;
    return refresh();
  },
  save: () => after.toBlob((blob) => offer(blob, 'png')),
  record: async () => {
    if (toggle('record')) {
      recorder.start(after);
      return;
    }
    const { blob, suffix } = await recorder.stop();
    offer(blob, suffix);
  },
  keep: async () => {
    const kept = $('#kept');
    if (!keeps()) {
      kept.textContent = 'This browser, or this address, does not allow pages to be kept.';
      return;
    }
    try {
      await fetchAll(catalogue, engine.kind, (done, all) => {
        kept.textContent = done < all ? `${done} of ${all} files …` : 'All of it is kept.';
      });
    } catch (error) {
      kept.textContent = error.message;
    }
  },
};

function watch() {
  document.addEventListener('click', (event) => {
    const button = event.target.closest('[data-action]');
    if (button) actions[button.dataset.action]();
  });
  $('#file').addEventListener('change', ({ target }) => {
    if (target.files.length) take(openFile(target.files[0]));
    target.value = '';
  });
  addEventListener('dragover', (event) => {
    event.preventDefault();
    $('#stage').classList.add('over');
  });
  addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) $('#stage').classList.remove('over');
  });
  addEventListener('drop', (event) => {
    event.preventDefault();
    $('#stage').classList.remove('over');
    const [file] = event.dataTransfer.files;
    if (file) take(openFile(file));
  });
  addEventListener('paste', (event) => {
    const [file] = event.clipboardData.files;
    if (file) take(openFile(file));
  });
  new ResizeObserver(() => source && placeView()).observe($('#stage'));
  watchControls(form, () => refresh());
}

function showProgress({ loaded, total }) {
  const bar = $('#progress');
  bar.hidden = total > 0 && loaded >= total;
  if (total) bar.value = loaded / total;
  else bar.removeAttribute('value');
}

async function choose(chosen) {
  style = chosen;
  allowPlaces(form, style, catalogue);
  say('');
  if (source) await refresh();
  else await engine.load(style.name).catch((error) => say(error.message));
}

async function begin() {
  const asked = fetch('page.json').then((response) => response.json());
  watch();
  await keepFiles();
  catalogue = await asked;
  engine = new Engine(catalogue, {
    onProgress: showProgress,
    onChange: (name, reason) => {
      $('#engine').textContent = name;
      if (reason) say(`${reason}; ${name} goes on.`);
      [level, times] = [null, []];
    },
  });
  showStyles($('.strip'), catalogue.styles, choose);
  choose(catalogue.styles[0]);
  refresh(true);
}

begin();
