// The style network by the page's own kernels, transform.c, on several threads.

import { fetchBytes } from './load.js';

const PAGE = 1 << 16;
const SMALLEST = 64;
/** Pages of memory that are asked for, as many as a browser gives. */
const MOST = [32768, 16384, 8192];

/** With multiplication and addition in one instruction where the browser knows it, which Safari does
 * not yet. */
async function compiled(download) {
  let reason;
  for (const file of ['relaxed.wasm', 'transform.wasm']) {
    const bytes = await download(`engine/${file}`, 'engine');
    try {
      return await WebAssembly.compile(bytes);
    } catch (error) {
      reason = error;
    }
  }
  throw reason;
}

function sharedMemory() {
  for (const maximum of MOST) {
    try {
      return new WebAssembly.Memory({ initial: SMALLEST, maximum, shared: true });
    } catch (error) {
      if (maximum === MOST.at(-1)) throw error;
    }
  }
}

/** An instance on a stack of its own. */
export function instantiate(module, memory, thread) {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  exports.__stack_pointer.value = exports.stack(thread);
  return exports;
}

function helper(message) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('helper.js', import.meta.url), { type: 'module' });
    worker.onmessage = resolve;
    worker.onerror = (event) => reject(new Error(event.message || 'a thread cannot be started'));
    worker.postMessage(message);
  });
}

export class Transform {
  #memory;
  #exports;
  #threads;
  #prepared = '';
  #numbers = null;

  /** Ready to compute on `threads` threads, of which this one is the first. */
  static async open(threads, download) {
    const made = new Transform();
    const module = await compiled(download);
    made.#memory = sharedMemory();
    made.#exports = instantiate(module, made.#memory, 0);
    made.#threads = threads;
    const others = Array.from({ length: threads - 1 }, (_, i) => i + 1);
    await Promise.all(others.map((thread) => helper({ module, memory: made.#memory, thread })));
    return made;
  }

  /** RGB bytes of `picture`, {values, width, height}, in a style: {numbers, width, mapped}. */
  run({ numbers, width, mapped }, picture, { strength, keepColour }, map) {
    this.#prepare(numbers, width, mapped, picture.height, picture.width, map.height, map.width);
    const bytes = new Uint8Array(
      this.#memory.buffer, this.#exports.picture(), picture.values.length);
    bytes.set(picture.values);
    new Float32Array(this.#memory.buffer, this.#exports.map(), map.values.length).set(map.values);
    this.#exports.run(strength, keepColour);
    return bytes.slice();
  }

  #prepare(numbers, ...sizes) {
    if (this.#numbers === numbers && this.#prepared === String(sizes)) return;
    this.#numbers = null; // until there is memory for it
    const needed = this.#exports.prepare(numbers.length, ...sizes, this.#threads);
    const missing = Math.ceil((needed - this.#memory.buffer.byteLength) / PAGE);
    if (missing > 0) this.#memory.grow(missing);
    new Float32Array(this.#memory.buffer, this.#exports.weights(), numbers.length).set(numbers);
    this.#numbers = numbers;
    this.#prepared = String(sizes);
  }
}

/** The numbers of a network as they come from the server: little-endian, as WebAssembly has them. */
export function numbersOf(bytes) {
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}
