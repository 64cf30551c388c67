// Maps and pictures at other sizes, as Pillow resizes them, so that the page computes what
// `fststyle infer` computes. Values lie row by row; `channels` of them for each pixel.

const FILTERS = {
  box: { support: 0.5, at: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, at: bicubic },
};

function bicubic(x) {
  const a = -0.5;
  x = Math.abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/** For each of `to` pixels: where its window begins among `from`, and the `taps` weights in it. */
function windows(from, to, filter) {
  const scale = from / to;
  const wide = Math.max(scale, 1);
  const reach = filter.support * wide;
  const taps = Math.min(from, Math.ceil(2 * reach) + 1);
  const first = new Int32Array(to);
  const weights = new Float64Array(to * taps);
  for (let place = 0; place < to; place++) {
    const centre = (place + 0.5) * scale;
    const begin = Math.max(0, Math.floor(centre - reach + 0.5));
    const end = Math.min(from, Math.floor(centre + reach + 0.5));
    // A window at the far border begins earlier, with weights of 0.
    first[place] = Math.min(begin, from - taps);
    let sum = 0;
    for (let at = begin; at < end; at++) sum += filter.at((at - centre + 0.5) / wide);
    for (let at = begin; at < end; at++) {
      const weight = filter.at((at - centre + 0.5) / wide) / sum;
      weights[place * taps + at - first[place]] = weight;
    }
  }
  return { first, weights, taps };
}

const asByte = (x) => Math.min(255, Math.max(0, (x + 0.5) | 0));

/** `values`, width×height×channels, at another size; bytes are rounded after each direction. */
export function resize(values, width, height, newWidth, newHeight, name, channels = 1) {
  const kind = values.constructor;
  const bytes = kind !== Float32Array;
  // Of one type whatever comes, so that the loops are compiled for it; and row by row, as values lie.
  let now = bytes ? new Float32Array(values) : values;
  if (newWidth !== width) {
    const { first, weights, taps } = windows(width, newWidth, FILTERS[name]);
    const next = new Float32Array(newWidth * height * channels);
    let place = 0;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < newWidth; x++) {
        for (let c = 0; c < channels; c++) {
          let at = (y * width + first[x]) * channels + c;
          let sum = 0;
          for (let tap = x * taps; tap < (x + 1) * taps; tap++) {
            sum += weights[tap] * now[at];
            at += channels;
          }
          next[place++] = bytes ? asByte(sum) : sum;
        }
      }
    }
    now = next;
  }
  if (newHeight !== height) {
    const { first, weights, taps } = windows(height, newHeight, FILTERS[name]);
    const row = newWidth * channels;
    const next = new Float32Array(row * newHeight);
    const sums = new Float64Array(row);
    for (let y = 0; y < newHeight; y++) {
      sums.fill(0);
      for (let tap = 0; tap < taps; tap++) {
        const weight = weights[y * taps + tap];
        const at = (first[y] + tap) * row;
        for (let x = 0; x < row; x++) sums[x] += weight * now[at + x];
      }
      for (let x = 0; x < row; x++) next[y * row + x] = bytes ? asByte(sums[x]) : sums[x];
    }
    now = next;
  }
  return bytes ? new kind(now) : now;
}

/** Bytes at 1/factor of the size: means of squares of pixels, at the far edges of what is there. */
export function reduce(values, width, height, factor, channels) {
  const newWidth = Math.ceil(width / factor);
  const newHeight = Math.ceil(height / factor);
  const next = new Uint8Array(newWidth * newHeight * channels);
  for (let y = 0; y < newHeight; y++) {
    const bottom = Math.min(height, (y + 1) * factor);
    for (let x = 0; x < newWidth; x++) {
      const right = Math.min(width, (x + 1) * factor);
      const count = (bottom - y * factor) * (right - x * factor);
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let v = y * factor; v < bottom; v++) {
          for (let u = x * factor; u < right; u++) sum += values[(v * width + u) * channels + c];
        }
        next[(y * newWidth + x) * channels + c] = Math.floor(sum / count + 0.5);
      }
    }
  }
  return { values: next, width: newWidth, height: newHeight };
}

/** ITU-R 601 luma of RGB bytes, as bytes. */
export function luminance(rgb) {
  const grey = new Uint8Array(rgb.length / 3);
  for (let i = 0, at = 0; i < grey.length; i++, at += 3) {
    grey[i] = (rgb[at] * 19595 + rgb[at + 1] * 38470 + rgb[at + 2] * 7471 + 0x8000) >> 16;
  }
  return grey;
}
