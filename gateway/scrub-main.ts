/** The program behind `lookThroughApart`: one argument, the data folder; prints what was found as one line of JSON. */
import { lookThrough } from './journal/fsck.ts';

process.stdout.write(JSON.stringify(lookThrough(process.argv[2] ?? '')));
