public import Bytes
import Caching

/// What became of a prefix.
public enum DecodedPrefix: Equatable, Sendable {
  /// Come again with so many bytes from the file's start, which has them.
  case needs(Int)
  case entry(DecodedEntry)
}

extension EntryFile {
  /// Reads what stands before the body, and checks all of it.
  ///
  /// - Parameters:
  ///   - prefix: The file's first bytes; `firstReadBytes` are mostly enough.
  ///   - fileBytes: The file's size.
  ///   - store: `StoreMeta.identity`.
  ///   - now: Times are never later.
  public static func decode(
    _ prefix: Span<UInt8>, fileBytes: Int, store: UInt64, clock: StoreClock, now: CacheSeconds
  ) throws(StoredFileError) -> DecodedPrefix {
    if prefix.count >= FileMagic.byteCount { try magic.check(prefix, version: version) }
    guard fileBytes >= preambleBytes else { throw .damaged(.size) }
    guard prefix.count >= preambleBytes else { return .needs(preambleBytes) }
    let preamble = try Preamble(prefix, fileBytes: fileBytes)
    guard preamble.store == store else { throw .foreign }
    guard prefix.count >= preamble.bodyOffset else { return .needs(preamble.bodyOffset) }
    guard crc32c(prefix.extracting(preambleBytes..<preamble.slotOffset)) == preamble.namesChecksum else {
      throw .damaged(.names)
    }
    let first = HeadSlot(prefix, at: preamble.slotOffset, of: preamble)
    let second = HeadSlot(prefix, at: preamble.slotOffset + preamble.slotBytes, of: preamble)
    let isSecond = (second?.sequence ?? 0) > (first?.sequence ?? 0)
    guard let used = isSecond ? second : first, let facts = used.facts(clock: clock, now: now) else {
      throw .damaged(.head)
    }
    let free = SlotPlace(
      offset: preamble.slotOffset + (isSecond ? 0 : preamble.slotBytes), capacity: preamble.slotBytes,
      sequence: used.sequence &+ 1, stamp: preamble.stamp)
    return .entry(preamble.entry(facts: facts, head: used.head, freeSlot: free))
  }
}

/// The first bytes of an entry's file, whose checksum and lengths hold.
private struct Preamble {
  let bodyOffset: Int
  let flags: EntryFile.Flags
  let slotBytes: Int
  let bodyLength: Int
  let created: Int64
  let store: UInt64
  let selecting: KeyHash
  /// Of key, URL, vary names, vary values and tags.
  let lengths: InlineArray<5, Int>
  let namesChecksum: UInt32
  let stamp: UInt32

  /// - Parameter bytes: At least `preambleBytes`.
  init(_ bytes: Span<UInt8>, fileBytes: Int) throws(StoredFileError) {
    var reader = NumberReader(bytes, at: EntryFile.preambleBytes - 4)
    stamp = reader.next()
    guard crc32c(bytes.extracting(0..<EntryFile.preambleBytes - 4)) == stamp else {
      throw .damaged(.preamble)
    }
    reader = NumberReader(bytes, at: FileMagic.byteCount)
    bodyOffset = Int(reader.next(UInt32.self))
    flags = EntryFile.Flags(rawValue: reader.next())
    slotBytes = Int(reader.next(UInt32.self))
    let length = reader.next(UInt64.self)
    created = reader.next()
    store = reader.next()
    selecting = reader.nextHash()
    var lengths = InlineArray<5, Int>(repeating: 0)
    for i in lengths.indices { lengths[i] = Int(reader.next(UInt32.self)) }
    self.lengths = lengths
    namesChecksum = reader.next()
    guard flags.isSubset(of: .known), bodyOffset <= EntryFile.headerLimit,
      slotBytes >= EntryFile.slotFixedBytes
    else { throw .damaged(.preamble) }
    // Five numbers of 32 bits and one: no sum of them overflows.
    bodyLength = Int(clamping: length)
    guard bodyOffset == slotOffset + 2 * slotBytes else { throw .damaged(.preamble) }
    guard bodyLength <= fileBytes,
      fileBytes - bodyLength == bodyOffset + BlockTable.trailerBytes(bodyLength: bodyLength)
    else { throw .damaged(.size) }
  }

  var slotOffset: Int {
    var offset = EntryFile.preambleBytes
    for i in lengths.indices { offset += lengths[i] }
    return offset
  }

  func entry(facts: EntryFile.Facts, head: ByteRange, freeSlot: SlotPlace) -> DecodedEntry {
    var at = EntryFile.preambleBytes
    func next(_ index: Int) -> ByteRange {
      let start = at
      at += lengths[index]
      return ByteRange(start, at)
    }
    return DecodedEntry(
      facts: facts, created: created, isPartial: flags.contains(.isPartial), selecting: selecting,
      key: next(0), url: next(1), varyNames: next(2), varyValues: next(3), tags: next(4), head: head,
      bodyOffset: bodyOffset, bodyLength: bodyLength, stamp: stamp, freeSlot: freeSlot)
  }
}

/// A head slot whose checksum holds.
private struct HeadSlot: ~Escapable {
  private let bytes: Span<UInt8>
  let head: ByteRange
  let sequence: UInt64
  private let factsOffset: Int

  /// - Parameter file: Everything before the body.
  /// - Returns: `nil`: never written, or not whole.
  @_lifetime(copy file)
  init?(_ file: Span<UInt8>, at offset: Int, of preamble: Preamble) {
    var reader = NumberReader(file, at: offset)
    let checksum = reader.next(UInt32.self)
    let headBytes = Int(reader.next(UInt32.self))
    guard headBytes <= preamble.slotBytes - EntryFile.slotFixedBytes else { return nil }
    let start = offset + EntryFile.slotFixedBytes
    let covered = file.extracting(offset + 4..<start + headBytes)
    guard crc32c(covered, continuing: preamble.stamp) == checksum else { return nil }
    sequence = reader.next()
    factsOffset = reader.offset
    bytes = file
    head = ByteRange(start, start + headBytes)
  }

  /// `nil`: no facts that anything of ours has written.
  func facts(clock: StoreClock, now: CacheSeconds) -> EntryFile.Facts? {
    var reader = NumberReader(bytes, at: factsOffset)
    let born = reader.next(UInt64.self)
    let requestWall = reader.next(Int64.self)
    let responseWall = reader.next(Int64.self)
    let monotonic = reader.next(Int64.self)
    let boot = reader.next(UInt64.self)
    let expires = reader.next(Int64.self)
    let lastModified = reader.next(Int64.self)
    var windows = InlineArray<6, UInt32>(repeating: 0)
    for i in windows.indices { windows[i] = reader.next() }
    let status = reader.next(UInt16.self)
    let source = FreshnessSource(rawValue: reader.next())
    let rules = StaleRules(rawValue: reader.next())
    let graceSource = EntryFile.WindowSource(rawValue: reader.next())
    let keepSource = EntryFile.WindowSource(rawValue: reader.next())
    let flags = reader.next(UInt16.self)
    let etag = ByteRange(Int(reader.next(UInt32.self)), Int(reader.next(UInt32.self)))
    guard let source, let graceSource, let keepSource, flags <= 1, etag.start <= etag.end,
      etag.upper <= head.count, Self.isTime(requestWall), Self.isTime(responseWall), Self.isTime(monotonic)
    else { return nil }
    let responseTime = clock.cacheSeconds(wall: responseWall, monotonic: monotonic, boot: boot, now: now)
    let life = Freshness(
      requestTime: responseTime - (responseWall - requestWall), responseTime: responseTime,
      initialAge: windows[0], lifetime: windows[1], staleWhileRevalidate: windows[2],
      staleIfError: windows[3],
      grace: windows[4], source: source, rules: rules)
    guard expires == EntryFile.expires(life, responseWall: responseWall) else { return nil }
    return EntryFile.Facts(
      born: born, status: status, freshness: life, graceSource: graceSource, keep: windows[5],
      keepSource: keepSource, isSoftlyPurged: flags == 1, etag: etag.isEmpty ? nil : etag,
      lastModified: lastModified == .min ? nil : lastModified)
  }

  /// Within some million years, so that sums of times do not overflow.
  private static func isTime(_ value: Int64) -> Bool { value.magnitude < 1 << 50 }
}
