// The page: what happens when somebody does something.

import {
  allow, isPressed, offer, press, toggle, watchButtons,
} from './buttons.js';
import { allowPlaces, readControls, watchControls } from './controls.js';
import { Engine } from './engine.js';
import { fetchBytes } from './load.js';
import { fetchAll, keepFiles, keeps } from './offline.js';
import { Recorder } from './record.js';
import { SMALLEST, Sizes } from './size.js';
import { hasTwoCameras, openAddress, openCamera, openFile } from './sources.js';
import { markStyle, showStyles } from './styles.js';
import { View } from './view.js';

const $ = (selector) => document.querySelector(selector);
const form = $('#controls');
const view = new View();
const sizes = new Sizes();
const recorder = new Recorder();

let catalogue;
let engine;
let style = null;
/** The style that was asked for last. */
let last = null;
let source = null;
let wanted = false; // something changed since the picture in work was begun
let working = false;
let missing = false; // depth, as the last picture's message said
let facing = 'user';

function say(text) {
  $('#message').textContent = text;
  $('#message').hidden = !text;
}

// Pictures ------------------------------------------------------------------------------------

async function stylizeOnce(preview) {
  const now = source;
  const began = performance.now();
  const chosen = form.elements.size.value;
  const size = sizes.next(now, chosen, engine.group, preview);
  if (Math.min(size.width, size.height) < SMALLEST) {
    throw new Error(`A picture needs at least ${SMALLEST} pixels each way.`);
  }
  const { data, width, height } = view.draw(now, size);
  view.reveal(now);
  const result = await engine.stylize({
    name: style.name,
    picture: { data, width, height },
    source: now.film ? now.number : `${now.number} ${width} ${height}`,
    film: now.film,
    controls: readControls(form),
    showDepth: isPressed('depth'),
  });
  if (source !== now) return;
  const milliseconds = performance.now() - began;
  if (!isPressed('depth')) result.depth = null;
  if (result.missing || missing) say(result.missing ?? '');
  missing = Boolean(result.missing);
  view.show(result, milliseconds, now.film);
  for (const action of ['compare', 'save']) allow(action, true);
  allow('depth', catalogue.depth);
  allow('record', recorder.running || (now.film && !isPressed('pause') && Recorder.supported()));
  // A film that is recorded keeps its size.
  if (now.film && chosen === 'auto' && !recorder.running) sizes.took(milliseconds, engine.group);
}

/** Stylize what is there now, a film frame after frame; of changes that come meanwhile only the last
 * is done. `preview`: a smaller picture first. */
async function refresh(preview = false) {
  wanted = true;
  if (working || !source || !style) return;
  working = true;
  view.busy = !source.film;
  try {
    while (wanted && source) {
      wanted = preview;
      await stylizeOnce(preview);
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
    view.busy = false;
  }
}

function nextFrame(video) {
  if (!video.requestVideoFrameCallback) return new Promise(requestAnimationFrame);
  const next = new Promise((resolve) => { video.requestVideoFrameCallback(resolve); });
  const late = new Promise((resolve) => { setTimeout(resolve, 250); }); // a hidden video has none
  return Promise.race([next, late]);
}

/** Take another source; `opening` is a promise of it. */
async function take(opening) {
  say('');
  try {
    const opened = await opening;
    await leave();
    source = opened;
    press('camera', Boolean(source.camera));
    offer('pause', source.film && !source.camera);
    offer('turn', source.camera && (await hasTwoCameras()));
    await refresh(!source.film);
  } catch (error) {
    say(error.message);
  }
}

/** Leave the source. */
async function leave() {
  if (isPressed('record')) await actions.record();
  source?.close();
  source = null;
  sizes.reset();
  for (const action of ['camera', 'pause']) press(action, false);
  for (const action of ['turn', 'pause']) offer(action, false);
}

// Actions -------------------------------------------------------------------------------------

function save(blob, suffix) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = `${style.name}.${suffix}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

const actions = {
  open: () => $('#file').click(),
  sample: () => take(openAddress('sample.jpg')),
  camera: async () => {
    if (!source?.camera) {
      await take(openCamera(facing));
      return;
    }
    await leave();
    view.reveal(null);
  },
  turn: async () => {
    facing = facing === 'user' ? 'environment' : 'user';
    await leave(); // phones open one camera at a time
    await take(openCamera(facing));
  },
  pause: () => {
    if (toggle('pause')) {
      source.element.pause();
      allow('record', recorder.running); // or else a film without a picture comes of it
    } else {
      source.element.play();
      refresh();
    }
  },
  compare: () => view.compare(toggle('compare')),
  depth: () => {
    if (toggle('depth')) refresh();
    else view.hideDepth();
  },
  save: () => view.canvas.toBlob((blob) => save(blob, 'png')),
  record: async () => {
    if (toggle('record')) {
      recorder.start(view.canvas);
    } else {
      const { blob, suffix } = await recorder.stop();
      save(blob, suffix);
    }
  },
  keep: async () => {
    const kept = $('#kept');
    if (!keeps()) {
      kept.textContent = 'This browser, or this address, does not allow pages to be kept.';
      return;
    }
    try {
      await fetchAll(catalogue, engine.group, (done, all) => {
        kept.textContent = done < all ? `${done} of ${all} files …` : 'All of it is kept.';
      });
    } catch (error) {
      kept.textContent = error.message;
    }
  },
};

function watchFiles() {
  const over = (is) => $('#stage').classList.toggle('over', is);
  const takeFirst = ([file]) => { if (file) take(openFile(file)); };
  $('#file').addEventListener('change', ({ target }) => {
    takeFirst(target.files);
    target.value = '';
  });
  addEventListener('dragover', (event) => {
    event.preventDefault();
    over(true);
  });
  addEventListener('dragleave', (event) => { if (!event.relatedTarget) over(false); });
  addEventListener('drop', (event) => {
    event.preventDefault();
    over(false);
    takeFirst(event.dataTransfer.files);
  });
  addEventListener('paste', (event) => takeFirst(event.clipboardData.files));
}

// The beginning -------------------------------------------------------------------------------

function showProgress({ loaded, total }) {
  const bar = $('#progress');
  bar.hidden = total > 0 && loaded >= total;
  if (total) bar.value = loaded / total;
  else bar.removeAttribute('value');
}

/** Take a style once it is there; until then, and where it cannot be had, the one before stays. */
async function choose(chosen) {
  last = chosen;
  style ??= chosen;
  say('');
  try {
    await engine.load(chosen.name);
  } catch (error) {
    if (last !== chosen) return;
    say(error.message);
    markStyle($('.strip'), style);
    return;
  }
  if (last !== chosen) return; // somebody was faster
  allowPlaces(form, chosen, catalogue);
  if (style === chosen) return;
  style = chosen;
  await refresh();
}

async function begin() {
  const asked = fetchBytes('page.json').then((bytes) => JSON.parse(new TextDecoder().decode(bytes)));
  watchButtons(actions);
  watchFiles();
  watchControls(form, () => refresh());
  await keepFiles();
  catalogue = await asked;
  engine = new Engine(catalogue, {
    onProgress: showProgress,
    onChange: (name, reason) => {
      $('#engine').textContent = name;
      if (reason) say(`${reason}; ${name} goes on.`);
      sizes.reset();
    },
  });
  showStyles($('.strip'), catalogue.styles, choose);
  choose(catalogue.styles[0]);
}

begin().catch((error) => {
  $('#engine').textContent = 'Not started';
  say(error.message);
});
