// Starts an attached stack in the directory given, says so, and stays until it is killed. Node 20 does not run
// TypeScript by itself, so jiti loads the sources.
import { createJiti } from 'jiti';

const { startEmbedded } = await createJiti(import.meta.url).import('../../src/embedded/stack.ts');
await startEmbedded({ dir: process.argv[2], attached: true, temporary: true });
console.log('started');
setInterval(() => undefined, 1000);
