// Depth: by a network in this worker, or in one of its own, beside the one that stylizes.

import { DownloadError } from './load.js';
import { depthInput } from './maps.js';

/** The network in this worker; `about`: {file, side} of the page's catalogue. */
export class DepthNetwork {
  #opening = null;

  constructor(runtime, about) {
    Object.assign(this, { runtime, about });
  }

  /** Have it ready; loaded when it is first needed. */
  load() {
    this.#opening ??= this.runtime.open(this.about.file, 'depth').catch((error) => {
      this.#opening = null;
      throw error;
    });
    return this.#opening;
  }

  /** {values, width, height} of a picture's depth, larger = farther. */
  async estimate(picture) {
    const { ort, session } = await this.load();
    const seen = depthInput(picture, this.about.side);
    const content = new ort.Tensor('float32', seen.values, [1, 3, seen.height, seen.width]);
    const output = (await session.run({ content })).depth;
    const values = Float32Array.from(await output.getData());
    output.dispose();
    return { values, width: seen.width, height: seen.height };
  }
}

/** The same in a worker of its own. */
export class DepthWorker {
  #worker = new Worker(new URL('depth_worker.js', import.meta.url), { type: 'module' });
  #open = new Map();
  #count = 0;

  constructor(about) {
    this.#worker.onmessage = ({ data }) => this.#answered(data);
    this.#worker.onerror = (event) => this.#fail(event.message);
    this.#worker.postMessage({ about });
  }

  #answered({ id, result, error, progress }) {
    if (progress) {
      postMessage({ progress });
      return;
    }
    const { resolve, reject } = this.#open.get(id);
    this.#open.delete(id);
    if (error) reject(error.download ? new DownloadError(error.message) : new Error(error.message));
    else resolve(result);
  }

  #fail(message) {
    for (const { reject } of this.#open.values()) reject(new Error(message || 'no worker for depth'));
    this.#open.clear();
  }

  #ask(kind, picture) {
    const id = this.#count++;
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve, reject });
      this.#worker.postMessage({ id, kind, picture });
    });
  }

  load() {
    return this.#ask('load');
  }

  estimate(picture) {
    return this.#ask('estimate', picture);
  }
}
