// Stands in for node-gyp under prebuildify, whose arguments (a Node version as --target among them) mean other things to
// cmake-js: builds what is not built, as always, and ignores them.
import './build-native.mjs';
