#!/usr/bin/env node
'use strict';

// A reader that has had enough (`| head`) is no failure.
process.stdout.on('error', (error) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

// Nor is one that no longer listens to messages: the work itself goes on.
process.stderr.on('error', (error) => {
  if (error.code !== 'EPIPE') process.exit(1);
});

require('../dist/cli/main.js')
  .main(process.argv.slice(2))
  .then((code) => {
    process.exitCode = code;
  });
