/** What can be wrong with a data set, and what is done about it. */
import { TorchdetError } from '../errors';

/** Kinds of problems. */
export type ProblemKind =
  | 'annotation' // an annotation, or a file of them, that cannot be understood
  | 'box-area' // a box without area, or whose corners are swapped
  | 'box-outside' // a box beyond the image's edge
  | 'box-number' // a coordinate that is no finite number
  | 'duplicate-box' // the same box of the same class twice in one image
  | 'duplicate-class' // several classes of one name
  | 'duplicate-image' // the same image id or name twice
  | 'image-missing' // an image file that is not there
  | 'image-size' // the file's size is not the one the annotations say
  | 'image-unreadable' // an image file that cannot be decoded
  | 'mask' // an outline that cannot be understood
  | 'unknown-class' // a class that the data set does not list
  | 'unknown-image'; // an annotation of an image that the data set does not list

/** One thing that is wrong. */
export interface Problem {
  readonly kind: ProblemKind;
  /** The file to mend. */
  readonly file: string;
  /** Line in the file, from 1. */
  readonly line?: number;
  /** Bytes from the file's beginning, for files whose lines are long. */
  readonly offset?: number;
  /** Name of the image that it is about. */
  readonly image?: string;
  /** What is wrong, with the offending values, and after the last semicolon what was done. */
  readonly message: string;
}

/**
 * What to do about problems: 'skip' leaves out what cannot be used and goes on; 'throw' stops at the first; a function
 * is told each and says which of the two.
 */
export type OnProblem = 'skip' | 'throw' | ((problem: Problem) => 'skip' | 'throw');

/** The place and the message of a problem, as one line. */
export function describeProblem({ file, line, offset, message }: Problem): string {
  const place = line === undefined ? file : `${file}:${line}`;
  const byte = offset === undefined ? '' : ` (byte ${offset})`;
  return `${place}${byte}: ${message}`;
}

/** The error that a problem becomes where it ends the work. */
export function problemError(problem: Problem): TorchdetError {
  // Nothing was done: it ends here.
  const message = problem.message.replace(/; [^;]*$/, '.');
  return new TorchdetError('ERR_DATASET', describeProblem({ ...problem, message }));
}

/** Collects problems, or stops at one. */
export class Problems {
  readonly list: Problem[] = [];

  constructor(private readonly onProblem: OnProblem) {}

  /** @throws TorchdetError ERR_DATASET where it is to stop here */
  report(problem: Problem): void {
    const { onProblem } = this;
    const action = typeof onProblem === 'function' ? onProblem(problem) : onProblem;
    if (action === 'throw') throw problemError(problem);
    this.list.push(problem);
  }
}
