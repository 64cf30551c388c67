// Calls to a worker, answered by promises. Asked are {id, kind, …}, answers {id, result} or
// {id, error}; between them come {progress}.

import { DownloadError } from './load.js';

/** In a worker: answer each kind of call by `tasks[kind](request)`. Buffers in the `transfer` of what
 * a task gives are handed over, not copied. */
export function answer(tasks) {
  globalThis.onmessage = async ({ data: { id, kind, ...request } }) => {
    try {
      const { transfer = [], ...result } = await tasks[kind](request);
      postMessage({ id, result }, transfer);
    } catch (error) {
      const download = error instanceof DownloadError;
      postMessage({ id, error: { message: error?.message ?? String(error), download } });
    }
  };
}

export class Called {
  #worker;
  #open = new Map();
  #count = 0;
  #ended = null;

  /** The worker in a `file` beside this one; `onProgress({what, loaded, total})`. */
  constructor(file, onProgress) {
    this.onProgress = onProgress;
    this.#worker = new Worker(new URL(file, import.meta.url), { type: 'module' });
    this.#worker.onmessage = ({ data }) => this.#answered(data);
    this.#worker.onerror = (event) => this.end(event.message || 'its worker cannot be loaded');
  }

  #answered({ id, result, error, progress }) {
    if (progress) {
      this.onProgress(progress);
      return;
    }
    const { resolve, reject } = this.#open.get(id);
    this.#open.delete(id);
    if (error) reject(error.download ? new DownloadError(error.message) : new Error(error.message));
    else resolve(result);
  }

  ask(kind, request = {}) {
    if (this.#ended !== null) return Promise.reject(new Error(this.#ended));
    const id = this.#count++;
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve, reject });
      this.#worker.postMessage({ id, kind, ...request });
    });
  }

  /** Whatever is still asked for fails with `reason`, and so does what is asked for later. */
  end(reason) {
    this.#ended = reason;
    this.#worker.terminate();
    for (const { reject } of this.#open.values()) reject(new Error(reason));
    this.#open.clear();
  }
}
