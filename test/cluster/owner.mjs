// Starts a small cluster, prints its processes' ids, and stays until it is killed. Node 20 does not run TypeScript by
// itself, so jiti loads the sources; its cache would lie in the directory that the test looks at.
import { createJiti } from 'jiti';

const { startCluster } = await createJiti(import.meta.url, { fsCache: false }).import('./cluster.ts');
const cluster = await startCluster({ shards: 1, replicas: 1 });
console.log([cluster.zookeeper.pid, cluster.node('s1r1').pid].join(' '));
setInterval(() => undefined, 1000);
