// Threads that wait for their next piece of work spin, by default for long: on a machine that is busy with other things they then
// keep those who work from working, and steps of small models take ten times as long. Read when LibTorch is loaded.
process.env.GOMP_SPINCOUNT ??= '10000';

module.exports = {
  require: ['tsx/cjs'],
  extension: ['ts'],
  spec: ['test/**/*.test.ts'],
  timeout: 60000,
  forbidOnly: true,
};
