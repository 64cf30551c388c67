// Which engine computes, in a worker of its own: the best that this browser has and that passes a
// check; where one fails, then or later, the next.

import { Called } from './calls.js';
import { DownloadError } from './load.js';

const LIMIT = 30000;
/** Milliseconds in which an engine has to pass the check; downloads do not count. */

const NAMES = {
  webgpu: () => 'WebGPU',
  threads: (threads) => `WebAssembly, ${threads} threads`,
  single: () => 'WebAssembly, one thread',
};

/** Threads for WebAssembly: a core in two, since most are halves of one; not more than 8. */
function threadCount() {
  return Math.min(8, Math.ceil((navigator.hardwareConcurrency ?? 1) / 2));
}

/** What the page's address asks for (?engine=…): webgpu, threads, single, or null. */
const wanted = new URLSearchParams(location.search).get('engine');

export function wantsThreads() {
  return wanted ? wanted === 'threads' : threadCount() > 1;
}

/** Engines to try, best first. What the address asks for is tried where it would be passed over, too:
 * a WebGPU that is computed by the processor, two threads on two cores. */
async function candidates() {
  const found = [];
  if (wanted === 'webgpu' || (!wanted && (await hasGraphicsProcessor()))) found.push('webgpu');
  if (crossOriginIsolated && wantsThreads()) found.push('threads');
  found.push('single');
  return found.map((kind) => ({
    kind,
    engine: kind === 'webgpu' ? 'webgpu' : 'cpu',
    threads: kind === 'threads' ? Math.max(2, threadCount()) : 1,
    limit: wanted === kind ? Infinity : LIMIT,
  }));
}

async function hasGraphicsProcessor() {
  // ONNX Runtime's WebGPU needs promise integration, too, which pauses WebAssembly meanwhile.
  if (!navigator.gpu || !('Suspending' in WebAssembly)) return false;
  const adapter = await navigator.gpu.requestAdapter().catch(() => null);
  return Boolean(adapter) && !adapter.info?.isFallbackAdapter;
}

/** The engine in use.
 *
 * `catalogue`: the page's. `onProgress({what, loaded, total})`; `onChange(name, reason)` when another
 * engine takes over, with why the one before failed, or null. */
export class Engine {
  #worker = null;
  #left = null;
  #busy = Promise.resolve();
  name = '';
  /** "webgpu" or "cpu". */
  group = 'cpu';

  constructor(catalogue, { onProgress, onChange }) {
    Object.assign(this, { catalogue, onProgress, onChange });
  }

  /** Have a style ready; errors of downloads alone are left over. */
  load(style) {
    return this.#inTurn(() => this.#tried((worker) => this.#passed(worker, style)));
  }

  /** See `stylize` of worker.js; raises as `load`. */
  stylize(request) {
    return this.#inTurn(() => this.#tried(async (worker) => {
      await this.#passed(worker, request.name);
      return worker.ask('stylize', request);
    }));
  }

  // One thing at a time, so that a change of engines concerns one.
  #inTurn(task) {
    const done = this.#busy.then(task);
    this.#busy = done.catch(() => {});
    return done;
  }

  async #tried(task) {
    this.#left ??= await candidates();
    let reason = null;
    for (;;) {
      try {
        if (!this.#worker) await this.#begin();
        const result = await task(this.#worker);
        if (reason !== null || !this.name) this.#announce(reason);
        return result;
      } catch (error) {
        if (error instanceof DownloadError || this.#left.length === 1) throw error;
        const { kind, threads } = this.#left.shift();
        reason = `${NAMES[kind](threads)} failed (${error.message})`;
        this.#worker?.end(reason);
        this.#worker = null;
      }
    }
  }

  #announce(reason) {
    const { kind, threads, engine } = this.#left[0];
    this.group = engine;
    this.name = NAMES[kind](threads);
    this.onChange(this.name, reason);
  }

  async #begin() {
    const { engine, threads } = this.#left[0];
    const worker = new Called('worker.js', this.onProgress);
    try {
      await worker.ask('start', { engine, threads, about: this.catalogue });
    } catch (error) {
      worker.end(error.message);
      throw error;
    }
    this.#worker = worker;
  }

  #passed(worker, name) {
    const { limit } = this.#left[0];
    if (limit === Infinity) return worker.ask('load', { name });
    let timer;
    const late = new Promise((_, reject) => {
      const restart = () => {
        clearTimeout(timer);
        timer = setTimeout(() => reject(new Error(`no answer in ${limit / 1000} s`)), limit);
      };
      restart();
      worker.onProgress = (progress) => {
        restart();
        this.onProgress(progress);
      };
    });
    return Promise.race([worker.ask('load', { name }), late]).finally(() => clearTimeout(timer));
  }
}
