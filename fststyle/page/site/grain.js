// What a picture is given so that plain surfaces get strokes, and not the same ones all over: grain
// and clouds, of the same numbers as `fststyle infer` has them.

/** Of the bytes that `fststyle page` writes, and what its catalogue says of them. */
export class Grain {
  constructor(bytes, { side, clouds }) {
    this.side = side;
    this.fine = new Int8Array(bytes.buffer, bytes.byteOffset, side * side);
    this.clouds = clouds;
    this.parts = new Int8Array(bytes.buffer, bytes.byteOffset + side * side);
  }

  /** The RGB bytes of a picture with both, which belong to the place. Of clouds there are the fewer
   * the more stays of the picture, by its `map` or as `strength` says; with `keepColour` they have
   * no colour. */
  added({ values, width, height }, map, { strength, keepColour }) {
    const { side, fine } = this;
    const { cell, even, dark } = this.clouds;
    const gains = this.#gains(width, height, map, strength, keepColour);
    const rows = between(height, cell);
    const columns = between(width, cell);
    const row = new Int32Array(3 * cells(width, cell));
    // Between cells evenly, in parts of 1 / (2 · cell), and rounded once; all are powers of two.
    const whole = 2 * cell;
    const areaBits = 2 * Math.log2(whole);
    const area = 1 << areaBits;
    const evenBits = Math.log2(even);
    const grained = new Uint8ClampedArray(values.length);
    for (let y = 0, at = 0; y < height; y++) {
      const first = rows.before[y] * row.length;
      const below = rows.part[y];
      for (let i = 0; i < row.length; i++) {
        row[i] = gains[first + i] * (whole - below) + gains[first + row.length + i] * below;
      }
      const grain = (y % side) * side;
      for (let x = 0; x < width; x++) {
        const left = 3 * columns.before[x];
        const right = columns.part[x];
        const step = fine[grain + (x % side)];
        for (let place = left; place < left + 3; place++, at++) {
          const sum = row[place] * (whole - right) + row[place + 3] * right;
          const gain = (sum + (area >> 1)) >> areaBits;
          const brighter = Math.min(255, rounded(values[at] * gain, evenBits));
          const varied = rounded((brighter << evenBits) + dark * (gain - even), evenBits);
          grained[at] = Math.min(255, Math.max(0, varied)) + step;
        }
      }
    }
    return new Uint8Array(grained.buffer);
  }

  /** What the cells of a picture are multiplied by, and one more on either side. */
  #gains(width, height, map, strength, keepColour) {
    const { side, cell, even } = this.clouds;
    const [down, across] = [height, width].map((length) => cells(length, cell));
    const gains = new Int32Array(3 * across * down);
    const inMap = (at, length, count) =>
      Math.trunc(Math.min(count - 1, Math.max(0, (cell * (at - 0.5) * count) / length)));
    for (let y = 0, to = 0; y < down; y++) {
      const from = ((y - 1 + side) % side) * side;
      const row = inMap(y, height, map.height) * map.width;
      for (let x = 0; x < across; x++, to += 3) {
        const left = strength * (1 - map.values[row + inMap(x, width, map.width)]);
        const at = 3 * (from + ((x - 1 + side) % side));
        const parts = [this.parts[at], this.parts[at + 1], this.parts[at + 2]];
        const mean = Math.round((parts[0] + parts[1] + parts[2]) / 3);
        for (let c = 0; c < 3; c++) {
          gains[to + c] = Math.floor(even + (keepColour ? mean : parts[c]) * left + 0.5);
        }
      }
    }
    return gains;
  }
}

/** `value` / 2^`bits`, halves to the even number, as OpenCV rounds. */
function rounded(value, bits) {
  const odd = (value >> bits) & 1;
  return (value + (1 << (bits - 1)) - 1 + odd) >> bits;
}

/** How many cells so many pixels have, with one more on either side. */
function cells(length, cell) {
  return Math.floor((length - 1) / cell) + 3;
}

/** Behind which of these cells each pixel lies, and how far towards the next, in parts of
 * 1 / (2 · cell). */
function between(length, cell) {
  const before = new Int32Array(length);
  const part = new Int32Array(length);
  for (let pixel = 0; pixel < length; pixel++) {
    const place = 2 * pixel + 1 + cell;
    before[pixel] = Math.floor(place / (2 * cell));
    part[pixel] = place - 2 * cell * before[pixel];
  }
  return { before, part };
}
