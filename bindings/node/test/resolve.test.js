'use strict';
// Names and services, looked up on the guest's pool.
const fs = require('node:fs');
const { asyncguest, assert, each } = require('./common.js');

each('resolve answers for numbers and names, and for one family', async (drive) => {
  const guest = asyncguest.start({ drive });
  assert.deepEqual(await guest.resolve('127.0.0.1', 80), [{ address: '127.0.0.1', port: 80, family: 4 }]);
  assert.deepEqual(await guest.resolve('::1', '80', { family: 6 }), [{ address: '::1', port: 80, family: 6 }]);
  assert.ok((await guest.resolve('localhost', 1)).length >= 1);
  await guest.cancel();
});

const services = fs.existsSync('/etc/services') ? fs.readFileSync('/etc/services', 'utf8') : '';
const noHttp = !/^http\s+80\/tcp/m.test(services) && 'the system has no entry for "http" in /etc/services (Debian: netbase)';

each('resolve answers for the name of a service', { skip: noHttp }, async (drive) => {
  const guest = asyncguest.start({ drive });
  assert.deepEqual(await guest.resolve('127.0.0.1', 'http'), [{ address: '127.0.0.1', port: 80, family: 4 }]);
  await guest.cancel();
});
