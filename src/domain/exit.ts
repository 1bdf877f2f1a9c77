/** Exit statuses of the command line. Documented in docs/cli.md, tested by starting it. */
export const EXIT = {
  /** Done, and nothing differs. */
  done: 0,
  /** Done, and differences were found. */
  differences: 1,
  /** The command line or the configuration is wrong; nothing was done. */
  usage: 2,
  /** Refused as unsafe; nothing was done. */
  refused: 3,
  /** Failed. */
  failed: 4,
  /** Interrupted, paused or cancelled: it can go on. */
  interrupted: 130,
} as const;
