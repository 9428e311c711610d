'use strict';
// Which runtime this is, and how a guest can have its turns in it. In the syntax of the oldest: an old Node is
// told that it is too old by lib/native.js, not by its parser.

const NODE_API = 8; // as in src/js.h

const { versions } = process;
const other = ['bun', 'deno'].find((name) => versions[name]); // those that lend Node's interface, without libuv's loop
const name = other ? `${other === 'bun' ? 'Bun' : 'Deno'} ${versions[other]}` : `Node ${process.version}`;

// Why drive FD cannot be had, or null.
const withoutFd = other ? `${name} has no loop of libuv's that could watch an fd`
  : process.platform === 'win32' ? 'libuv watches no fd but sockets on Windows' : null;

const withoutNodeApi = Number(versions.napi) >= NODE_API ? null
  : `${name} has ${versions.napi ? `Node-API ${versions.napi}` : 'no Node-API'}, and asyncguest needs Node-API ${NODE_API}: use Node 18 or newer`;

module.exports = { name, drives: withoutFd ? ['thread'] : ['fd', 'thread'], withoutFd, withoutNodeApi };
