// Weight maps out of depth, by the formulas of fststyle/inference/maps.py and fststyle/depth/; the
// tests compare the two. A map is {values: Float32Array, width, height}; a picture the same in RGB
// bytes. Depth is larger where farther, nearness is 1 where near and 0 where far.

import { luminance, reduce, resize } from './resample.js';

const REDUCTION = 4;
const UNSURE = [0.25, 0.8];
const RADIUS = 3;
const FLAT = 0.03 ** 2;
const RANGE_MEMORY = 0.95;
const MEMORY = 0.85;
const CHANGE = 0.06;
const CUT = 0.5;
/** Frames of a film to one whose depth is told anew. */
export const EVERY = 3;

// Python's round: halves go to the even number.
function round(x) {
  const down = Math.floor(x);
  if (x - down !== 0.5) return Math.round(x);
  return down % 2 ? down + 1 : down;
}

/** {width, height} at which the depth network sees a picture: about the area of a square of `side`
 * pixels, multiples of 16, not enlarged. */
export function seenSize(width, height, side) {
  const scale = Math.min(1, side / Math.sqrt(width * height));
  const fit = (length) => Math.max(32, round((length * scale) / 16) * 16);
  return { width: fit(width), height: fit(height) };
}

/** Bytes of a picture as the depth network takes them: 3×H×W floats in [0,1]. */
export function depthInput(picture, side) {
  const { width, height } = seenSize(picture.width, picture.height, side);
  const seen = resize(
    picture.values, picture.width, picture.height, width, height, 'bicubic', 3);
  const count = width * height;
  const values = new Float32Array(3 * count);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) values[c * count + i] = seen[3 * i + c] / 255;
  }
  return { values, width, height };
}

/** Mean over the square of RADIUS around each pixel, the border continued. */
export function windowMean(values, width, height) {
  const side = 2 * RADIUS + 1;
  const rowAt = (y) => Math.min(height - 1, Math.max(0, y)) * width;
  const down = new Float32Array(values.length);
  const sums = new Float64Array(width);
  const addRow = (y, sign) => {
    const row = rowAt(y);
    for (let x = 0; x < width; x++) sums[x] += sign * values[row + x];
  };
  for (let y = -RADIUS; y < RADIUS; y++) addRow(y, 1);
  for (let y = 0; y < height; y++) {
    addRow(y + RADIUS, 1);
    for (let x = 0; x < width; x++) down[y * width + x] = sums[x] / side;
    addRow(y - RADIUS, -1);
  }
  const means = new Float32Array(values.length);
  const last = width - 1;
  for (let y = 0; y < height; y++) {
    const row = y * width;
    let sum = 0;
    for (let x = -RADIUS; x < RADIUS; x++) sum += down[row + Math.min(last, Math.max(0, x))];
    for (let x = 0; x < width; x++) {
      sum += down[row + Math.min(last, x + RADIUS)];
      means[row + x] = sum / side;
      sum -= down[row + Math.max(0, x - RADIUS)];
    }
  }
  return means;
}

/** A Float32Array of what `at(i)` is; a typed array's own `map` takes several times as long. */
function filled(length, at) {
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = at(i);
  return values;
}

function mean(values) {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum / values.length;
}

/** A small map at the size of a grey picture {values: bytes}, along its edges: a guided filter. */
export function alongEdges(map, grey) {
  const { width, height } = map;
  const count = width * height;
  const middle = mean(map.values);
  const depth = filled(count, (i) => map.values[i] - middle);
  const small = resize(grey.values, grey.width, grey.height, width, height, 'box');
  const guide = filled(count, (i) => small[i] / 255);
  const smooth = (values) => windowMean(values, width, height);
  const [meanGuide, meanDepth] = [smooth(guide), smooth(depth)];
  const square = smooth(filled(count, (i) => guide[i] * guide[i]));
  const product = smooth(filled(count, (i) => guide[i] * depth[i]));
  const slope = filled(count, (i) =>
    (product[i] - meanGuide[i] * meanDepth[i]) / (square[i] - meanGuide[i] ** 2 + FLAT));
  const offset = filled(count, (i) => meanDepth[i] - slope[i] * meanGuide[i]);
  const [slopes, offsets] = [slope, offset].map((values) =>
    resize(smooth(values), width, height, grey.width, grey.height, 'bilinear'));
  const values = filled(slopes.length, (i) => slopes[i] * (grey.values[i] / 255) + offsets[i] + middle);
  return { values, width: grey.width, height: grey.height };
}

/** The value below which `percent` of a sorted array lie, interpolated. */
function percentile(sorted, percent) {
  const place = ((sorted.length - 1) * percent) / 100;
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
}

/** Depth to nearness in [0,1], in a range that follows a film's slowly; that of one picture, and of
 * the frame with which a scene `begins`, in its own. */
export class SteadyRange {
  #range = null;
  #of = null;
  #found = null;

  nearness({ values, width, height }, begins = false) {
    if (this.#of !== values) this.#found = this.#ends(values, width, height);
    this.#of = values; // a film's depth is the same for some frames
    const found = this.#found;
    const before = (!begins && this.#range) || found;
    this.#range = before.map((old, i) => old + (1 - RANGE_MEMORY) * (found[i] - old));
    const [near, far] = this.#range;
    const flat = far - near < 1e-6;
    const place = (i) => (flat ? 0.5 : Math.min(1, Math.max(0, (far - values[i]) / (far - near))));
    return { values: filled(values.length, place), width, height };
  }

  #ends(values, width, height) {
    const step = Math.max(1, Math.floor(Math.min(width, height) / 90));
    const sample = new Float32Array(Math.ceil(width / step) * Math.ceil(height / step));
    let count = 0;
    for (let y = 0; y < height; y += step) {
      for (let x = 0; x < width; x += step) sample[count++] = values[y * width + x];
    }
    sample.sort();
    return [percentile(sample, 1), percentile(sample, 99)];
  }
}

function correlation(first, second) {
  const [a, b] = [mean(first), mean(second)];
  let [both, ofFirst, ofSecond] = [0, 0, 0];
  for (let i = 0; i < first.length; i++) {
    both += (first[i] - a) * (second[i] - b);
    ofFirst += (first[i] - a) ** 2;
    ofSecond += (second[i] - b) ** 2;
  }
  const norm = Math.sqrt(ofFirst * ofSecond);
  return norm > 1e-6 ? both / norm : 1;
}

/** Depth of a film's frames: averaged with what it was where the picture stayed as it was, new where
 * something moves, begun anew at a cut. `estimate(picture)` asks the network, for every third frame;
 * where it computes `beside`, frames do not wait for it but at cuts. What the program does besides,
 * following the camera's motion, is left out here. */
export class SteadyDepth {
  begins = true; // whether the last frame began a scene
  #depth = null;
  #grey = null;
  #told = null; // grey of the frame that the network saw last
  #age = 0;
  #asked = null;
  #failure = null;

  constructor(estimate, beside = false) {
    Object.assign(this, { estimate, beside });
  }

  async next(picture) {
    const grey = this.#depth && this.#luminance(picture, this.#depth);
    this.begins = !grey || correlation(this.#grey, grey) <= CUT;
    if (this.begins) {
      this.#asked = null; // what is on its way is of another scene
      this.#depth = await this.estimate(picture);
      this.#grey = this.#luminance(picture, this.#depth);
      this.#told = this.#grey;
      this.#age = 0;
      return this.#depth;
    }
    this.#age += 1;
    if (this.#age >= EVERY && !this.#asked) {
      const asked = this.#follow(picture, grey, () => this.#asked === asked);
      this.#asked = asked;
      if (!this.beside) await asked;
    }
    this.#grey = grey;
    const failure = this.#failure;
    this.#failure = null;
    if (failure) throw failure;
    return this.#depth;
  }

  /** Ask for the depth of a frame, which is taken if it `isWanted` when it comes. */
  async #follow(picture, grey, isWanted) {
    try {
      const depth = await this.estimate(picture);
      if (!isWanted()) return;
      if (grey.length === depth.values.length) this.#average(depth, this.#change(grey));
      this.#depth = depth;
      this.#told = grey;
      this.#age = 0;
    } catch (error) {
      this.#failure = error;
    } finally {
      if (isWanted()) this.#asked = null;
    }
  }

  #luminance(picture, { width, height }) {
    const grey = resize(
      luminance(picture.values), picture.width, picture.height, width, height, 'box');
    return filled(grey.length, (i) => grey[i] / 255);
  }

  /** Since the network saw, and not only since the frame before. */
  #change(grey) {
    const moved = filled(grey.length, (i) => Math.abs(grey[i] - this.#told[i]));
    return windowMean(moved, this.#depth.width, this.#depth.height);
  }

  #average(depth, change) {
    const [old, told] = [this.#depth.values, depth.values];
    depth.values = filled(told.length, (i) =>
      told[i] + MEMORY * Math.exp(-change[i] / CHANGE) * (old[i] - told[i]));
  }
}

/** Nearness at a quarter of the picture's size, along its edges. */
export function sharpNearness(near, picture) {
  const large = Math.min(picture.width, picture.height) >= 64;
  const { values, width, height } = large
    ? reduce(picture.values, picture.width, picture.height, REDUCTION, 3)
    : picture;
  const grey = { values: luminance(values), width, height };
  const sharp = alongEdges(near, grey);
  const inRange = (i) => Math.min(1, Math.max(0, sharp.values[i]));
  return { ...sharp, values: filled(sharp.values.length, inRange) };
}

/** 1 where depth (0 near, 1 far) is `focus`, falling evenly to 0 at what lies farthest from it. */
export function inFocus(near, focus) {
  return near.map((value) => 1 - Math.abs(1 - value - focus) / Math.max(focus, 1 - focus));
}

/** Nearness with its ends drawn apart. */
export function decided(near) {
  const [low, high] = UNSURE;
  return near.map((value) => {
    const part = Math.min(1, Math.max(0, (value - low) / (high - low)));
    return part * part * (3 - 2 * part);
  });
}

/** The weight map for a picture of this size: how much of it stays, `near` and `far` in [0,1]. */
export function weightMap(nearness, pictureWidth, pictureHeight, { near, far, focus }) {
  const [width, height] = [pictureWidth, pictureHeight].map((side) => Math.ceil(side / REDUCTION));
  let { values } = nearness;
  if (nearness.width !== width || nearness.height !== height) {
    const filter = nearness.width < width ? 'bilinear' : 'box';
    values = resize(values, nearness.width, nearness.height, width, height, filter);
  }
  const part = decided(inFocus(values, focus));
  return { values: part.map((value) => far + (near - far) * value), width, height };
}

const COLORS = [
  [252, 253, 191], [254, 159, 109], [222, 73, 104], [140, 41, 129], [59, 15, 112], [0, 0, 4],
];

/** RGBA of a nearness map: near light, far dark. */
export function colorize({ values, width, height }) {
  const data = new Uint8ClampedArray(4 * values.length);
  values.forEach((near, i) => {
    const place = (1 - near) * (COLORS.length - 1);
    const below = Math.min(COLORS.length - 2, Math.floor(place));
    for (let c = 0; c < 3; c++) {
      const [from, to] = [COLORS[below][c], COLORS[below + 1][c]];
      data[4 * i + c] = from + (to - from) * (place - below);
    }
    data[4 * i + 3] = 255;
  });
  return { data, width, height };
}
