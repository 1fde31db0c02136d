/** What every data set looks like once it is open, whatever its files look like. */
import type { Rle, UncompressedRle } from '../detection/rle';
import type { Problem } from './problems';

/** What label 0 is called. */
export const background = '__background__';

/** torchvision's lists of COCO's classes have it where an id is not in use. */
export const unusedName = 'N/A';

/** The kinds of files a data set may consist of. */
export type DataFormat = 'coco' | 'voc' | 'yolo' | 'penn-fudan';

/** One class of a data set. */
export interface Category {
  /** The number models and {@link Entry.labels} know it by: 1 for the first; 0 is the background. */
  readonly label: number;
  readonly name: string;
  /** Its number in the files: COCO's category id (which may have holes), YOLO's class index, else the label. */
  readonly id: number;
  readonly supercategory?: string;
  /** Names of the keypoints of its objects, where it has any. */
  readonly keypoints?: readonly string[];
  /** Pairs of keypoints that a line joins, counted from 1 as COCO does. */
  readonly skeleton?: readonly (readonly [number, number])[];
}

/** An object's outline: polygons [x, y, x, y, ...] in pixels, or runs. */
export type Segmentation = readonly (readonly number[])[] | Rle | UncompressedRle;

/**
 * One image and what is marked in it. Object k has `boxes[4 * k]` and so on, `labels[k]`, `crowd[k]`. Entries are made
 * when they are asked for; the arrays are not to be written to.
 */
export interface Entry {
  /** Position in the data set. */
  readonly index: number;
  /** COCO's image id; for other formats the position among all images of the folder, from 1. */
  readonly id: number;
  /** The image's name as the data set writes it: COCO's file_name, else its path below the image folder. */
  readonly name: string;
  /** Path of the image file. */
  readonly image: string;
  /** Pixels of the upright image, as the annotations say or, where they do not, as the file does. */
  readonly width: number;
  readonly height: number;
  /** Number of objects. */
  readonly length: number;
  /** N x 4: x1, y1, x2, y2 in pixels, from the upper left corner. */
  readonly boxes: Float64Array;
  /** N labels, from 1. */
  readonly labels: Int32Array;
  /** N areas in square pixels: the mask's where the files say so, else the box's. */
  readonly areas: Float64Array;
  /** N times 0 or 1: whether it is a crowd (COCO's `iscrowd`): not to be trained on, and ignored in evaluation. */
  readonly crowd: Uint8Array;
  /** N times 0 or 1: marked as hard to recognise (VOC's `difficult`). */
  readonly difficult: Uint8Array;
  /** N numbers of the objects in the files: COCO's annotation ids, else counted from 1 within the image. */
  readonly objectIds: Float64Array;
  /** N x K x 3: x, y in pixels and visibility (0 not marked, 1 hidden, 2 visible); only where the data set has keypoints. */
  readonly keypoints?: Float32Array;
  /** Labels that are marked exhaustively in this image; absent: all. Nothing is a negative for the others. */
  readonly labelledClasses?: readonly number[];
  /** File that holds the annotations, and the line (counted from 1) where they begin. */
  readonly source: { readonly file: string; readonly line?: number };
  /** Where an object is described, for messages: file, line and what it is called there. */
  where(object: number): string;
  /**
   * Outlines of the objects, read from the files when asked for: undefined for objects without one. Only where the data
   * set has masks.
   *
   * @throws TorchdetError ERR_FILE, ERR_DATASET
   */
  segmentations?(): Promise<(Segmentation | undefined)[]>;
}

/** An open data set. Only numbers and names are in memory: images and masks are read when they are used. */
export interface Dataset {
  readonly format: DataFormat;
  /** The path it was opened from. */
  readonly path: string;
  /** The split that was asked for, if one was. */
  readonly split?: string;
  /** Classes by label: `categories[k].label` is k + 1. */
  readonly categories: readonly Category[];
  /** Names by label, with `__background__` at 0, as detectors take them. */
  readonly names: readonly string[];
  /** Number of images. */
  readonly length: number;
  /** Whether entries have {@link Entry.segmentations}. */
  readonly hasMasks: boolean;
  /** Number of keypoints of each object; 0 where there are none. */
  readonly keypointCount: number;
  /** What was wrong with the files; what it was about was left out, or put right as the message says. */
  readonly problems: readonly Problem[];
  /** @throws TorchdetError ERR_INVALID_ARGUMENT where there is no such entry */
  entry(index: number): Entry;
  /** Upright sizes of all images, [width, height] after [width, height]: for grouping by shape without making entries. */
  readonly sizes: Int32Array;
}
