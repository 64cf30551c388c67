// The style network on a processor's vectors of four floats, for browsers: TransformNet of
// fststyle/networks/transform.py from bytes to bytes, with what the exported graph does around it.
// Built into engine/ by experiments/page_kernels.py.
//
// Maps lie in memory as rows of pixels of channels, with their padding around them, so that what a
// convolution sees of one row of its window is one run of floats. Of what it makes, a tile of some
// pixels by eight channels stays in registers while all of the window goes by. Every thread runs
// `run` on rows of its own; after each step they wait for one another.

#include <stdint.h>
#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(#name), visibility("default"))) name
#define INLINE static inline __attribute__((always_inline))

#ifdef __wasm_relaxed_simd__
#define multiply_add(a, b, sum) wasm_f32x4_relaxed_madd(a, b, sum)
#else
#define multiply_add(a, b, sum) wasm_f32x4_add(wasm_f32x4_mul(a, b), sum)
#endif

enum {
  MOST_THREADS = 8,
  MOST_CHANNELS = 256,
  STACK = 1 << 14,
  BLOCK = 8,    // channels that are made at once
  LAST = 12,    // of the last convolution: red, green and blue of four neighbours
  BLOCKS = 5,   // residual ones
  SPINS = 4000, // looks at a barrier before a thread sleeps, some tens of microseconds
};

static const float EPSILON = 1e-5f, OUTPUT_SCALE = 1.f / 64, OUTPUT_CENTRE = 0.5f, FADE = 0.25f;
static const float LUMA[3] = {0.299f, 0.587f, 0.114f};

extern uint8_t __heap_base;

static struct {
  int width, mapped; // channels at full size
  int height_in, width_in, map_height, map_width;
  int threads;
  float strength, keep_colour;
  float *weights, *padded, *raw, *kept, *small_map, *map;
  uint8_t *picture;
} job;

static char stacks[MOST_THREADS][STACK] __attribute__((aligned(16)));
static double sums[MOST_THREADS][2][MOST_CHANNELS];
static float norms[MOST_THREADS][2][MOST_CHANNELS] __attribute__((aligned(16)));
static int arrived, passed, begun;

// A map: where its first pixel is, and floats from row to row.
typedef struct {
  float *at;
  int height, width, channels, row;
} Map;

INLINE int least(int a, int b) { return a < b ? a : b; }
INLINE int most(int a, int b) { return a > b ? a : b; }
INLINE int half(int side) { return (side + 1) / 2; }
INLINE float between(float x, float low, float high) {
  return x < low ? low : x > high ? high : x;
}

static void barrier(void) {
  if (job.threads == 1) return;
  const int now = __atomic_load_n(&passed, __ATOMIC_SEQ_CST);
  if (__atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST) == job.threads - 1) {
    __atomic_store_n(&arrived, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&passed, now + 1, __ATOMIC_SEQ_CST);
    __builtin_wasm_memory_atomic_notify(&passed, MOST_THREADS);
    return;
  }
  for (int i = 0; i < SPINS; i++)
    if (__atomic_load_n(&passed, __ATOMIC_SEQ_CST) != now) return;
  while (__atomic_load_n(&passed, __ATOMIC_SEQ_CST) == now)
    __builtin_wasm_memory_atomic_wait32(&passed, now, -1);
}

// Rows of a thread.
INLINE int first_row(int thread, int rows) { return rows * thread / job.threads; }

// P pixels by 4·V channels: windows of `rows` rows of `taps` floats, the first at x.
INLINE void tile(const float *x, int row, int step, const float *w, int rows, int taps, float *out,
                 int out_step, const int P, const int V) {
  v128_t sum[8][3];
#pragma unroll
  for (int p = 0; p < P; p++)
#pragma unroll
    for (int v = 0; v < V; v++) sum[p][v] = wasm_f32x4_splat(0);
  for (int r = 0; r < rows; r++, x += row) {
    const float *from[8];
#pragma unroll
    for (int p = 0; p < P; p++) from[p] = x + p * step;
    for (int t = 0; t < taps; t++, w += 4 * V) {
      v128_t weight[3];
#pragma unroll
      for (int v = 0; v < V; v++) weight[v] = wasm_v128_load(w + 4 * v);
#pragma unroll
      for (int p = 0; p < P; p++) {
        const v128_t value = wasm_v128_load32_splat(from[p] + t);
#pragma unroll
        for (int v = 0; v < V; v++) sum[p][v] = multiply_add(value, weight[v], sum[p][v]);
      }
    }
  }
#pragma unroll
  for (int p = 0; p < P; p++)
#pragma unroll
    for (int v = 0; v < V; v++) wasm_v128_store(out + p * out_step + 4 * v, sum[p][v]);
}

// A row of windows by one block of channels.
static void windows8(const float *x, int row, int step, const float *w, int rows, int taps,
                     float *out, int out_step, int count) {
  for (; count >= 4; count -= 4, x += 4 * step, out += 4 * out_step)
    tile(x, row, step, w, rows, taps, out, out_step, 4, 2);
  for (; count; count--, x += step, out += out_step)
    tile(x, row, step, w, rows, taps, out, out_step, 1, 2);
}

static void windows12(const float *x, int row, int step, const float *w, int rows, int taps,
                      float *out, int out_step, int count) {
  for (; count >= 3; count -= 3, x += 3 * step, out += 3 * out_step)
    tile(x, row, step, w, rows, taps, out, out_step, 3, 3);
  for (; count; count--, x += step, out += out_step)
    tile(x, row, step, w, rows, taps, out, out_step, 1, 3);
}

// Adds a row to the sums of a thread.
static void add_row(const float *x, int pixels, int channels, double sum[2][MOST_CHANNELS]) {
  for (int c = 0; c < channels; c += 4) {
    v128_t first = wasm_f32x4_splat(0), second = first;
    const float *at = x + c;
    for (int i = 0; i < pixels; i++, at += channels) {
      const v128_t value = wasm_v128_load(at);
      first = wasm_f32x4_add(first, value);
      second = multiply_add(value, value, second);
    }
    for (int i = 0; i < 4; i++) {
      sum[0][c + i] += ((float *)&first)[i];
      sum[1][c + i] += ((float *)&second)[i];
    }
  }
}

static void clear(int thread, int channels) {
  for (int i = 0; i < 2; i++)
    for (int c = 0; c < channels; c++) sums[thread][i][c] = 0;
}

// `in`, whose padding lies around it, to job.raw; `weights` moves on. The norm's sums are made, too.
static Map convolve(int thread, Map in, int pad, int kernel, int stride, int channels,
                    const float **weights) {
  const Map out = {job.raw, stride == 2 ? half(in.height) : in.height,
                   stride == 2 ? half(in.width) : in.width, channels,
                   channels * (stride == 2 ? half(in.width) : in.width)};
  const int taps = kernel * in.channels;
  clear(thread, channels);
  for (int y = first_row(thread, out.height); y < first_row(thread + 1, out.height); y++) {
    const float *x = in.at + (y * stride - pad) * in.row - pad * in.channels;
    float *row = out.at + y * out.row;
    for (int c = 0; c < channels; c += BLOCK)
      windows8(x, in.row, stride * in.channels, *weights + c * kernel * taps, kernel, taps, row + c,
               channels, out.width);
    add_row(row, out.width, channels, sums[thread]);
  }
  *weights += kernel * taps * channels;
  barrier();
  return out;
}

// The same of a map that is to be twice as large: windows of 2×2, one row and column of them more
// than pixels, each four pixels. The outermost ring of what comes out is no part of the map.
static Map enlarge(int thread, Map in, int channels, const float **weights) {
  const int row = 2 * (in.width + 1) * channels, taps = 2 * in.channels;
  const Map out = {job.raw + row + channels, 2 * in.height, 2 * in.width, channels, row};
  clear(thread, channels);
  const int begin = first_row(thread, in.height + 1), end = first_row(thread + 1, in.height + 1);
  for (int y = begin; y < end; y++) {
    const float *x = in.at + (y - 1) * in.row - in.channels;
    for (int phase = 0; phase < 4; phase++) {
      float *to = job.raw + (2 * y + phase / 2) * row + phase % 2 * channels;
      for (int c = 0; c < channels; c += BLOCK)
        windows8(x, in.row, in.channels, *weights + (phase * channels + c) * 2 * taps, 2, taps,
                 to + c, 2 * channels, in.width + 1);
    }
    for (int at = most(2 * y - 1, 0); at <= least(2 * y, out.height - 1); at++)
      add_row(out.at + at * row, out.width, channels, sums[thread]);
  }
  *weights += 8 * taps * channels;
  barrier();
  return out;
}

static void copy(float *to, const float *from, int count) {
  __builtin_memcpy(to, from, count * sizeof(float));
}

enum Padding { REFLECT, REPLICATE };

// What lies around row y of a map: its ends, and rows above and below that show it.
static void surround(Map map, int pad, enum Padding kind, int y) {
  float *row = map.at + y * map.row;
  const int skip = kind == REFLECT, c = map.channels;
  for (int i = 1; i <= pad; i++) {
    copy(row - i * c, row + (i - 1 + skip) * c, c);
    copy(row + (map.width - 1 + i) * c, row + (map.width - i - skip) * c, c);
  }
  const int above = y + 1 - skip, below = map.height - y - skip, whole = (map.width + 2 * pad) * c;
  if (above >= 1 && above <= pad) copy(map.at - above * map.row - pad * c, row - pad * c, whole);
  if (below >= 1 && below <= pad)
    copy(map.at + (map.height - 1 + below) * map.row - pad * c, row - pad * c, whole);
}

static Map padded_map(float *at, int height, int width, int channels, int pad) {
  const int row = (width + 2 * pad) * channels;
  return (Map){at + pad * (row + channels), height, width, channels, row};
}

// Instance norm of `in` into `out` with its padding: added to what is there, or with a ReLU, and
// where `modulated` with the map's say before that.
static void normalize(int thread, Map in, Map out, int pad, enum Padding kind, int added,
                      int modulated, const float **weights) {
  const int channels = in.channels;
  float *scale = norms[thread][0], *shift = norms[thread][1];
  const double count = (double)in.height * in.width;
  for (int c = 0; c < channels; c++) {
    double first = 0, second = 0;
    for (int i = 0; i < job.threads; i++) {
      first += sums[i][0][c];
      second += sums[i][1][c];
    }
    const double mean = first / count, variance = second / count - mean * mean;
    scale[c] = (*weights)[c] / __builtin_sqrt((variance > 0 ? variance : 0) + EPSILON);
    shift[c] = (*weights)[channels + c] - mean * scale[c];
  }
  *weights += 2 * channels;
  const float *slope = *weights, *offset = *weights + channels;
  if (modulated) *weights += 2 * channels;
  const v128_t zero = wasm_f32x4_splat(0);
  for (int y = first_row(thread, in.height); y < first_row(thread + 1, in.height); y++) {
    const float *from = in.at + y * in.row, *say = job.small_map + y * in.width;
    float *to = out.at + y * out.row;
    for (int x = 0; x < in.width; x++)
      for (int c = 0; c < channels; c += 4, from += 4, to += 4) {
        v128_t value = multiply_add(wasm_v128_load(from), wasm_v128_load(scale + c),
                                    wasm_v128_load(shift + c));
        if (added) {
          wasm_v128_store(to, wasm_f32x4_add(value, wasm_v128_load(to)));
          continue;
        }
        if (modulated) {
          const v128_t change =
              multiply_add(value, wasm_v128_load(slope + c), wasm_v128_load(offset + c));
          value = multiply_add(change, wasm_v128_load32_splat(say + x), value);
        }
        wasm_v128_store(to, wasm_f32x4_max(value, zero));
      }
    surround(out, pad, kind, y);
  }
  barrier();
}

// The picture in [0,1].
static Map take_picture(int thread) {
  const Map map = padded_map(job.padded, job.height_in, job.width_in, 3, 4);
  for (int y = first_row(thread, map.height); y < first_row(thread + 1, map.height); y++) {
    const uint8_t *from = job.picture + y * map.width * 3;
    for (int i = 0; i < map.width * 3; i++) map.at[y * map.row + i] = from[i] * (1.f / 255);
    surround(map, 4, REFLECT, y);
  }
  return map;
}

// The weight map at the size of the residual blocks, with the strength that was learnt.
static void take_map(int thread, int height, int width) {
  const float high = (float)job.map_height / height, wide = (float)job.map_width / width;
  for (int y = first_row(thread, height); y < first_row(thread + 1, height); y++) {
    const float v = between((y + 0.5f) * high - 0.5f, 0, job.map_height - 1);
    const int top = v, bottom = least(top + 1, job.map_height - 1);
    for (int x = 0; x < width; x++) {
      const float u = between((x + 0.5f) * wide - 0.5f, 0, job.map_width - 1);
      const int left = u, right = least(left + 1, job.map_width - 1);
      const float *above = job.map + top * job.map_width, *below = job.map + bottom * job.map_width;
      const float upper = above[left] + (above[right] - above[left]) * (u - left);
      const float lower = below[left] + (below[right] - below[left]) * (u - left);
      const float say = upper + (lower - upper) * (v - top);
      job.small_map[y * width + x] = 1 - job.strength * (1 - say);
    }
  }
}

// A pixel of the network's, 255 times, and the original's, 0 to 255, as bytes in its place.
INLINE void compose(const float *made, uint8_t *pixel, float strength) {
  float value[3], bright = 0;
  for (int c = 0; c < 3; c++) {
    value[c] = between(made[c] * OUTPUT_SCALE + OUTPUT_CENTRE, 0, 1);
    bright += LUMA[c] * (value[c] - pixel[c] * (1.f / 255));
  }
  for (int c = 0; c < 3; c++) {
    const float original = pixel[c] * (1.f / 255);
    const float coloured = between(original + bright, 0, 1);
    const float styled = value[c] + (coloured - value[c]) * job.keep_colour;
    pixel[c] = (original + (styled - original) * strength) * 255 + 0.5f;
  }
}

// The last convolution, from windows of 10×10 that lie two pixels apart, and the picture.
static void finish(int thread, Map in, const float *weights) {
  const int rows = in.height / 2, count = in.width / 2, taps = 10 * in.channels;
  const float *bias = weights + 10 * taps * LAST;
  const float strength = job.mapped ? between(job.strength / FADE, 0, 1) : job.strength;
  float *made = job.raw + thread * count * LAST;
  for (int y = first_row(thread, rows); y < first_row(thread + 1, rows); y++) {
    if (2 * y >= job.height_in) break; // sizes were rounded up
    windows12(in.at + (2 * y - 4) * in.row - 4 * in.channels, in.row, 2 * in.channels, weights, 10,
              taps, made, LAST, count);
    for (int x = 0; x < job.width_in; x++)
      for (int i = 0; i < least(2, job.height_in - 2 * y); i++) {
        const int which = 3 * (2 * i + x % 2);
        float rgb[3];
        for (int c = 0; c < 3; c++) rgb[c] = made[x / 2 * LAST + which + c] + bias[which + c];
        compose(rgb, job.picture + ((2 * y + i) * job.width_in + x) * 3, strength);
      }
  }
  barrier();
}

static void work(int thread) {
  const float *weights = job.weights;
  const int width = job.width;
  Map x = take_picture(thread);
  barrier();
  Map made = convolve(thread, x, 4, 9, 1, width, &weights);
  for (int i = 1; i <= 2; i++) {
    x = padded_map(job.padded, made.height, made.width, made.channels, 1);
    normalize(thread, made, x, 1, REFLECT, 0, 0, &weights);
    made = convolve(thread, x, 1, 3, 2, 2 * i * width, &weights);
  }
  const Map inside = padded_map(job.padded, made.height, made.width, 4 * width, 1);
  x = padded_map(job.kept, made.height, made.width, 4 * width, 1);
  if (job.mapped) take_map(thread, x.height, x.width);
  normalize(thread, made, x, 1, REFLECT, 0, 0, &weights);
  for (int i = 0; i < BLOCKS; i++) {
    made = convolve(thread, x, 1, 3, 1, 4 * width, &weights);
    normalize(thread, made, inside, 1, REFLECT, 0, job.mapped, &weights);
    made = convolve(thread, inside, 1, 3, 1, 4 * width, &weights);
    normalize(thread, made, x, 1, i < BLOCKS - 1 ? REFLECT : REPLICATE, 1, 0, &weights);
  }
  made = enlarge(thread, x, 2 * width, &weights);
  x = padded_map(job.padded, made.height, made.width, 2 * width, 1);
  normalize(thread, made, x, 1, REPLICATE, 0, 0, &weights);
  made = enlarge(thread, x, width, &weights);
  x = padded_map(job.padded, made.height, made.width, width, 4);
  normalize(thread, made, x, 4, REFLECT, 0, 0, &weights);
  finish(thread, x, weights);
}

// Top of a thread's stack; every instance has to be given its own before anything else.
void *EXPORT(stack)(int thread) { return stacks[thread] + STACK; }

// Where the network's numbers go.
float *EXPORT(weights)(void) { return (float *)(((uintptr_t)&__heap_base + 15) & ~15u); }

static float *taken(uint8_t **end, int64_t bytes) {
  uint8_t *begin = *end;
  *end += (bytes + 15) & ~15ll;
  return (float *)begin;
}

// Lays out the memory of a network with so many numbers for pictures and maps of a size. Returns
// how many bytes of memory there have to be.
double EXPORT(prepare)(int numbers, int width, int mapped, int height, int wide, int map_height,
                       int map_width, int threads) {
  const int64_t h = (height + 3) & ~3, w = (wide + 3) & ~3;
  const int64_t channels = width, padded = (h + 8) * (w + 8) * most(channels, 3);
  const int64_t raw = (h + 2) * (w + 2) * channels, kept = (h / 4 + 2) * (w / 4 + 2) * 4 * channels;
  const int64_t all = numbers + padded + raw + kept + h * w / 16 + map_height * map_width;
  const double bytes = (double)(uintptr_t)weights() + 4. * all + 3. * height * wide + 256;
  if (bytes >= 2147483648.) return bytes; // more than pointers are computed for
  job.width = width;
  job.mapped = mapped;
  job.height_in = height;
  job.width_in = wide;
  job.map_height = map_height;
  job.map_width = map_width;
  job.threads = threads;
  uint8_t *end = (uint8_t *)weights();
  job.weights = taken(&end, 4ll * numbers);
  job.padded = taken(&end, 4 * padded);
  job.raw = taken(&end, 4 * raw);
  job.kept = taken(&end, 4 * kept);
  job.small_map = taken(&end, h * w / 4);
  job.map = taken(&end, 4ll * map_height * map_width);
  job.picture = (uint8_t *)end;
  return bytes;
}

// Where picture, which becomes the stylized one, and map go.
uint8_t *EXPORT(picture)(void) { return job.picture; }
float *EXPORT(map)(void) { return job.map; }

// Stylize, with all threads; the first one calls this.
void EXPORT(run)(float strength, float keep_colour) {
  job.strength = strength;
  job.keep_colour = keep_colour;
  if (job.threads > 1) {
    __atomic_fetch_add(&begun, 1, __ATOMIC_SEQ_CST);
    __builtin_wasm_memory_atomic_notify(&begun, MOST_THREADS);
  }
  work(0);
}

// What the others do, for ever.
void EXPORT(help)(int thread) {
  for (int seen = 0;; seen++) {
    while (__atomic_load_n(&begun, __ATOMIC_SEQ_CST) == seen)
      __builtin_wasm_memory_atomic_wait32(&begun, seen, -1);
    work(thread);
  }
}
