// The worker of DepthWorker.

import { DepthNetwork } from './depth.js';
import { DownloadError } from './load.js';
import { Runtime } from './runtime.js';

let network;

const tasks = {
  load: async () => {
    await network.load();
  },
  estimate: (picture) => network.estimate(picture),
};

onmessage = async ({ data: { about, id, kind, picture } }) => {
  if (about) {
    network = new DepthNetwork(new Runtime('cpu', 1), about);
    return;
  }
  try {
    postMessage({ id, result: await tasks[kind](picture) });
  } catch (error) {
    const download = error instanceof DownloadError;
    postMessage({ id, error: { message: error?.message ?? String(error), download } });
  }
};
