public import Bytes
import Caching

extension EntryFile {
  /// Writes everything that stands before the body, `layout.bodyOffset` bytes. The second slot is empty.
  ///
  /// - Parameters:
  ///   - layout: Made of the same names and a head of the same length.
  ///   - bodyLength: Of the whole body in bytes, missing blocks included.
  ///   - created: Milliseconds since 1970.
  ///   - store: `StoreMeta.identity`.
  /// - Returns: The stamp that the trailer needs.
  public static func writeHeader(
    _ names: borrowing Names, _ facts: Facts, head: Span<UInt8>, layout: Layout, bodyLength: Int,
    isPartial: Bool = false, created: Int64, store: UInt64, clock: StoreClock, to output: inout OutputBuffer
  ) -> UInt32 {
    let start = output.count
    writePreamble(
      names, layout: layout, bodyLength: bodyLength, isPartial: isPartial, created: created, store: store,
      to: &output)
    let stamp = crc32c(output.bytes.extracting(start..<output.count))
    output.append(little: stamp)
    writeNames(names, to: &output)
    let slots = start + preambleBytes + layout.namesBytes
    precondition(output.count == slots, "the layout is of other names")
    let first = SlotPlace(offset: slots - start, capacity: layout.slotBytes, sequence: 1, stamp: stamp)
    precondition(
      writeSlot(facts, head: head, in: first, clock: clock, to: &output), "the layout is too small")
    while output.count < start + layout.bodyOffset { output.append(UInt8(0)) }
    return stamp
  }

  /// Writes the bytes that go to `place.offset` of the file. Once they are there whole, this head is in
  /// force; as long as they are not, the one before it is.
  ///
  /// - Returns: False: it does not fit, and the file must be written anew.
  public static func writeSlot(
    _ facts: Facts, head: Span<UInt8>, in place: SlotPlace, clock: StoreClock, to output: inout OutputBuffer
  ) -> Bool {
    guard place.fits(headBytes: head.count) else { return false }
    var fixed = OutputBuffer(capacity: slotFixedBytes)
    let life = facts.freshness
    let wall = clock.wall(life.responseTime)
    fixed.append(little: UInt32(head.count))
    fixed.append(little: place.sequence)
    fixed.append(little: facts.born)
    fixed.append(little: wall &- (life.responseTime &- life.requestTime))
    fixed.append(little: wall)
    fixed.append(little: clock.monotonic(life.responseTime))
    fixed.append(little: clock.boot)
    fixed.append(little: expires(life, responseWall: wall))
    fixed.append(little: facts.lastModified ?? .min)
    for window in [
      life.initialAge, life.lifetime, life.staleWhileRevalidate, life.staleIfError, life.grace, facts.keep,
    ] { fixed.append(little: window) }
    fixed.append(little: facts.status)
    fixed.append(life.source.rawValue)
    fixed.append(life.rules.rawValue)
    fixed.append(facts.graceSource.rawValue)
    fixed.append(facts.keepSource.rawValue)
    fixed.append(little: UInt16(facts.isSoftlyPurged ? 1 : 0))
    let etag = facts.etag ?? .empty
    fixed.append(little: etag.start)
    fixed.append(little: etag.end)
    output.append(little: crc32c(head, continuing: crc32c(fixed.bytes, continuing: place.stamp)))
    output.append(fixed.bytes)
    output.append(head)
    return true
  }

  /// When freshness ends, in seconds since 1970.
  static func expires(_ life: Freshness, responseWall: Int64) -> Int64 {
    responseWall &+ Int64(life.lifetime) &- Int64(life.initialAge)
  }

  private static func writePreamble(
    _ names: borrowing Names, layout: Layout, bodyLength: Int, isPartial: Bool, created: Int64,
    store: UInt64, to output: inout OutputBuffer
  ) {
    output.append(magic.text)
    output.append(little: version)
    output.append(little: ~version)
    output.append(little: UInt32(layout.bodyOffset))
    output.append(little: (isPartial ? Flags.isPartial : []).rawValue)
    output.append(little: UInt32(layout.slotBytes))
    output.append(little: UInt64(bodyLength))
    output.append(little: created)
    output.append(little: store)
    output.append(names.selecting)
    for count in [
      names.key.count, names.url.count, names.varyNames.count, names.varyValues.count, names.tags.count,
    ] { output.append(little: UInt32(count)) }
    var checksum = crc32c(names.key)
    checksum = crc32c(names.url, continuing: checksum)
    checksum = crc32c(names.varyNames, continuing: checksum)
    checksum = crc32c(names.varyValues, continuing: checksum)
    output.append(little: crc32c(names.tags, continuing: checksum))
  }

  private static func writeNames(_ names: borrowing Names, to output: inout OutputBuffer) {
    output.append(names.key)
    output.append(names.url)
    output.append(names.varyNames)
    output.append(names.varyValues)
    output.append(names.tags)
  }
}
