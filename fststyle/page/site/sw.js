// Keeps the page's files, the large ones from when they are first used, and isolates the page, which
// browsers ask for before they allow threads. The two lines below are filled in by `fststyle page`.
const VERSION = "";
const FILES = [];

const PREFIX = `fststyle ${registration.scope} `;
const CACHE = PREFIX + VERSION;
const LARGE = /^(depth|engine|styles)\//;
const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

addEventListener('install', (event) => {
  const small = ['./', ...FILES.filter((file) => !LARGE.test(file))];
  const requests = small.map((file) => new Request(file, { cache: 'reload' }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(requests)));
});

addEventListener('activate', (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
    }
    await clients.claim();
  })());
});

addEventListener('fetch', (event) => {
  const { method, url } = event.request;
  if (method === 'GET' && url.startsWith(registration.scope)) event.respondWith(answer(event));
});

async function answer(event) {
  const { request } = event;
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request, { ignoreSearch: true });
  if (kept) return isolated(kept);
  const response = await fetch(request);
  const name = request.url.slice(registration.scope.length);
  if (response.status === 200 && FILES.includes(name)) {
    event.waitUntil(cache.put(request, response.clone()));
  }
  return isolated(response);
}

function isolated(response) {
  if (response.type === 'opaqueredirect') return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATION)) headers.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}
