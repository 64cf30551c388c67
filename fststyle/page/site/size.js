// At which size pictures and films are stylized.

/** Heights, of 16:9, among which the rate of a film chooses. */
export const LEVELS = [90, 120, 144, 180, 216, 270, 360, 450, 540, 720];
export const FIRST_LEVEL = { cpu: LEVELS.indexOf(180), webgpu: LEVELS.indexOf(360) };
/** Milliseconds a frame may take. */
const BUDGET = { cpu: 100, webgpu: 50 };
/** Longer side of pictures where the size is automatic. */
const PICTURE_SIDE = { cpu: 640, webgpu: 1280 };
/** The same of what a new picture is shown as at first. */
const PREVIEW_SIDE = 320;
const COUNTED = 5;
export const SMALLEST = 16;

const even = (length) => Math.max(2, Math.round(length / 2) * 2);

/** Width and height with a longer side of at most `side` pixels, not enlarged. */
export function fitted(width, height, side) {
  const scale = Math.min(1, side / Math.max(width, height));
  return scale === 1 ? { width, height } : { width: even(width * scale), height: even(height * scale) };
}

/** Width and height of a film's frame with the area of a level's 16:9, not enlarged. */
export function atLevel(width, height, level) {
  const scale = Math.min(1, (LEVELS[level] * Math.sqrt(16 / 9)) / Math.sqrt(width * height));
  return { width: even(width * scale), height: even(height * scale) };
}

/** The level after frames that took `times` milliseconds at `level`, the last ones last; the same one
 * until there are enough of them. */
export function nextLevel(level, times, budget) {
  if (times.length < COUNTED) return level;
  const sorted = times.slice(-COUNTED).sort((a, b) => a - b);
  const typical = sorted[(COUNTED - 1) / 2];
  if (typical > 1.2 * budget) return Math.max(0, level - 1);
  const larger = Math.min(LEVELS.length - 1, level + 1);
  const then = typical * (LEVELS[larger] / LEVELS[level]) ** 2;
  return then < 0.7 * budget ? larger : level;
}

/** The size of one source's pictures: as chosen, or automatic, which for films follows the rate. */
export class Sizes {
  #times = [];
  #level = null;

  /** `chosen`: a longer side, or "auto"; `engine`: "cpu" or "webgpu"; `preview`: of a new picture. */
  next({ width, height, film }, chosen, engine, preview) {
    if (chosen !== 'auto') return fitted(width, height, Number(chosen));
    if (!film) return fitted(width, height, preview ? PREVIEW_SIDE : PICTURE_SIDE[engine]);
    this.#level ??= FIRST_LEVEL[engine];
    return atLevel(width, height, this.#level);
  }

  /** A film's frame of automatic size took so long. */
  took(milliseconds, engine) {
    this.#times.push(milliseconds);
    const level = nextLevel(this.#level, this.#times, BUDGET[engine]);
    if (level !== this.#level) [this.#level, this.#times] = [level, []];
  }

  /** Another source, or another engine. */
  reset() {
    [this.#level, this.#times] = [null, []];
  }
}
