// Files from the page's own server, with progress; those stored compressed come out whole.

export class DownloadError extends Error {}

/** The bytes of a file. `progress(loaded, total)` is told of bytes as they come, total 0 if unknown. */
export async function fetchBytes(url, progress = () => {}) {
  const parts = [];
  try {
    const response = await fetch(url);
    if (!response.ok) throw new DownloadError(`${url}: the server answered ${response.status}`);
    const total = Number(response.headers.get('content-length')) || 0;
    const reader = response.body.getReader();
    let loaded = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      loaded += value.length;
      progress(loaded, total);
    }
    progress(loaded, loaded);
  } catch (error) {
    if (error instanceof DownloadError) throw error;
    throw new DownloadError(`${url} cannot be loaded: is there a connection?`);
  }
  return unpacked(new Blob(parts));
}

// By its first bytes, since some servers say of .gz that it is an encoding, and browsers unpack that.
async function unpacked(blob) {
  const head = new Uint8Array(await blob.slice(0, 2).arrayBuffer());
  const packed = head[0] === 0x1f && head[1] === 0x8b;
  const stream = blob.stream();
  const whole = packed ? stream.pipeThrough(new DecompressionStream('gzip')) : stream;
  return new Uint8Array(await new Response(whole).arrayBuffer());
}

export function decodeBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
