// What is shown: the original, the stylized picture over it, depth in a corner, the figures.

import { makeWipe } from './wipe.js';

const $ = (selector) => document.querySelector(selector);

export class View {
  #stage = $('#stage');
  #view = $('#view');
  #before = $('#before');
  #after = $('#after');
  #source = null;
  /** Show the border between the original and the picture, or not. */
  compare = makeWipe(this.#view, $('#wipe'));

  constructor() {
    new ResizeObserver(() => this.#place()).observe(this.#stage);
  }

  /** The canvas of the stylized picture. */
  get canvas() {
    return this.#after;
  }

  set busy(busy) {
    this.#stage.ariaBusy = String(busy);
  }

  /** Give the stage to a source; null empties it. */
  reveal(source) {
    this.#source = source;
    const focused = $('#empty').contains(document.activeElement);
    this.#view.hidden = !source;
    $('#empty').hidden = Boolean(source);
    if (source && focused) $('.actions button').focus(); // which would be lost with what had it
    this.#stage.classList.toggle('full', Boolean(source));
    if (!source) return;
    this.#stage.style.setProperty('--aspect', `${source.width} / ${source.height}`);
    this.#place();
  }

  #place() {
    if (!this.#source) return;
    const { clientWidth, clientHeight } = this.#stage;
    const wide = this.#source.width / this.#source.height > clientWidth / clientHeight;
    this.#view.classList.toggle('wide', wide);
    this.#view.classList.toggle('tall', !wide);
  }

  /** The source as it is now, at this size: shown as the original, and returned as ImageData. */
  draw(source, { width, height }) {
    Object.assign(this.#before, { width, height });
    const context = this.#before.getContext('2d', { willReadFrequently: true });
    if (source.mirrored) context.setTransform(-1, 0, 0, 1, width, 0);
    context.imageSmoothingQuality = 'high';
    context.drawImage(source.element, 0, 0, width, height);
    context.setTransform(1, 0, 0, 1, 0, 0);
    return context.getImageData(0, 0, width, height);
  }

  /** Show what the engine made, and how long it took. */
  show(result, milliseconds, film) {
    put(this.#after, result);
    if (result.depth) put($('#depth canvas'), result.depth);
    $('#depth').hidden = !result.depth;
    const rate = film ? ` · ${(1000 / milliseconds).toFixed(1)} a second` : '';
    const size = `${result.width}×${result.height}`;
    $('#figures').textContent = `· ${size} · ${Math.round(milliseconds)} ms${rate}`;
    this.#after.dataset.pictures = Number(this.#after.dataset.pictures ?? 0) + 1;
  }

  hideDepth() {
    $('#depth').hidden = true;
  }
}

function put(canvas, { data, width, height }) {
  // A canvas is emptied by its size, even by the same one.
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext('2d').putImageData(new ImageData(data, width, height), 0, 0);
}
