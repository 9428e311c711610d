// The few functions of libuv that this add-on calls. Own declarations, because neither Node-API's headers
// nor a system without libuv's development files have uv.h, and the uv.h of another version would not
// help: the node (or Electron) that loads the add-on brings its own libuv. All of them are part of libuv's
// stable 1.x ABI; the size of a handle is asked at run time (uv_handle_size), and that the number of
// uv_poll_t has not moved is checked by its name (FdDrive::open). Weak: a runtime that does not have them can load
// the add-on all the same, for drive THREAD.
#pragma once

#include <stddef.h>

#define AGN_WEAK __attribute__((weak))

extern "C" {
struct uv_loop_s;
struct uv_handle_s;
struct uv_poll_s;
typedef void (*uv_poll_cb)(struct uv_poll_s *handle, int status, int events);
typedef void (*uv_close_cb)(struct uv_handle_s *handle);

size_t uv_handle_size(int type) AGN_WEAK;
const char *uv_handle_type_name(int type) AGN_WEAK;
void *uv_handle_get_data(const struct uv_handle_s *handle) AGN_WEAK;
void uv_handle_set_data(struct uv_handle_s *handle, void *data) AGN_WEAK;
int uv_poll_init(struct uv_loop_s *loop, struct uv_poll_s *handle, int fd) AGN_WEAK;
int uv_poll_start(struct uv_poll_s *handle, int events, uv_poll_cb callback) AGN_WEAK;
void uv_close(struct uv_handle_s *handle, uv_close_cb callback) AGN_WEAK;
void uv_ref(struct uv_handle_s *handle) AGN_WEAK;
void uv_unref(struct uv_handle_s *handle) AGN_WEAK;
const char *uv_strerror(int error) AGN_WEAK;
}
