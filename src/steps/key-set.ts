/**
 * Keys that were seen, as the 64 bits of two hashes: whether a key comes twice is told without keeping the keys. Two
 * different keys are taken for one once in some billions of windows, so whoever is told of a repetition asks for the keys.
 */
export class KeySet {
  #slots = new Uint32Array(2 * 1024);
  #size = 0;
  /** Whether a key came twice. */
  repeated = false;

  /** @param a @param b Two hashes of a key, of 32 bits each. */
  add(a: number, b: number): void {
    if (2 * this.#size >= this.#slots.length / 2) this.#grow();
    // Zero in both is an empty slot.
    this.#put(a, b === 0 ? 1 : b);
  }

  #put(a: number, b: number): void {
    const slots = this.#slots;
    const mask = slots.length / 2 - 1;
    let at = a & mask;
    for (; slots[2 * at + 1] !== 0; at = (at + 1) & mask)
      if (slots[2 * at] === a && slots[2 * at + 1] === b) {
        this.repeated = true;
        return;
      }
    slots[2 * at] = a;
    slots[2 * at + 1] = b;
    this.#size += 1;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Uint32Array(before.length * 2);
    this.#size = 0;
    for (let at = 0; at < before.length; at += 2) {
      const b = before[at + 1] ?? 0;
      if (b !== 0) this.#put(before[at] ?? 0, b);
    }
  }
}
