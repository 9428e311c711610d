'use strict';
// Errors made in JavaScript, with the same `code`s as those of the native part.
const { getSystemErrorName } = require('node:util');

/** What waits on a guest that has ended, or on a socket that was closed. */
function closed(what) {
  return Object.assign(new Error(what), { code: 'GUEST_ECLOSED' });
}

/** A system call's error in Node's shape. `errno`: negative. */
function system(errno, syscall) {
  const code = getSystemErrorName(errno);
  return Object.assign(new Error(`${syscall} ${code}`), { code, errno, syscall });
}

function memory(syscall) {
  return Object.assign(new Error(`${syscall}: there is no memory for the bytes, so that the connection had to end`), { code: 'GUEST_ENOMEM', syscall });
}

module.exports = { closed, memory, system };
