import { Readable } from 'node:stream';

import { z } from 'zod';

import { clickhouse, type ClickHouseAddress } from './clickhouse-http.ts';
import { clickhouseSchemaSql, quoteName, quoteText, type TargetTable } from './clickhouse-schema.ts';
import { cardTable, joinedView, RAW_TABLES, wrongedTable, type Derivation } from './old-code.ts';
import { PLANT_EFFECTS, type Planted, type PlantedLedger } from './planted.ts';
import { refuseUnlessSample, SAMPLE_MARK } from './source.ts';
import { insertLayer, isPlantKind, plantedRows } from './target-rows.ts';
import { sampleTemplates } from './templates.ts';

export interface SampleTarget extends ClickHouseAddress {
  /** The cluster of the `*_d` tables. Default `conversations`, as the embedded engine has it; null: no such tables. */
  readonly cluster?: string | null;
  /** On a real cluster: everything `ON CLUSTER`, replicated, and filled through the `*_d` tables. Default false. */
  readonly replicated?: boolean;
}

const TABLES: readonly TargetTable[] = ['scorecard', 'score', 'scorecard_score'];
const PlantedRow = z.object({ kind: z.string(), count: z.coerce.number(), keys: z.array(z.string()) });

/** Removes every database that bears a sample's mark. */
export async function dropSampleTargets(address: ClickHouseAddress): Promise<void> {
  const names = await clickhouse(
    address,
    `SELECT name FROM system.databases WHERE startsWith(comment, ${quoteText(SAMPLE_MARK)}) FORMAT TabSeparatedRaw`,
  );
  for (const name of names.split('\n').filter((line) => line !== '')) {
    await clickhouse(address, `DROP DATABASE ${quoteName(name)} SYNC`);
  }
}

/** The ClickHouse side, with a staging database beside the tenant's. */
export class Target {
  readonly #address: SampleTarget;
  readonly #database: string;
  readonly #staging: string;

  constructor(address: SampleTarget, database: string) {
    this.#address = address;
    this.#database = database;
    this.#staging = `refill_sample_${database}`;
  }

  async create(mark: string, replace: boolean): Promise<void> {
    const { cluster = 'conversations', replicated = false } = this.#address;
    const existing = await this.#run(
      `SELECT comment FROM system.databases WHERE name = ${quoteText(this.#database)} FORMAT TabSeparated`,
    );
    if (existing !== '') {
      refuseUnlessSample(`ClickHouse database ${this.#database}`, existing, replace);
      await this.#run(`DROP DATABASE ${quoteName(this.#database)}${this.#onCluster()} SYNC`);
    }
    const withCluster = cluster === null ? {} : { cluster };
    for (const sql of clickhouseSchemaSql({ database: this.#database, replicated, comment: mark, ...withCluster })) {
      await this.#run(sql);
    }
    // Until all is there and counted: merges would collapse what was planted.
    for (const table of TABLES) await this.#run(`SYSTEM STOP MERGES${this.#onCluster()} ${this.#table(table)}`);
  }

  async startStaging(seed: number): Promise<void> {
    await this.dropStaging();
    await this.#run(`CREATE DATABASE ${quoteName(this.#staging)} COMMENT ${quoteText(`${SAMPLE_MARK}: staging`)}`);
    for (const [table, columns] of Object.entries(RAW_TABLES)) {
      await this.#run(`CREATE TABLE ${this.#staged(table)} (${columns}) ENGINE = MergeTree ORDER BY tuple()`);
    }
    // The inventor of the templates knows their leaves; reading the structures is the product's business.
    const leaves = sampleTemplates(seed).flatMap((t) =>
      t.leaves.map((leaf) => `${t.templateId}\t${t.revision}\t${leaf}\n`),
    );
    await this.stage('raw_leaf', Readable.from([leaves.join('')]));
  }

  /** Rows of a raw table, as Postgres's COPY and ClickHouse's TabSeparated have them in common. */
  async stage(table: string, rows: Readable): Promise<void> {
    await this.#run(`INSERT INTO ${this.#staged(table)} FORMAT TabSeparated`, rows);
  }

  async deriveCards(derivation: Derivation): Promise<void> {
    await this.#inStaging(cardTable(derivation));
  }

  async deriveScores(derivation: Derivation): Promise<void> {
    for (const sql of [joinedView(derivation), wrongedTable(derivation)]) await this.#inStaging(sql);
  }

  async fill(denormalised: boolean): Promise<void> {
    const suffix = this.#address.replicated === true ? '_d' : '';
    for (const layer of ['old', 'right'] as const) {
      for (const table of TABLES) {
        if (table === 'scorecard_score' && !denormalised) continue;
        await this.#inStaging(insertLayer(table, layer, `${quoteName(this.#database)}.${table}${suffix}`));
      }
    }
  }

  async planted(denormalised: boolean): Promise<PlantedLedger> {
    const read = async (of: 'card' | 'score', tables: readonly TargetTable[]): Promise<Planted[]> => {
      const text = await this.#inStaging(plantedRows(of));
      const rows = text.split('\n').filter((line) => line !== '');
      return rows.flatMap((line) => {
        const { kind, count, keys } = PlantedRow.parse(JSON.parse(line));
        if (!isPlantKind(kind)) throw new Error(`unknown kind ${kind}`);
        return tables.map((table) => ({ kind, table, effect: PLANT_EFFECTS[kind], count, keys }));
      });
    };
    return [
      ...(await read('card', ['scorecard'])),
      ...(await read('score', denormalised ? ['score', 'scorecard_score'] : ['score'])),
    ];
  }

  async startMerges(): Promise<void> {
    for (const table of TABLES) await this.#run(`SYSTEM START MERGES${this.#onCluster()} ${this.#table(table)}`);
  }

  async dropStaging(): Promise<void> {
    await this.#run(`DROP DATABASE IF EXISTS ${quoteName(this.#staging)} SYNC`);
  }

  #onCluster(): string {
    const { cluster = 'conversations', replicated = false } = this.#address;
    return replicated && cluster !== null ? ` ON CLUSTER ${quoteName(cluster)}` : '';
  }

  #table(name: string): string {
    return `${quoteName(this.#database)}.${name}`;
  }

  #staged(name: string): string {
    return `${quoteName(this.#staging)}.${name}`;
  }

  #run(sql: string, rows?: Readable): Promise<string> {
    return clickhouse({ ...this.#address }, sql, rows);
  }

  /** A statement that names the staging database's tables without it. */
  #inStaging(sql: string): Promise<string> {
    return clickhouse({ ...this.#address, database: this.#staging }, sql);
  }
}
