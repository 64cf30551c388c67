// Everything that computes: the networks, by the page's own kernels or ONNX Runtime Web, and the
// maps. The page calls it.

import { answer } from './calls.js';
import { DepthNetwork, DepthWorker } from './depth.js';
import { Grain } from './grain.js';
import { DownloadError, decodeBase64, fetchBytes } from './load.js';
import {
  SteadyDepth, SteadyRange, colorize, sharpNearness, weightMap,
} from './maps.js';
import { Runtime, download } from './runtime.js';
import { withTones } from './tones.js';
import { Transform, numbersOf } from './transform.js';

const FARTHEST = 4;
/** Levels of 255 by which an engine's picture may differ from the program's. One is rounding. */
const NOTHING_STAYS = { values: Float32Array.of(0), width: 1, height: 1 };
/** The map of a style that takes none. */
const PAUSE = 3000;
/** Milliseconds before what could not be loaded is asked for again. */
const KEPT = 4;
/** Networks that stay in memory. */
const HIDDEN = 16;
/** Alpha below which colours turn white, as fststyle/images/arrays.py has it. */

let runtime = null;
let catalogue = null;
/** The page's own kernels, where WebAssembly computes. */
let transform = null;
/** Whether depth is told in another worker than this one. */
let beside = false;
let grain = null;
const networks = new Map();
let depth = null;
let memory = null;
/** When depth may be asked for again, after it could not be loaded. */
let again = 0;
/** Why it could not be loaded. */
let lost = null;

answer({ start, load, stylize });

/** Load an engine: "webgpu" or "cpu"; `about`: the page's catalogue. */
async function start({ engine, threads, about }) {
  catalogue = about;
  runtime = new Runtime(engine, threads);
  beside = engine === 'cpu';
  const [square, kernels] = await Promise.all([
    fetchBytes(new URL(catalogue.grain.file, import.meta.url)),
    engine === 'cpu' ? openTransform(threads) : null,
    engine === 'webgpu' && runtime.load(),
  ]);
  grain = new Grain(square, catalogue.grain);
  transform = kernels;
  return {};
}

/** The page's kernels; null where a browser runs none of them, and ONNX Runtime Web alone is left. */
async function openTransform(threads) {
  try {
    return await Transform.open(threads, download);
  } catch (error) {
    if (error instanceof DownloadError || threads > 1) throw error;
    return null;
  }
}

/** Load a style, and look whether this engine computes with it what the program does. */
async function load({ name }) {
  const { style } = await network(name);
  // Soon needed; what fails is said when it is.
  if (catalogue.depth && followsMap(style)) depthNetwork().load().catch(() => {});
  return {};
}

function followsMap(style) {
  return style.controls.includes('weight_map');
}

async function network(name) {
  let found = networks.get(name);
  if (!found) {
    const style = catalogue.styles.find((other) => other.name === name);
    found = { style, ...(await opened(style)) };
    await check(found);
    for (const [old, { release }] of networks) {
      if (networks.size < KEPT) break;
      await release();
      networks.delete(old);
    }
  }
  networks.delete(name); // the one used last comes last
  networks.set(name, found);
  return found;
}

/** {run, release} of a style; `run(picture, controls, map)` gives the RGB bytes of the picture,
 * stylized. */
async function opened(style) {
  if (transform && style.kernels) {
    const { file, width, mapped } = style.kernels;
    const kernels = { numbers: numbersOf(await download(file, style.name)), width, mapped };
    return { run: async (...given) => transform.run(kernels, ...given), release: () => {} };
  }
  const { ort, session } = await runtime.open(style.file, style.name);
  return {
    run: (...given) => runSession(ort, session, style.controls, ...given),
    release: () => session.release(),
  };
}

async function check(found) {
  const { width, height, picture, map } = catalogue.check;
  const values = Float32Array.from(map.flat());
  const made = await found.run(
    { values: decodeBase64(picture), width, height },
    { strength: 1, keepColour: 0 }, { values, width: map[0].length, height: map.length });
  const expected = decodeBase64(found.style.expected);
  const farthest = made.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
  if (farthest > FARTHEST) {
    throw new Error(`it computes something else: ${farthest} of 255 levels away`);
  }
}

async function runSession(ort, session, names, picture, { strength, keepColour }, map) {
  const scalar = (value) => new ort.Tensor('float32', [value], []);
  const given = {
    strength: scalar(strength),
    keep_colour: scalar(keepColour),
    weight_map: new ort.Tensor('float32', map.values, [1, 1, map.height, map.width]),
  };
  const feeds = Object.fromEntries(names.map((name) => [name, given[name]]));
  feeds.content = new ort.Tensor('uint8', picture.values, [1, picture.height, picture.width, 3]);
  const { output } = await session.run(feeds);
  const values = await output.getData();
  output.dispose();
  return values;
}

/** What tells depth: on WebAssembly beside this thread. */
function depthNetwork() {
  depth ??= beside
    ? new DepthWorker(catalogue.depth) : new DepthNetwork(runtime, catalogue.depth);
  return depth;
}

function estimate(picture) {
  return depthNetwork().estimate(picture);
}

/** Nearness of a picture, kept while it is the same one; of a film's frames, along time. */
async function nearnessOf(picture, { source, film }) {
  if (memory?.source !== source) {
    memory = { source, range: new SteadyRange(), depth: film ? new SteadyDepth(estimate, beside) : null };
  }
  if (!film && memory.nearness) return memory.nearness;
  const told = film ? await memory.depth.next(picture) : await estimate(picture);
  const near = memory.range.nearness(told, memory.depth?.begins);
  memory.nearness = sharpNearness(near, picture);
  return memory.nearness;
}

/** A picture in a style.
 *
 * `picture`: {data: RGBA, width, height}; `source`: a number that is another one for each picture or
 * film and size; `film`; `controls`: {strength, keepColour, near, far, focus}; `showDepth`.
 * Returns {data: RGBA, milliseconds, depth: RGBA of the depth map or null}. */
async function stylize({ name, picture, source, film, controls, showDepth }) {
  const began = performance.now();
  const found = await network(name);
  const { width, height } = picture;
  const plain = { values: withoutAlpha(picture.data), width, height };
  const { near, far, strength } = controls;
  const mapped = followsMap(found.style) && strength > 0;
  const wanted = catalogue.depth && (showDepth || (mapped && near !== far));
  const nearness = wanted && began >= again
    ? await nearnessOf(plain, { source, film }).catch((error) => {
      if (!(error instanceof DownloadError)) throw error;
      lost = `Near and far are alike for now: ${error.message}`;
      again = performance.now() + PAUSE;
      return null;
    })
    : null;
  const missing = wanted && !nearness ? lost : null;
  const even = { values: Float32Array.of(nearness ? 0 : far), width: 1, height: 1 };
  const map = mapped && nearness ? weightMap(nearness, width, height, controls) : even;
  const stays = mapped ? map : NOTHING_STAYS;
  const grained = strength > 0 ? { ...plain, values: grain.added(plain, stays, controls) } : plain;
  const made = await found.run(grained, controls, map);
  const data = withAlpha(mapped ? withTones(made, grained, map, strength) : made, picture.data);
  const shown = showDepth && nearness ? colorize(nearness) : null;
  const transfer = [data.buffer, ...(shown ? [shown.data.buffer] : [])];
  const milliseconds = performance.now() - began;
  return { data, width, height, depth: shown, milliseconds, missing, transfer };
}

/** RGB, white where nobody is to see it. */
function withoutAlpha(rgba) {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    const part = Math.min(1, rgba[from + 3] / HIDDEN);
    for (let c = 0; c < 3; c++) {
      rgb[to + c] = part === 1 ? rgba[from + c] : 255.5 - (255 - rgba[from + c]) * part;
    }
  }
  return rgb;
}

/** `rgb` with the alpha of the picture `before`. */
function withAlpha(rgb, before) {
  const rgba = new Uint8ClampedArray((rgb.length / 3) * 4);
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
    rgba[to] = rgb[from];
    rgba[to + 1] = rgb[from + 1];
    rgba[to + 2] = rgb[from + 2];
    rgba[to + 3] = before[to + 3];
  }
  return rgba;
}
