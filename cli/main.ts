/** The `fibric` command. */
import { runProgram } from './program.ts';
import { systemIo } from './system.ts';

process.exitCode = await runProgram(process.argv.slice(2), systemIo());
