'use strict';
// Runs the tests, two files at a time, and counts: a line for each drive of the table of hosts, on standard output
// and in build/hosts/node.txt, then "N passed, N failed, N skipped".
//
//   node test/run.js [PART OF A FILE NAME...]
const fs = require('node:fs');
const path = require('node:path');
const { run } = require('node:test');

const wanted = process.argv.slice(2);
const files = fs.readdirSync(__dirname)
  .filter((name) => name.endsWith('.test.js') && (wanted.length === 0 || wanted.some((part) => name.includes(part))))
  .map((name) => path.join(__dirname, name));
const counts = { fd: [0, 0, 0], thread: [0, 0, 0], both: [0, 0, 0] };
const reasons = new Set();

function count(outcome, { name, skip, details }) {
  if (files.includes(name) && outcome === 0) return; // the file itself
  const drive = /^(fd|thread): /.exec(name)?.[1] ?? 'both';
  if (typeof skip === 'string' || skip === true) {
    outcome = 2;
    reasons.add(`${name}: ${skip}`);
  }
  counts[drive][outcome]++;
  if (outcome === 1) {
    const error = details.error?.cause ?? details.error;
    console.log(`FAIL  ${path.basename(name)}\n${String(error?.stack ?? error).replace(/^/gm, '      | ')}`);
  }
}

run({ files, concurrency: 2 })
  .on('test:pass', (data) => count(0, data))
  .on('test:fail', (data) => count(1, data))
  .on('end', report)
  .resume();

function report() {
  const rows = ['fd', 'thread'].map((drive) =>
    ['node', process.version, drive, ...counts[drive].map((n, i) => (drive === 'fd' ? n + counts.both[i] : n)), [...reasons].join('; ')].join('|'));
  const hosts = path.join(__dirname, '..', '..', '..', 'build', 'hosts');
  if (wanted.length === 0) { // a part is no result
    fs.mkdirSync(hosts, { recursive: true });
    fs.writeFileSync(path.join(hosts, 'node.txt'), `${rows.join('\n')}\n`);
  }
  const [passed, failed, skipped] = [0, 1, 2].map((i) => Object.values(counts).reduce((sum, c) => sum + c[i], 0));
  console.log(rows.join('\n'));
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}
