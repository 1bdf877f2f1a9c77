import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { RefillError } from '../../src/domain/errors.ts';
import { LOOPBACK } from '../../src/embedded/info.ts';
import { isRunning, type ProcessRef } from '../../src/embedded/process.ts';
import { logTail } from '../../src/embedded/tail.ts';
import type { ServerStart } from './server.ts';
import type { Layout } from './replica.ts';
import { ZOOKEEPER_JARS } from './requirements.ts';

const START_TIMEOUT_MS = 30_000;
const ASK_TIMEOUT_MS = 2000;
const MAX_MESSAGE_BYTES = 10_485_760;
/** Small and quickly there; and what it writes need not outlive the machine. */
const JAVA_OPTIONS = [
  '-Xms64m',
  '-Xmx256m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Dzookeeper.forceSync=no',
  `-Djute.maxbuffer=${MAX_MESSAGE_BYTES}`,
];

/** The ZooKeeper that coordinates the replicas: one server, small, and in no hurry to reach the disk. */
export function zookeeper({ dir, launch, zookeeperPort }: Layout): ServerStart {
  const home = join(dir, 'zookeeper');
  const log = join(home, 'output.log');
  return {
    launch: async () => {
      await mkdir(join(home, 'data'), { recursive: true });
      const config = join(home, 'zoo.cfg');
      await writeFile(config, zooConfig(join(home, 'data'), zookeeperPort));
      return await launch({
        file: 'java',
        args: [
          ...JAVA_OPTIONS,
          '-cp',
          ZOOKEEPER_JARS.join(':'),
          'org.apache.zookeeper.server.quorum.QuorumPeerMain',
          config,
        ],
        cwd: home,
        log,
      });
    },
    ready: async (process) => {
      await waitUntilServing(process, zookeeperPort, log);
    },
  };
}

function zooConfig(data: string, port: number): string {
  return `# A session lasts 2 to 20 ticks.
tickTime=500
dataDir=${data}
clientPort=${port}
clientPortAddress=${LOOPBACK}
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=ruok
# In KB: the default writes 64 MB at the start.
preAllocSize=4096
`;
}

async function waitUntilServing(process: ProcessRef, port: number, log: string): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (isRunning(process) && Date.now() < deadline) {
    if ((await ask(port, 'ruok')) === 'imok') return;
    await sleep(50);
  }
  const what = isRunning(process) ? `did not answer in ${START_TIMEOUT_MS} ms` : 'ended at once';
  throw new RefillError('EMBEDDED_FAILED', `ZooKeeper ${what}; its log is ${log}`, { details: { log: logTail(log) } });
}

/** One of ZooKeeper's words of four letters; empty where nobody answers. */
async function ask(port: number, word: string): Promise<string> {
  return await new Promise((resolve) => {
    let answer = '';
    const socket = connect({ port, host: LOOPBACK });
    socket.setEncoding('utf8').setTimeout(ASK_TIMEOUT_MS, () => socket.destroy());
    socket.once('connect', () => socket.write(word));
    socket.on('data', (text: string) => (answer += text));
    socket.once('error', () => undefined);
    socket.once('close', () => resolve(answer));
  });
}
