// ONNX Runtime Web, in whatever worker needs it.

import { fetchBytes } from './load.js';

/** A function `download(file, what)` for the files of this page, with progress from this worker. */
export function download(file, what) {
  return fetchBytes(new URL(file, import.meta.url), (loaded, total) =>
    postMessage({ progress: { what, loaded, total } }));
}

export class Runtime {
  #loading = null;

  /** `engine`: "webgpu" or "cpu". */
  constructor(engine, threads) {
    Object.assign(this, { engine, threads });
  }

  /** It, loaded when it is first needed. */
  load() {
    this.#loading ??= this.#load().catch((error) => {
      this.#loading = null;
      throw error;
    });
    return this.#loading;
  }

  async #load() {
    const [wasm, ort] = await Promise.all([
      download(`engine/${this.engine}.wasm.gz`, 'engine'),
      import(`./engine/${this.engine}.js`),
    ]);
    ort.env.logLevel = 'error';
    ort.env.wasm.numThreads = this.threads;
    ort.env.wasm.wasmBinary = wasm.buffer;
    return ort;
  }

  /** {ort, session} of a network's file. */
  async open(file, what) {
    const [ort, bytes] = await Promise.all([this.load(), download(file, what)]);
    // Threads that wait by spinning take the cores from the page, and from other programs.
    const extra = { session: { intra_op: { allow_spinning: '0' } } };
    const executionProviders = [this.engine === 'webgpu' ? 'webgpu' : 'wasm'];
    const session = await ort.InferenceSession.create(bytes, {
      executionProviders, logSeverityLevel: 3, extra,
    });
    return { ort, session };
  }
}
