/** Pictures in and out: decoding, the inputs a detector takes, drawing results. */
export {
  decodeImage,
  defaultMaxPixels,
  type DecodedImage,
  type DecodeOptions,
  type FailOn,
} from './decode';
export {
  classColour,
  drawDetections,
  type DrawnDetection,
  type DrawnObject,
  type DrawOptions,
} from './draw';
export type { ImageFormat } from './format';
export type { FloatImage, ImageInput, RawImage } from './input';
