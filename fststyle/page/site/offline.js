// The service worker: it keeps the page's files for when there is no connection, and adds the
// headers by which browsers allow threads, where the server does not send them.

import { wantsThreads } from './engine.js';
import { fetchBytes } from './load.js';

const PATIENCE = 4000;
const TRIED = 'fststyle: reloaded for threads';

/** Begin to keep files. Resolves when the page may load the large ones; or reloads it once. */
export async function keepFiles() {
  if (!navigator.serviceWorker) return;
  const registration = await navigator.serviceWorker.register('sw.js').catch(() => null);
  if (!registration) return;
  const controlled = navigator.serviceWorker.controller
    ?? new Promise((resolve) => {
      navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true });
    });
  const late = new Promise((resolve) => { setTimeout(resolve, PATIENCE); });
  await Promise.race([controlled, late]);
  if (crossOriginIsolated || !wantsThreads()) return;
  if (navigator.serviceWorker.controller && !sessionStorage.getItem(TRIED)) {
    sessionStorage.setItem(TRIED, 'yes');
    location.reload();
    await new Promise(() => {});
  }
}

/** Whether files that are fetched now are kept. */
export function keeps() {
  return Boolean(navigator.serviceWorker?.controller);
}

/** Fetch what the page may still need, so that it is kept; `progress(done, all)` counts files. */
export async function fetchAll(catalogue, group, progress) {
  const engine = group === 'webgpu' ? ['webgpu', 'cpu'] : ['cpu'];
  const styleFiles = ({ file, kernels }) => {
    if (!kernels) return [file];
    return group === 'webgpu' ? [file, kernels.file] : [kernels.file];
  };
  const files = [
    ...engine.flatMap((name) => [`engine/${name}.js`, `engine/${name}.wasm.gz`]),
    ...['relaxed', 'transform'].map((name) => `engine/${name}.wasm`),
    ...catalogue.styles.flatMap(styleFiles),
    ...(catalogue.depth ? [catalogue.depth.file] : []),
  ];
  for (const [done, file] of files.entries()) {
    progress(done, files.length);
    await fetchBytes(file);
  }
  progress(files.length, files.length);
}
