#!/usr/bin/env node
import { main } from './start.ts';

process.exitCode = await main(process.argv.slice(2));
// Whatever still holds a timer or a socket open, the command has ended; what was printed goes out first.
process.stdout.write('', () => process.exit());
