// A picture's own light and colours where it is to stay, by the formulas of
// fststyle/images/tones.py; the tests compare the two.

import { reduce } from './resample.js';

const TINT = 24;
const CELL = 16;
const FINE = 4;
const REACH = 5;
const SPREAD = 1.5;
const TAPS = Float32Array.from(
  { length: 2 * REACH + 1 }, (_, at) => Math.exp(-((at - REACH) ** 2) / (2 * SPREAD ** 2)));

/** RGB bytes of what a network made of `picture`, {values, width, height}, with its light and
 * colours where its `map` or `strength` keeps it. */
export function withTones(made, { values, width, height }, map, strength) {
  const factor = CELL / FINE;
  const columns = Math.ceil(width / CELL);
  const rows = Math.ceil(height / CELL);
  const part = kept(map, strength, width, height, columns * factor, rows * factor);
  if (!part.some((x) => x > 0)) return made;
  const now = reduce(made, width, height, FINE, 3);
  const wanted = reduce(values, width, height, FINE, 3);
  const sums = new Float32Array(4 * columns * rows);
  for (let y = 0; y < now.height; y++) {
    for (let x = 0; x < now.width; x++) {
      const to = 4 * (Math.floor(y / factor) * columns + Math.floor(x / factor));
      const from = 3 * (y * now.width + x);
      const weight = part[y * columns * factor + x];
      for (let c = 0; c < 3; c++) {
        sums[to + c] += weight * (wanted.values[from + c] - now.values[from + c]);
      }
      sums[to + 3] += weight;
    }
  }
  const change = beyond(blurred(sums, columns, rows));
  const [across, down] = [columns * factor, rows * factor];
  const levels = new Int16Array(3 * across * down);
  enlarge(change, columns, rows, factor, across, down, (row, y) => {
    for (let x = 0, from = 0, to = row.length * y; x < across; x++) {
      const weight = part[y * across + x];
      for (let c = 0; c < 3; c++) levels[to++] = Math.floor(row[from++] * weight + 0.5);
    }
  });
  const toned = new Uint8ClampedArray(made.length);
  enlarge(levels, across, down, FINE, width, height, (row, y) => {
    for (let i = 0, at = row.length * y; i < row.length; i++, at++) {
      toned[at] = made[at] + row[i]; // and rounds
    }
  });
  return toned;
}

/** How far the picture is to stay, `FINE` pixels apart. */
function kept(map, strength, width, height, across, down) {
  const place = (at, given, side) =>
    Math.floor(Math.min(given - 1, Math.max(0, (FINE * (at + 0.5) * given) / side)));
  const part = new Float32Array(across * down);
  for (let y = 0; y < down; y++) {
    const row = place(y, map.height, height) * map.width;
    for (let x = 0; x < across; x++) {
      part[y * across + x] = 1 - strength * (1 - map.values[row + place(x, map.width, width)]);
    }
  }
  return part;
}

/** Four values for each cell, along both directions, as if there were zeros around. */
function blurred(values, columns, rows) {
  const along = (from, count, step, lines, lineStep) => {
    const to = new Float32Array(from.length);
    for (let line = 0; line < lines; line++) {
      for (let at = 0; at < count; at++) {
        const place = line * lineStep + at * step;
        for (let tap = -REACH; tap <= REACH; tap++) {
          if (at + tap < 0 || at + tap >= count) continue;
          const source = place + tap * step;
          for (let c = 0; c < 4; c++) to[place + c] += TAPS[tap + REACH] * from[source + c];
        }
      }
    }
    return to;
  };
  const across = along(values, columns, 4, rows, 4 * columns);
  return along(across, rows, 4 * columns, columns, 4);
}

/** Means of each cell's first three values by its fourth, and of them what goes beyond `TINT`. */
function beyond(sums) {
  const change = new Float32Array((sums.length / 4) * 3);
  for (let from = 0, to = 0; from < sums.length; from += 4, to += 3) {
    const weight = Math.max(sums[from + 3], 1e-6);
    let farthest = 1e-6;
    for (let c = 0; c < 3; c++) {
      change[to + c] = sums[from + c] / weight;
      farthest = Math.max(farthest, Math.abs(change[to + c]));
    }
    for (let c = 0; c < 3; c++) change[to + c] *= Math.max(0, 1 - TINT / farthest);
  }
  return change;
}

/** For each of `length` pixels where the cell before it and the one behind it begin, `step` values
 * apart, and how far it is on its way between them; beyond the outermost's middles these alone. */
function between(length, factor, cells, step) {
  const before = new Int32Array(length);
  const after = new Int32Array(length);
  const part = new Float32Array(length);
  for (let pixel = 0; pixel < length; pixel++) {
    const place = Math.min(cells - 1, Math.max(0, (pixel + 0.5) / factor - 0.5));
    const cell = Math.floor(place);
    before[pixel] = step * cell;
    after[pixel] = step * Math.min(cell + 1, cells - 1);
    part[pixel] = place - cell;
  }
  return { before, after, part };
}

/** `values`, three for each of `columns`×`rows`, enlarged: `put` is given each row of
 * `width`×`height`. */
function enlarge(values, columns, rows, factor, width, height, put) {
  const across = between(width, factor, columns, 3);
  const down = between(height, factor, rows, 3 * columns);
  const small = new Float32Array(3 * columns);
  const row = new Float32Array(3 * width);
  for (let y = 0; y < height; y++) {
    const above = down.before[y];
    const below = down.after[y];
    for (let i = 0; i < small.length; i++) {
      const first = values[above + i];
      small[i] = first + down.part[y] * (values[below + i] - first);
    }
    for (let x = 0, at = 0; x < width; x++) {
      const left = across.before[x];
      const right = across.after[x];
      const part = across.part[x];
      for (let c = 0; c < 3; c++, at++) {
        const first = small[left + c];
        row[at] = first + part * (small[right + c] - first);
      }
    }
    put(row, y);
  }
}
