/** What the user should have typed otherwise: exit code 2. */
export class UsageError extends Error {}
