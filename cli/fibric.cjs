#!/usr/bin/env node
'use strict';
/**
 * The launcher: runs the command under a Node that is new enough, whatever `node` happens to be on this machine.
 * Old syntax and no imports of ours: a Node that is too old must get as far as the one line that says what to do
 * (it would die without a word inside the SQLite addon).
 *
 *   fibric <verb> …                        cli/main.ts
 *   fibric --entry simulators/start.ts …   another program of this repository, under the same checks
 */
var childProcess = require('child_process');
var fs = require('fs');
var path = require('path');

var NEEDED_MAJOR = 26;
/** glibc gives back what is freed, and keeps it in one place: a sixth of a gateway at rest (bench/README.md). */
var MEMORY = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072' };
var ROOT = path.dirname(__dirname);

function main() {
  var args = process.argv.slice(2);
  var entry = path.join(__dirname, 'main.ts');
  if (args[0] === '--entry') {
    if (!args[1]) fail('--entry needs a file, relative to ' + ROOT);
    entry = path.join(ROOT, args[1]);
    args = args.slice(2);
  }
  entry = sourceOrCompiled(entry);
  if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) runHere(entry, args);
  else runPinned(entry, args);
}

/** `x.ts` in the repository, `x.js` where it was compiled. */
function sourceOrCompiled(file) {
  if (fs.existsSync(file)) return file;
  var compiled = file.replace(/\.ts$/, '.js');
  if (fs.existsSync(compiled)) return compiled;
  return fail('there is no ' + file);
}

function runHere(entry, args) {
  var nodeModule = require('module');
  if (!process.env.NODE_COMPILE_CACHE) nodeModule.enableCompileCache(cacheFolder());
  process.argv = [process.argv[0], entry].concat(args);
  nodeModule.runMain();
}

function runPinned(entry, args) {
  var node = pinnedNode();
  if (!node) {
    fail(
      'needs Node ' +
        NEEDED_MAJOR +
        ' and this is ' +
        process.versions.node +
        ': run `npm ci` in ' +
        ROOT +
        ', or install Node ' +
        NEEDED_MAJOR,
    );
  }
  var env = Object.assign({}, MEMORY, process.env);
  if (!env.NODE_COMPILE_CACHE) env.NODE_COMPILE_CACHE = cacheFolder();
  var child = childProcess.spawn(node, [entry].concat(args), { stdio: 'inherit', env: env });
  forwardSignals(child);
  child.on('error', function (error) {
    fail('cannot start ' + node + ': ' + error.message);
  });
  child.on('exit', function (code, signal) {
    if (code === 127) explain(node);
    if (signal) dieOf(signal);
    else process.exit(code);
  });
}

/** The runtime that `npm ci` brought, looked for upwards from here. */
function pinnedNode() {
  var places = [
    path.join('node_modules', '.bin', 'node'),
    path.join('node_modules', 'node-linux-' + process.arch, 'bin', 'node'),
  ];
  for (var folder = __dirname; ; folder = path.dirname(folder)) {
    for (var i = 0; i < places.length; i += 1) {
      var candidate = path.join(folder, places[i]);
      if (fs.existsSync(candidate)) return candidate;
    }
    if (folder === path.dirname(folder)) return null;
  }
}

function forwardSignals(child) {
  ['SIGTERM', 'SIGHUP'].forEach(function (signal) {
    process.on(signal, function () {
      child.kill(signal);
    });
  });
  process.on('SIGINT', function () {
    // Ctrl-C on a terminal reaches the child by itself; a second copy would tell it not to finish its work.
    if (!process.stdin.isTTY) child.kill('SIGINT');
  });
}

/** Ends as the child ended, so that a shell sees what happened. */
function dieOf(signal) {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/** 127: the system could not start the runtime at all. */
function explain(node) {
  var tried = childProcess.spawnSync(node, ['--version'], { encoding: 'utf8' });
  if (/libatomic\.so\.1/.test(tried.stderr || '')) {
    fail('the pinned Node needs the system library libatomic.so.1: apt-get install libatomic1');
  }
}

/** Compiled code is kept for the next start; Node goes on without when the folder cannot be written. */
function cacheFolder() {
  return path.join(ROOT, 'node_modules', '.cache', 'node');
}

function fail(message) {
  process.stderr.write('fibric: ' + message + '\n');
  process.exit(1);
}

main();
