// Depth: by a network in this worker, or in one of its own, beside the one that stylizes.

import { Called } from './calls.js';
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
  #called = new Called('depth_worker.js', (progress) => postMessage({ progress }));

  constructor(about) {
    this.#called.ask('start', { about }).catch(() => {}); // said of what is asked for next
  }

  load() {
    return this.#called.ask('load');
  }

  estimate(picture) {
    return this.#called.ask('estimate', { picture });
  }
}
