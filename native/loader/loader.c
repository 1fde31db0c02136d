/*
 * The loader: a tiny addon that knows nothing of torch. It opens LibTorch's shared objects with
 * global symbols before the real addon is required, so that LibTorch may stand in any folder and
 * the real addon needs no rpath. What is opened stays open until the process ends: torch's static
 * state cannot be unloaded.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 8
#include <dlfcn.h>
#include <node_api.h>
#include <stdlib.h>

/*
 * libgomp, which comes with LibTorch, reads its settings from the environment when it is opened. By
 * default a thread that waits for the others spins for some milliseconds, which on a machine that
 * is shared with anything else, a busy event loop included, takes the core from those it waits for.
 * Ten thousand rounds, a fraction of a millisecond, bridge the gap between two operations of a
 * network. What the user has set stands, and children do not inherit what is set here.
 */
static void* open_with_short_spins(const char* path) {
  const int chosen = getenv("GOMP_SPINCOUNT") != NULL || getenv("OMP_WAIT_POLICY") != NULL;
  if (!chosen) setenv("GOMP_SPINCOUNT", "10000", 0);
  void* library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  if (!chosen) unsetenv("GOMP_SPINCOUNT");
  return library;
}

/* open(path: string): void. Throws an Error with dlerror()'s words. */
static napi_value open_library(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  size_t length = 0;
  if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count < 1 ||
      napi_get_value_string_utf8(env, argument, NULL, 0, &length) != napi_ok) {
    napi_throw_type_error(env, NULL, "open(path): path must be a string");
    return NULL;
  }
  char* path = malloc(length + 1);
  if (path == NULL) {
    napi_throw_error(env, NULL, "open(path): out of memory");
    return NULL;
  }
  if (napi_get_value_string_utf8(env, argument, path, length + 1, &length) != napi_ok) {
    napi_throw_error(env, NULL, "open(path): the path could not be read");
  } else if (open_with_short_spins(path) == NULL) {
    const char* reason = dlerror();
    napi_throw_error(env, NULL, reason != NULL ? reason : "dlopen failed without a reason");
  }
  free(path);
  return NULL;
}

NAPI_MODULE_INIT() {
  napi_value function;
  if (napi_create_function(env, "open", NAPI_AUTO_LENGTH, open_library, NULL, &function) ==
      napi_ok) {
    napi_set_named_property(env, exports, "open", function);
  }
  return exports;
}
