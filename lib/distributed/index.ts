/** Training in several processes. */
export { type CollectiveOptions, type JoinOptions, ProcessGroup } from './process-group';
