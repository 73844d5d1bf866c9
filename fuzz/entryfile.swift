import Bytes
import Caching
import Storage

private let store: UInt64 = 0x5107_e1de
private let clock = StoreClock(cacheOffset: 0, wallOffset: 0, boot: 0)

/// The bytes as a file of the store, once as they are and once with all checksums made good, so that what
/// stands behind them is reached. Offsets are those of docs/store-format.md.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzEntryFile(_ data: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = Input(data, count)
  defer { input.free() }
  var file = octets(Span(_unsafeStart: input.bytes, count: count))
  read(file)
  if input.choice & 7 == 0 {
    repairVaryRecord(&file)
    readVaryRecord(file)
  } else {
    repairEntry(&file)
    read(file)
  }
  return 0
}

private func read(_ file: [UInt8]) {
  readVaryRecord(file)
  guard let (entry, head) = decoded(file) else { return }
  check(
    entry.trailerOffset + entry.trailerBytes == file.count && entry.bodyLength >= 0,
    "header, body and trailer are the file")
  let ranges = [entry.key, entry.url, entry.varyNames, entry.varyValues, entry.tags, entry.head]
  for (range, next) in zip(ranges, ranges.dropFirst()) {
    check(range.start <= range.end && range.end <= next.start, "parts do not overlap")
  }
  check(entry.head.upper <= entry.bodyOffset, "heads stand before the body")
  if let etag = entry.facts.etag { check(etag.upper <= entry.head.count, "the entity tag is in the head") }
  readBody(of: entry, file)
  rewrite(entry, head, file)
}

/// The entry, if there is one, and its head's bytes.
private func decoded(_ file: [UInt8]) -> (DecodedEntry, [UInt8])? {
  var prefix = min(file.count, 64)
  while true {
    let part = Array(file[..<prefix])
    let result = try? EntryFile.decode(
      part.span, fileBytes: file.count, store: store, clock: clock, now: .max)
    switch result {
    case nil: return nil
    case .needs(let more):
      check(more > prefix && more <= file.count, "what is needed is there")
      prefix = more
    case .entry(let entry): return (entry, Array(part[entry.head.lower..<entry.head.upper]))
    }
  }
}

private func readBody(of entry: DecodedEntry, _ file: [UInt8]) {
  let trailer = Array(file[entry.trailerOffset...])
  guard let table = try? BlockTable.decode(trailer.span, of: entry) else { return }
  check(entry.isPartial || table.isWhole, "a whole entry has all blocks")
  for i in 0..<table.blockCount {
    let range = table.range(i)
    check(!range.isEmpty && range.upperBound <= entry.bodyLength, "blocks are in the body")
    let block = Array(file[(entry.bodyOffset + range.lowerBound)..<(entry.bodyOffset + range.upperBound)])
    _ = table.matches(i, block.span)
  }
}

/// The same head written to the free slot is in force, and says the same.
private func rewrite(_ entry: DecodedEntry, _ head: [UInt8], _ file: [UInt8]) {
  let place = entry.freeSlot
  guard place.sequence > 0 else { return }  // after 2⁶⁴ refreshes
  var output = OutputBuffer(capacity: 512)
  check(
    EntryFile.writeSlot(entry.facts, head: head.span, in: place, clock: clock, to: &output),
    "both slots have room for the same")
  var next = file
  next.replaceSubrange(place.offset..<place.offset + output.count, with: octets(output.bytes))
  guard let (again, sameHead) = decoded(next) else { fatalError("does not hold: a written head is read") }
  check(again.facts == entry.facts && sameHead == head, "a head written and read again is the same")
  check(again.freeSlot.offset != place.offset, "slots take turns")
}

private func readVaryRecord(_ file: [UInt8]) {
  guard let record = try? VaryRecord.decode(file.span, store: store) else { return }
  var output = OutputBuffer(capacity: 512)
  record.write(store: store, to: &output)
  check(octets(output.bytes) == file, "a record read and written again is the same")
}

// MARK: - Checksums made good

private func put<Number: FixedWidthInteger>(_ value: Number, at offset: Int, in file: inout [UInt8]) {
  guard offset >= 0, offset + Number.bitWidth / 8 <= file.count else { return }
  for i in 0..<(Number.bitWidth / 8) { file[offset + i] = UInt8(truncatingIfNeeded: value >> (8 * i)) }
}

private func number(at offset: Int, in file: [UInt8]) -> Int {
  guard offset >= 0, offset + 4 <= file.count else { return 0 }
  return (0..<4).reduce(0) { $0 | Int(file[offset + $1]) << (8 * $1) }
}

/// 0 where they are not all there.
private func sum(_ range: Range<Int>, of file: [UInt8], continuing sum: UInt32 = 0) -> UInt32 {
  range.upperBound <= file.count ? crc32c(file[range].span, continuing: sum) : 0
}

private func begin(_ file: inout [UInt8], _ magic: String) {
  for (i, byte) in magic.utf8.enumerated() where i < file.count { file[i] = byte }
  put(UInt32(0xfffe_0001), at: 8, in: &file)
}

private func repairEntry(_ file: inout [UInt8]) {
  begin(&file, "LarderE\n")
  put(store, at: 40, in: &file)
  let names = (0..<5).reduce(0) { $0 + number(at: 64 + 4 * $1, in: file) }
  let slots = 92 + names
  let slotBytes = number(at: 20, in: file)
  let bodyOffset = slots + 2 * slotBytes
  guard bodyOffset < file.count else { return }
  put(UInt32(bodyOffset), at: 12, in: &file)
  // The longest body that the file has room for: all of these are of one block or none.
  put(UInt64(max(file.count - bodyOffset - 9, 0)), at: 24, in: &file)
  put(sum(92..<slots, of: file), at: 84, in: &file)
  let stamp = sum(0..<88, of: file)
  put(stamp, at: 88, in: &file)
  for slot in [slots, slots + slotBytes] {
    let end = slot + 112 + number(at: slot + 4, in: file)
    let made = number(at: slot + 32, in: file)
    // In this century, and with the expiry that follows.
    put(Int64(made), at: slot + 32, in: &file)
    put(
      Int64(made + number(at: slot + 76, in: file) - number(at: slot + 72, in: file)), at: slot + 56,
      in: &file)
    put(sum(slot + 4..<max(end, slot + 4), of: file, continuing: stamp), at: slot, in: &file)
  }
  if file.count >= bodyOffset + 9 {
    put(sum(file.count - 9..<file.count - 4, of: file, continuing: stamp), at: file.count - 4, in: &file)
  }
}

private func repairVaryRecord(_ file: inout [UInt8]) {
  begin(&file, "LarderV\n")
  put(store, at: 24, in: &file)
  guard file.count >= 68 else { return }
  put(
    UInt32(truncatingIfNeeded: file.count - 68 - number(at: 12, in: file) - number(at: 16, in: file)), at: 20,
    in: &file)
  put(sum(68..<file.count, of: file), at: 60, in: &file)
  put(sum(0..<64, of: file), at: 64, in: &file)
}
