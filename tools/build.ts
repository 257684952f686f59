/**
 * Emits plain JavaScript into `dist/`, a tree of the same layout that runs by itself: what the image holds.
 * Package manifests are copied with their `.ts` entry points turned into `.js`; so is everything that is not code.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const PACKAGES = ['sdk', 'policy', 'drivers', 'operators', 'gateway', 'simulators', 'cli'];

rmSync(dist, { recursive: true, force: true });
execFileSync(join(root, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });

function manifest(from: string, to: string, change: (text: string) => string): void {
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, change(readFileSync(from, 'utf8')));
}

for (const name of PACKAGES) {
  manifest(join(root, name, 'package.json'), join(dist, name, 'package.json'), (text) =>
    text.replaceAll(/: "(.*)\.ts"/g, ': "$1.js"'),
  );
  const assets = globSync(`${name}/**/*.{yaml,md,json,jsonl,cjs}`, {
    cwd: root,
    exclude: ['**/node_modules/**', '**/package.json', '**/tsconfig*.json'],
  });
  for (const file of assets) {
    mkdirSync(dirname(join(dist, file)), { recursive: true });
    copyFileSync(join(root, file), join(dist, file));
  }
}
cpSync(join(root, 'config'), join(dist, 'config'), { recursive: true });
manifest(
  join(root, 'tools', 'runtime', 'package.json'),
  join(dist, 'tools', 'runtime', 'package.json'),
  (text) => text,
);
for (const file of ['package.json', 'package-lock.json', '.npmrc']) copyFileSync(join(root, file), join(dist, file));
