// One of the threads of transform.js but the first.

import { instantiate } from './transform.js';

onmessage = ({ data: { module, memory, thread } }) => {
  const { help } = instantiate(module, memory, thread);
  postMessage('ready');
  help(thread); // for ever
};
