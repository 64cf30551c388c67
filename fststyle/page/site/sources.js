// Where pictures come from: files, the camera. A source has `film`, `width`, `height`, `element` to
// draw from, and `close()`.

let count = 0;

function source(film, element, width, height, close = () => {}) {
  count += 1;
  return { number: count, film, element, width, height, close };
}

/** A picture or a video out of a File; raises with the reason. */
export async function openFile(file) {
  if (file.type.startsWith('image/')) return openPicture(file);
  return openVideo(file).catch(() => openPicture(file)); // what some are, no system says
}

async function openPicture(file) {
  try {
    const bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' });
    return source(false, bitmap, bitmap.width, bitmap.height, () => bitmap.close());
  } catch {
    throw new Error(`${file.name || 'The file'} is no picture or video that this browser can read.`);
  }
}

/** The picture at an address of the page's own. */
export async function openAddress(address) {
  const response = await fetch(address);
  return openPicture(await response.blob());
}

async function openVideo(file) {
  const video = document.createElement('video');
  const address = URL.createObjectURL(file);
  Object.assign(video, { src: address, muted: true, loop: true, playsInline: true });
  const close = () => {
    video.pause();
    video.removeAttribute('src');
    video.load();
    URL.revokeObjectURL(address);
  };
  await readyOrClosed(video, close);
  return source(true, video, video.videoWidth, video.videoHeight, close);
}

const REASONS = {
  NotAllowedError: 'The browser was not allowed to use the camera: its address bar has the switch.',
  NotFoundError: 'No camera was found.',
  NotReadableError: 'The camera is used by another program.',
};

/** The camera; `facing`: "user" or "environment", where there are two. Raises with the reason. */
export async function openCamera(facing = 'user') {
  if (!navigator.mediaDevices) {
    throw new Error('Browsers give the camera to pages of https and of this machine alone.');
  }
  const wanted = { facingMode: facing, width: { ideal: 1280 }, height: { ideal: 720 } };
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
  } catch (error) {
    throw new Error(REASONS[error.name] ?? `The camera cannot be used (${error.message}).`);
  }
  const video = document.createElement('video');
  Object.assign(video, { srcObject: stream, muted: true, playsInline: true });
  const close = () => {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  };
  await readyOrClosed(video, close);
  const opened = source(true, video, video.videoWidth, video.videoHeight, close);
  const settings = stream.getVideoTracks()[0].getSettings();
  return { ...opened, camera: true, mirrored: (settings.facingMode ?? facing) === 'user' };
}

/** Whether there is another camera to change to. */
export async function hasTwoCameras() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices.filter((device) => device.kind === 'videoinput').length > 1;
}

async function readyOrClosed(video, close) {
  const first = new Promise((resolve, reject) => {
    video.onloadeddata = resolve;
    video.onerror = () => reject(new Error('unreadable'));
  });
  try {
    await Promise.all([first, video.play()]);
  } catch (error) {
    close();
    throw error;
  }
}
