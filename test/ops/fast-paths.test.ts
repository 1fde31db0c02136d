import assert from 'node:assert/strict';
import type { Binding, NativeTensor, TypedArray } from '../../binding';
import { loadBinding } from '../../lib/runtime/binding';

/** Numbers of 0 to 1, the same at every run. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function filled(length: number, next: (i: number) => number): Float32Array {
  return Float32Array.from({ length }, (_, i) => next(i));
}

function assertNear(got: TypedArray, wanted: readonly number[], what: string): void {
  assert.equal(got.length, wanted.length, `${what}: length`);
  wanted.forEach((value, i) => {
    const difference = Math.abs(Number(got[i]) - value);
    assert.ok(difference <= 2e-6, `${what}: element ${i} is ${String(got[i])}, not ${value}`);
  });
}

/** The ways that are taken for speed, each against a plain one, on shapes drawn at random. */
describe('fast paths of operators', () => {
  let binding: Binding;
  before(() => {
    binding = loadBinding();
  });
  afterEach(() => {
    binding.setThreads(2);
  });

  async function call(name: string, ...args: Parameters<Binding['callOperator']>[1]) {
    return (await binding.callOperator(name, args, 'cpu')) as NativeTensor;
  }

  interface Map {
    images: number;
    channels: number;
    height: number;
    width: number;
    data: Float32Array;
  }

  function drawMap(next: () => number, channels: number): Map {
    const [images, height, width] = [1 + next() * 2, 1 + next() * 30, 1 + next() * 30].map(
      Math.floor,
    ) as [number, number, number];
    const data = filled(images * channels * height * width, () => next() * 2 - 1);
    return { images, channels, height, width, data };
  }

  /** Rows of image, x1, y1, x2, y2: of all sizes, beyond the edges, some turned inside out. */
  function drawRois(next: () => number, map: Map, count: number): Float32Array {
    return filled(count * 5, (i) => {
      if (i % 5 === 0) return Math.floor(next() * map.images);
      return (next() * 1.6 - 0.3) * (i % 5 === 1 || i % 5 === 3 ? map.width : map.height) * 4;
    });
  }

  /** Bilinear samples of each bin, as He et al. describe them; `at` is in pixels of the map. */
  function sample(map: Map, image: number, channel: number, y: number, x: number): number {
    const { height, width } = map;
    if (y < -1 || y > height || x < -1 || x > width) return 0;
    const along = (at: number, length: number): [number, number, number] => {
      const from = Math.max(at, 0);
      const low = Math.min(Math.floor(from), length - 1);
      return low === length - 1 ? [low, low, 0] : [low, low + 1, from - low];
    };
    const [top, bottom, down] = along(y, height);
    const [left, right, across] = along(x, width);
    const pixel = (row: number, column: number) =>
      map.data[((image * map.channels + channel) * height + row) * width + column] ?? NaN;
    return (
      (1 - down) * ((1 - across) * pixel(top, left) + across * pixel(top, right)) +
      down * ((1 - across) * pixel(bottom, left) + across * pixel(bottom, right))
    );
  }

  /** With float32's coordinates, for a sample must not fall on the other side of the edge. */
  function plainRoiAlign(map: Map, rois: Float32Array, size: [number, number], samples: number) {
    const f = Math.fround;
    const result: number[] = [];
    for (let k = 0; k < rois.length; k += 5) {
      const [image = 0, x1 = 0, y1 = 0, x2 = 0, y2 = 0] = rois.subarray(k, k + 5);
      const [left, top] = [f(x1 * 0.25), f(y1 * 0.25)];
      const bin = [
        f(Math.max(f(f(y2 * 0.25) - top), 1) / size[0]),
        f(Math.max(f(f(x2 * 0.25) - left), 1) / size[1]),
      ] as const;
      const at = (start: number, length: number, index: number, i: number) =>
        f(f(start + f(index * length)) + f(f((i + 0.5) * length) / samples));
      for (let c = 0; c < map.channels; ++c) {
        for (let row = 0; row < size[0]; ++row) {
          for (let column = 0; column < size[1]; ++column) {
            let sum = 0;
            for (let i = 0; i < samples * samples; ++i) {
              const y = at(top, bin[0], row, Math.floor(i / samples));
              const x = at(left, bin[1], column, i % samples);
              sum += sample(map, image, c, y, x);
            }
            result.push(sum / (samples * samples));
          }
        }
      }
    }
    return result;
  }

  // Channels around the width of a register and of a block; with more threads than blocks, the map is turned as a whole.
  for (const channels of [1, 8, 15, 16, 17, 33, 64, 131]) {
    for (const threads of [1, 2, 3]) {
      it(`roi_align of ${channels} channels on ${threads} threads, in both layouts`, async () => {
        binding.setThreads(threads);
        const next = random(channels * 7 + threads);
        for (let round = 0; round < 3; ++round) {
          const map = drawMap(next, channels);
          const rois = drawRois(next, map, 1 + Math.floor(next() * 40));
          const size: [number, number] = [1 + Math.floor(next() * 8), 1 + Math.floor(next() * 8)];
          const samples = 1 + round;
          const shape = [map.images, map.channels, map.height, map.width];
          const input = binding.Tensor.fromMemory(map.data, 'float32', shape);
          const boxes = binding.Tensor.fromMemory(rois, 'float32', [rois.length / 5, 5]);
          const wanted = plainRoiAlign(map, rois, size, samples);
          const channelsLast = 2; // torch's number of the memory format
          for (const tensor of [input, await call('aten::clone', input, channelsLast)]) {
            const args = [tensor, boxes, 0.25, ...size, samples, false] as const;
            const pooled = await call('torchvision::roi_align', ...args);
            assertNear(pooled.toTypedArray(), wanted, `map ${shape.join('x')}, ${size.join('x')}`);
          }
        }
      });
    }
  }

  /** Boxes in order of score; each falls where it overlaps one that stays by more than the threshold. */
  function plainNms(boxes: Float32Array, scores: Float32Array, threshold: number): number[] {
    const f = Math.fround;
    const box = (i: number) => boxes.subarray(i * 4, i * 4 + 4) as unknown as number[];
    const area = ([x1 = 0, y1 = 0, x2 = 0, y2 = 0]: number[]) => f(f(x2 - x1) * f(y2 - y1));
    const order = Array.from(scores.keys()).sort(
      (a, b) => (scores[b] ?? 0) - (scores[a] ?? 0) || a - b,
    );
    const kept: number[] = [];
    for (const i of order) {
      const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = box(i);
      const falls = kept.some((k) => {
        const [left = 0, top = 0, right = 0, bottom = 0] = box(k);
        const width = Math.max(f(Math.min(x2, right) - Math.max(x1, left)), 0);
        const height = Math.max(f(Math.min(y2, bottom) - Math.max(y1, top)), 0);
        const both = f(width * height);
        return f(both / f(f(area(box(k)) + area(box(i))) - both)) > threshold;
      });
      if (!falls) kept.push(i);
    }
    return kept;
  }

  for (const count of [1, 2, 63, 64, 65, 1000, 1025, 3000]) {
    it(`nms of ${count} boxes`, async () => {
      const next = random(count);
      for (const threshold of [0, 0.3, 0.7]) {
        const boxes = filled(count * 4, () => next() * 200);
        for (let i = 0; i < boxes.length; ++i) {
          if (i % 4 > 1) boxes[i] = (boxes[i - 2] ?? 0) + (boxes[i] ?? 0) / 3;
        }
        // Equal scores too: the earlier box comes first.
        const scores = filled(count, () => Math.floor(next() * 500) / 500);
        const kept = await call(
          'torchvision::nms',
          binding.Tensor.fromMemory(boxes, 'float32', [count, 4]),
          binding.Tensor.fromMemory(scores, 'float32', [count]),
          threshold,
        );
        assert.deepEqual(
          Array.from(kept.toTypedArray(), Number),
          plainNms(boxes, scores, threshold),
          `threshold ${threshold}`,
        );
      }
    });
  }
});
