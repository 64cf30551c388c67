// What a canvas shows, as a video file; the browser's own encoder.

const KINDS = ['video/webm;codecs=vp9', 'video/webm;codecs=vp8', 'video/webm', 'video/mp4'];
const BITS_PER_PIXEL = 0.25;
const RATE = 30;

export class Recorder {
  #recorder = null;
  #parts = [];

  get running() {
    return this.#recorder !== null;
  }

  static supported() {
    return 'MediaRecorder' in globalThis && KINDS.some((kind) => MediaRecorder.isTypeSupported(kind));
  }

  start(canvas) {
    const mimeType = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
    const videoBitsPerSecond = Math.max(1e6, canvas.width * canvas.height * RATE * BITS_PER_PIXEL);
    this.#parts = [];
    this.#recorder = new MediaRecorder(canvas.captureStream(RATE), { mimeType, videoBitsPerSecond });
    this.#recorder.ondataavailable = ({ data }) => this.#parts.push(data);
    this.#recorder.start(1000);
  }

  /** {blob, suffix} of what was recorded. */
  stop() {
    const recorder = this.#recorder;
    this.#recorder = null;
    return new Promise((resolve) => {
      recorder.onstop = () => {
        for (const track of recorder.stream.getTracks()) track.stop();
        const type = recorder.mimeType.split(';')[0];
        resolve({ blob: new Blob(this.#parts, { type }), suffix: type.split('/')[1] });
      };
      recorder.stop();
    });
  }
}
