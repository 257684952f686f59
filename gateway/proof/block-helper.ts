/** A thread that looks at the lines of blocks as they come, in their order. It loads little: its memory is the verifier's as well. */
import { workerData } from 'node:worker_threads';
import { Block } from './block.ts';
import { ENOUGH, type HelperData } from './blocks.ts';

const { calls, blocks } = workerData as HelperData;
const ring = blocks.map((shared) => new Block(shared));
let next = 0;

/** Looks at one, the one after that looked at last if it can; false: there is none. */
function look(): boolean {
  for (let i = 0; i < ring.length; i++) {
    const at = (next + i) % ring.length;
    if (!ring[at]?.look()) continue;
    next = at + 1;
    return true;
  }
  return false;
}

for (let call = Atomics.load(calls, 0); call !== ENOUGH; call = Atomics.load(calls, 0)) {
  if (!look()) Atomics.wait(calls, 0, call);
}
