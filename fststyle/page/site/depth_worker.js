// The worker of DepthWorker.

import { answer } from './calls.js';
import { DepthNetwork } from './depth.js';
import { Runtime } from './runtime.js';

let network;

answer({
  start: ({ about }) => {
    network = new DepthNetwork(new Runtime('cpu', 1), about);
    return {};
  },
  load: async () => {
    await network.load();
    return {};
  },
  estimate: ({ picture }) => network.estimate(picture),
});
