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

/** For each of `to` pixels: where its window begins among `from`, and the weights in it. */
function windows(from, to, filter) {
  const scale = from / to;
  const wide = Math.max(scale, 1);
  const reach = filter.support * wide;
  return Array.from({ length: to }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - reach + 0.5));
    const end = Math.min(from, Math.floor(centre + reach + 0.5));
    const weights = [];
    for (let at = first; at < end; at++) weights.push(filter.at((at - centre + 0.5) / wide));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** `values`, width×height×channels, at another size; bytes are rounded after each direction. */
export function resize(values, width, height, newWidth, newHeight, name, channels = 1) {
  const kind = values.constructor;
  const bytes = kind !== Float32Array;
  const round = (x) => (bytes ? Math.min(255, Math.max(0, Math.floor(x + 0.5))) : x);
  let now = values;
  if (newWidth !== width) {
    const next = new kind(newWidth * height * channels);
    windows(width, newWidth, FILTERS[name]).forEach(({ first, weights }, x) => {
      for (let y = 0; y < height; y++) {
        for (let c = 0; c < channels; c++) {
          let sum = 0;
          let at = (y * width + first) * channels + c;
          for (const weight of weights) {
            sum += weight * now[at];
            at += channels;
          }
          next[(y * newWidth + x) * channels + c] = round(sum);
        }
      }
    });
    now = next;
  }
  if (newHeight !== height) {
    const row = newWidth * channels;
    const next = new kind(row * newHeight);
    windows(height, newHeight, FILTERS[name]).forEach(({ first, weights }, y) => {
      for (let x = 0; x < row; x++) {
        let sum = 0;
        let at = first * row + x;
        for (const weight of weights) {
          sum += weight * now[at];
          at += row;
        }
        next[y * row + x] = round(sum);
      }
    });
    now = next;
  }
  return now;
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
