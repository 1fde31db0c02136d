/** What an augmentation makes of one image: boxes and keypoints at once, pixels as a list of steps for later. */
import type { AugmentStep } from '../../binding';

/** An RGB colour, 0 to 255. */
export type Colour = readonly [red: number, green: number, blue: number];

/** Changes of colour, in the order of torchvision's RandomPhotometricDistort; what is left out stays as it is. */
export interface ColourChange {
  /** All channels are multiplied by it. */
  readonly brightness?: number | undefined;
  /** Blend with the mean grey of the image: 0 is grey, 1 the image. */
  readonly contrast?: number | undefined;
  /** Blend with each pixel's own grey: 0 is grey, 1 the image. */
  readonly saturation?: number | undefined;
  /** Turns around the colour circle, -0.5 to 0.5. */
  readonly hue?: number | undefined;
  /** Whether contrast comes right after brightness (default) or after hue. */
  readonly contrastFirst?: boolean | undefined;
  /** Channel c becomes what channel `channels[c]` was. Default [0, 1, 2]. */
  readonly channels?: readonly [number, number, number] | undefined;
}

/** What is drawn about before it is augmented. */
export interface DraftSource {
  readonly width: number;
  readonly height: number;
  /** N x 4, xyxy in pixels. */
  readonly boxes: ArrayLike<number>;
  /** N x K x 3: x, y, visibility. */
  readonly keypoints?: ArrayLike<number> | undefined;
  /** Pairs of keypoints (from 0) that change places in a mirror. */
  readonly mirroredKeypoints?: readonly (readonly [number, number])[] | undefined;
}

/** The box [left, top, left + width, top + height] of the canvas. */
type Area = Pick<Extract<AugmentStep, { type: 'window' }>, 'left' | 'top' | 'width' | 'height'>;

/**
 * The state of one image while transforms work on it. Boxes are clamped to the image as they come in and stay within it;
 * arithmetic is that of torchvision, in float32. A transform calls the methods; `steps` then says what to do to the pixels.
 */
export class Draft {
  #width: number;
  #height: number;
  #boxes: Float32Array;
  #keypoints: Float32Array | undefined;
  #kept: number[];
  readonly #mirrored: readonly (readonly [number, number])[];
  readonly #numbersEach: number;
  readonly #steps: AugmentStep[] = [];

  constructor(source: DraftSource) {
    this.#width = source.width;
    this.#height = source.height;
    this.#boxes = Float32Array.from(source.boxes);
    this.#keypoints = source.keypoints && Float32Array.from(source.keypoints);
    this.#mirrored = source.mirroredKeypoints ?? [];
    this.#kept = Array.from({ length: this.#boxes.length / 4 }, (_, k) => k);
    this.#numbersEach = (this.#keypoints?.length ?? 0) / Math.max(1, this.length);
    this.#clampBoxes();
  }

  get width(): number {
    return this.#width;
  }

  get height(): number {
    return this.#height;
  }

  /** Number of objects left. */
  get length(): number {
    return this.#kept.length;
  }

  /** Boxes of the objects left, N x 4; not to be written to. */
  get boxes(): Float32Array {
    return this.#boxes;
  }

  /** Keypoints of the objects left, N x K x 3; not to be written to. */
  get keypoints(): Float32Array | undefined {
    return this.#keypoints;
  }

  /** Which of the objects that came in are left. */
  get kept(): readonly number[] {
    return this.#kept;
  }

  /** What is to be done to the pixels; not to be written to. */
  get steps(): readonly AugmentStep[] {
    return this.#steps;
  }

  /** Mirrors the image left to right. Left and right keypoints change places; those not marked become 0, 0, 0. */
  flip(): void {
    const width = this.#width;
    for (let at = 0; at < this.#boxes.length; at += 4) {
      const left = this.#boxes[at] ?? 0;
      this.#boxes[at] = width - (this.#boxes[at + 2] ?? 0);
      this.#boxes[at + 2] = width - left;
    }
    this.#moveKeypoints((point) => {
      point[0] = width - (point[0] ?? 0);
    });
    this.#mirrorKeypoints();
    const last = this.#steps.at(-1);
    if (last?.type === 'window')
      this.#steps[this.#steps.length - 1] = { ...last, flip: !last.flip };
    else this.#steps.push(this.#windowStep({ left: 0, top: 0, ...this.#size() }, [0, 0, 0], true));
  }

  /**
   * Crops, pads or both: what is seen through a window whose upper left corner lies at (left, top) of the image, perhaps
   * outside it. Boxes are clamped to the window; keypoints outside become 0, 0, 0.
   *
   * @param fill colour of what lies outside the image; 0 in masks
   */
  window(left: number, top: number, width: number, height: number, fill: Colour = [0, 0, 0]): void {
    for (let at = 0; at < this.#boxes.length; at++) {
      this.#boxes[at] = (this.#boxes[at] ?? 0) - (at % 2 === 0 ? left : top);
    }
    this.#moveKeypoints((point) => {
      const [x, y] = [(point[0] ?? 0) - left, (point[1] ?? 0) - top];
      const inside = x >= 0 && y >= 0 && x < width && y < height;
      point.set(inside ? [x, y] : [0, 0, 0]);
    });
    this.#pushWindow({ left, top, width, height }, fill);
    this.#width = width;
    this.#height = height;
    this.#clampBoxes();
  }

  /** Resizes the image, bilinear with antialiasing; masks by nearest pixel. */
  resize(width: number, height: number): void {
    if (width === this.#width && height === this.#height) return;
    const x = Math.fround(width / this.#width);
    const y = Math.fround(height / this.#height);
    for (let at = 0; at < this.#boxes.length; at++) {
      this.#boxes[at] = (this.#boxes[at] ?? 0) * (at % 2 === 0 ? x : y);
    }
    this.#moveKeypoints((point) => {
      point[0] = (point[0] ?? 0) * x;
      point[1] = (point[1] ?? 0) * y;
    });
    this.#steps.push({ type: 'resize', width, height });
    this.#width = width;
    this.#height = height;
  }

  /** Changes colours; see {@link ColourChange}. */
  colour(change: ColourChange): void {
    const { brightness = null, contrast = null, saturation = null, hue = null } = change;
    const { contrastFirst = true, channels = [0, 1, 2] } = change;
    const type = 'colour';
    this.#steps.push({ type, brightness, contrast, saturation, hue, contrastFirst, channels });
  }

  /** Leaves only the objects for which `wanted` is true; `k` counts those there are now. */
  keep(wanted: (k: number) => boolean): void {
    const left = this.#kept.map((_, k) => k).filter(wanted);
    if (left.length === this.length) return;
    const rows = (array: Float32Array, each: number): Float32Array => {
      const picked = new Float32Array(left.length * each);
      left.forEach((k, i) => {
        picked.set(array.subarray(k * each, (k + 1) * each), i * each);
      });
      return picked;
    };
    this.#boxes = rows(this.#boxes, 4);
    this.#keypoints &&= rows(this.#keypoints, this.#numbersEach);
    this.#kept = left.map((k) => this.#kept[k] ?? 0);
  }

  /** Drops boxes with a side or an area below `minSize` and `minArea`, as torchvision's SanitizeBoundingBoxes. */
  sanitize(minSize = 1, minArea = 1): void {
    this.keep((k) => {
      const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = this.#boxes.subarray(4 * k, 4 * k + 4);
      const [width, height] = [Math.fround(x2 - x1), Math.fround(y2 - y1)];
      return width >= minSize && height >= minSize && Math.fround(width * height) >= minArea;
    });
  }

  #size(): { width: number; height: number } {
    return { width: this.#width, height: this.#height };
  }

  #windowStep(area: Area, fill: Colour, flip: boolean): AugmentStep {
    return { type: 'window', ...area, fill, flip };
  }

  /** A window within the one before is one with it: a crop of a padded image needs no padded image. */
  #pushWindow(area: Area, fill: Colour): void {
    const last = this.#steps.at(-1);
    const within =
      area.left >= 0 &&
      area.top >= 0 &&
      area.left + area.width <= this.#width &&
      area.top + area.height <= this.#height;
    if (last?.type !== 'window' || last.flip || !within) {
      this.#steps.push(this.#windowStep(area, fill, false));
      return;
    }
    const joined = { ...area, left: last.left + area.left, top: last.top + area.top };
    this.#steps[this.#steps.length - 1] = this.#windowStep(joined, last.fill, false);
  }

  #clampBoxes(): void {
    for (let at = 0; at < this.#boxes.length; at++) {
      const limit = at % 2 === 0 ? this.#width : this.#height;
      this.#boxes[at] = Math.min(Math.max(this.#boxes[at] ?? 0, 0), limit);
    }
  }

  /** Calls `move` with the x, y, visibility of every keypoint that is marked, and sets the others to 0, 0, 0. */
  #moveKeypoints(move: (point: Float32Array) => void): void {
    const keypoints = this.#keypoints;
    for (let at = 0; keypoints && at < keypoints.length; at += 3) {
      const point = keypoints.subarray(at, at + 3);
      if (point[2] === 0) point.fill(0);
      else move(point);
    }
  }

  #mirrorKeypoints(): void {
    const keypoints = this.#keypoints;
    if (!keypoints) return;
    for (let start = 0; start < keypoints.length; start += this.#numbersEach) {
      for (const [one, other] of this.#mirrored) {
        const first = start + 3 * one;
        const second = start + 3 * other;
        const held = keypoints.slice(first, first + 3);
        keypoints.copyWithin(first, second, second + 3);
        keypoints.set(held, second);
      }
    }
  }
}
