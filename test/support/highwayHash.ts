/**
 * HighwayHash, 64 bits: the checksum nats-server's file store puts behind each message. `key`: 32 bytes.
 * Eight bytes, little-endian. Slow and plain; for a few messages of a test.
 *
 * Source: Alakuijala, Cox, Wassenberg, "Fast keyed hash/pseudo-random function using SIMD multiply and permute" (2016).
 */
export const highwayHash64 = (key: Uint8Array, data: Uint8Array): Buffer => {
  const state = begin(lanesOf(key))
  const whole = data.length - data.length % packetBytes
  for (let at = 0; at < whole; at += packetBytes) update(state, lanesOf(data.subarray(at, at + packetBytes)))
  if (whole < data.length) updateRemainder(state, data.subarray(whole))
  for (let round = 0; round < 4; round++) {
    const { v0 } = state
    update(state, [swapped(v0[2]!), swapped(v0[3]!), swapped(v0[0]!), swapped(v0[1]!)])
  }
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(low(state.v0[0]! + state.v1[0]! + state.mul0[0]! + state.mul1[0]!))
  return bytes
}

type Lanes = Array<bigint>

interface State {
  readonly v0: Lanes
  readonly v1: Lanes
  readonly mul0: Lanes
  readonly mul1: Lanes
}

const packetBytes = 32
const mask32 = 0xffff_ffffn
const low = (value: bigint): bigint => BigInt.asUintN(64, value)
const swapped = (value: bigint): bigint => low(value << 32n) | (value >> 32n)

const lanesOf = (bytes: Uint8Array): Lanes => {
  const view = Buffer.from(bytes)
  return [0, 8, 16, 24].map((at) => view.readBigUInt64LE(at))
}

const begin = (key: Lanes): State => {
  const mul0 = [0xdbe6d5d5fe4cce2fn, 0xa4093822299f31d0n, 0x13198a2e03707344n, 0x243f6a8885a308d3n]
  const mul1 = [0x3bd39e10cb0ef593n, 0xc0acf169b5f18a8cn, 0xbe5466cf34e90c6cn, 0x452821e638d01377n]
  return { mul0, mul1, v0: mul0.map((lane, i) => lane ^ key[i]!), v1: mul1.map((lane, i) => lane ^ swapped(key[i]!)) }
}

const update = ({ mul0, mul1, v0, v1 }: State, packet: Lanes): void => {
  for (let i = 0; i < 4; i++) {
    v1[i] = low(v1[i]! + mul0[i]! + packet[i]!)
    mul0[i] = mul0[i]! ^ ((v1[i]! & mask32) * (v0[i]! >> 32n))
    v0[i] = low(v0[i]! + mul1[i]!)
    mul1[i] = mul1[i]! ^ ((v0[i]! & mask32) * (v1[i]! >> 32n))
  }
  for (const [from, to] of [[v1, v0], [v0, v1]] as const) {
    for (const i of [0, 2]) {
      to[i] = low(to[i]! + zipEven(from[i + 1]!, from[i]!))
      to[i + 1] = low(to[i + 1]! + zipOdd(from[i + 1]!, from[i]!))
    }
  }
}

const zipEven = (v1: bigint, v0: bigint): bigint =>
  low((((v0 & 0xff000000n) | (v1 & 0xff00000000n)) >> 24n) | (((v0 & 0xff0000000000n) | (v1 & 0xff000000000000n)) >> 16n) |
    (v0 & 0xff0000n) | ((v0 & 0xff00n) << 32n) | ((v1 & 0xff00000000000000n) >> 8n) | (v0 << 56n))

const zipOdd = (v1: bigint, v0: bigint): bigint =>
  low((((v1 & 0xff000000n) | (v0 & 0xff00000000n)) >> 24n) | (v1 & 0xff0000n) | ((v1 & 0xff0000000000n) >> 16n) |
    ((v1 & 0xff00n) << 24n) | ((v0 & 0xff000000000000n) >> 8n) | ((v1 & 0xffn) << 48n) | (v0 & 0xff00000000000000n))

const updateRemainder = (state: State, rest: Uint8Array): void => {
  const size = rest.length
  const both = (BigInt(size) << 32n) + BigInt(size)
  for (let i = 0; i < 4; i++) {
    state.v0[i] = low(state.v0[i]! + both)
    state.v1[i] = rotated(state.v1[i]!, BigInt(size))
  }
  const packet = new Uint8Array(packetBytes)
  const even = size & ~3
  const odd = size & 3
  packet.set(rest.subarray(0, even))
  if ((size & 16) !== 0) packet.set(rest.subarray(size - 4), 28)
  else if (odd !== 0) packet.set([rest[even]!, rest[even + (odd >> 1)]!, rest[even + odd - 1]!], 16)
  update(state, lanesOf(packet))
}

/** Each half of the lane by itself. */
const rotated = (lane: bigint, by: bigint): bigint => {
  const half = (value: bigint): bigint => ((value << by) | (value >> (32n - by))) & mask32
  return half(lane & mask32) | (half(lane >> 32n) << 32n)
}
