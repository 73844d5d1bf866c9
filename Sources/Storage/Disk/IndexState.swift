import Bytes

/// The records of the disk index with their tables and orders. Guarded by the lock of `DiskIndex`; each
/// method here does a bounded, small amount of work.
struct IndexState: ~Copyable, @unchecked Sendable {
  static let recency: UInt32 = 0
  /// Divides in the order of use what was used since the start from what is known from before it.
  static let startMarker: UInt32 = 1
  /// Where the checkpoint that is being written stands in the order of use.
  static let checkpointMarker: UInt32 = 2
  static let firstRecord = ExpiryOrder.past + ExpiryOrder.endCount
  /// Seconds for which a used record stays where it is in the order (L32).
  static let touchInterval: UInt32 = 5

  private static let noName = EntryName(digest: [UInt8](repeating: 0, count: EntryName.byteCount).span)!

  var records = IndexRecords()
  private var names = BucketTable()
  private var urls = BucketTable()
  private let seed: (UInt64, UInt64)
  var expiry: ExpiryOrder
  /// The latest second that the index has been told.
  private(set) var clock: UInt32
  /// The second of the start.
  let started: UInt32
  var limits: DiskLimits
  var counts = DiskStatistics()
  private var urlCount = 0
  var scan: UInt8 = 1
  var isCheckpointing = false
  /// Where purges stand that go through a URL's records in steps.
  private var urlCursors: [UInt32] = []

  init(limits: DiskLimits, now: UInt32, seed: (UInt64, UInt64)) {
    self.limits = limits
    self.seed = (seed.0, seed.1 | 1)
    clock = now
    started = now
    let blank = IndexRecord(
      name: IndexState.noName, urlHash: 0, born: 0, blocks: 0, lastUse: now,
      usefulUntil: 0, hits: 0, flags: [])
    for _ in 0..<IndexState.firstRecord { _ = records.add(blank) }
    records.makeEnd(IndexState.recency, .recency)
    records.link(IndexState.startMarker, after: IndexState.recency, .recency)
    expiry = ExpiryOrder(clock: now, records)
  }

  var memoryBytes: Int { records.memoryBytes + names.memoryBytes + urls.memoryBytes }

  mutating func advance(to now: CacheSeconds) { clock = max(clock, UInt32(clamping: now)) }

  func entry(_ number: UInt32) -> DiskEntry {
    let record = records[number]
    return DiskEntry(
      name: record.name, urlHash: record.urlHash, born: record.born, blocks: record.blocks,
      lastUse: CacheSeconds(record.lastUse), usefulUntil: CacheSeconds(record.usefulUntil),
      hits: record.hits, flags: record.flags)
  }

  // MARK: Names

  /// A client knows the name of what it asks for, so the bucket is chosen by a secret as well.
  private func hash(_ name: EntryName) -> UInt64 {
    let product = (name.words.w0 ^ seed.0).multipliedFullWidth(by: name.words.w1 ^ seed.1)
    return product.high ^ product.low
  }

  private func hash(url: UInt64) -> UInt64 {
    let product = (url ^ seed.0).multipliedFullWidth(by: seed.1)
    return product.high ^ product.low
  }

  /// 0: there is none.
  func find(_ name: EntryName) -> UInt32 {
    var number = names[names.bucket(hash(name))]
    while number != 0, records[number].name != name { number = records[number].nextInBucket }
    return number
  }

  private mutating func linkName(_ number: UInt32) {
    let bucket = names.bucket(hash(records[number].name))
    records[number].nextInBucket = names[bucket]
    names[bucket] = number
    guard counts.entries > names.count else { return }
    let (divided, _) = names.grow()
    var moved = names[divided]
    names[divided] = 0
    while moved != 0 {
      let next = records[moved].nextInBucket
      let bucket = names.bucket(hash(records[moved].name))
      records[moved].nextInBucket = names[bucket]
      names[bucket] = moved
      moved = next
    }
  }

  private func unlinkName(_ number: UInt32) {
    let bucket = names.bucket(hash(records[number].name))
    let next = records[number].nextInBucket
    if names[bucket] == number {
      names[bucket] = next
      return
    }
    var before = names[bucket]
    while records[before].nextInBucket != number { before = records[before].nextInBucket }
    records[before].nextInBucket = next
  }

  // MARK: URLs

  /// The first record of a URL; 0: there is none.
  func firstOfURL(_ hash: UInt64) -> UInt32 {
    var number = urls[urls.bucket(self.hash(url: hash))]
    while number != 0, records[number].urlHash != hash { number = records[number].previousOfURL }
    return number
  }

  private mutating func linkURL(_ number: UInt32) {
    let first = firstOfURL(records[number].urlHash)
    guard first == 0 else {
      let second = records[first].nextOfURL
      records[number].nextOfURL = second
      records[number].previousOfURL = first
      records[first].nextOfURL = number
      if second != 0 { records[second].previousOfURL = number }
      return
    }
    putFirstOfURL(number)
    urlCount += 1
    guard urlCount > urls.count else { return }
    let (divided, _) = urls.grow()
    var moved = urls[divided]
    urls[divided] = 0
    while moved != 0 {
      let next = records[moved].previousOfURL
      putFirstOfURL(moved)
      moved = next
    }
  }

  private func putFirstOfURL(_ number: UInt32) {
    let bucket = urls.bucket(hash(url: records[number].urlHash))
    records[number].headsURL = true
    records[number].previousOfURL = urls[bucket]
    urls[bucket] = number
  }

  private mutating func unlinkURL(_ number: UInt32) {
    let next = records[number].nextOfURL
    let previous = records[number].previousOfURL
    for i in urlCursors.indices where urlCursors[i] == number { urlCursors[i] = next }
    if records[number].headsURL {
      if next != 0 {
        records[next].headsURL = true
        records[next].previousOfURL = previous
      } else {
        urlCount -= 1
      }
      replaceFirstOfURL(number, with: next != 0 ? next : previous)
    } else {
      records[previous].nextOfURL = next
      if next != 0 { records[next].previousOfURL = previous }
    }
    records[number].headsURL = false
    records[number].nextOfURL = 0
    records[number].previousOfURL = 0
  }

  private func replaceFirstOfURL(_ number: UInt32, with other: UInt32) {
    let bucket = urls.bucket(hash(url: records[number].urlHash))
    if urls[bucket] == number {
      urls[bucket] = other
      return
    }
    var before = urls[bucket]
    while records[before].previousOfURL != number { before = records[before].previousOfURL }
    records[before].previousOfURL = other
  }

  /// A place among a URL's records that survives their removal, to be given back with `endCursor`.
  mutating func beginCursor(_ urlHash: UInt64) -> Int {
    let first = firstOfURL(urlHash)
    if let free = urlCursors.firstIndex(of: .max) {
      urlCursors[free] = first
      return free
    }
    urlCursors.append(first)
    return urlCursors.count - 1
  }

  /// The record at the cursor, which moves on; 0: there are no more.
  mutating func advanceCursor(_ cursor: Int) -> UInt32 {
    let number = urlCursors[cursor]
    if number != 0 { urlCursors[cursor] = records[number].nextOfURL }
    return number
  }

  mutating func endCursor(_ cursor: Int) {
    urlCursors[cursor] = .max
    if urlCursors.allSatisfy({ $0 == .max }) { urlCursors.removeAll() }
  }

  // MARK: Records

  /// Where in the order of use a new record belongs.
  enum Place {
    case front
    /// Behind what was used since the start, before what is known from before it.
    case start
    case back
  }

  /// Adds a record under a name that is not in use. False: there is no number for it.
  mutating func add(_ entry: DiskEntry, _ place: Place) -> Bool {
    let record = IndexRecord(
      name: entry.name, urlHash: entry.urlHash, born: entry.born, blocks: entry.blocks,
      lastUse: UInt32(clamping: entry.lastUse), usefulUntil: UInt32(clamping: entry.usefulUntil),
      hits: entry.hits, flags: entry.flags, scan: scan, isUsed: true)
    guard let number = records.add(record) else { return false }
    counts.entries += 1
    counts.bytes += entry.bytes
    counts.changes += 1
    linkName(number)
    linkURL(number)
    switch place {
    case .front: records.link(number, after: IndexState.recency, .recency)
    case .start: records.link(number, after: IndexState.startMarker, .recency)
    case .back: records.link(number, before: IndexState.recency, .recency)
    }
    expiry.place(number, records)
    return true
  }

  mutating func remove(_ number: UInt32) -> DiskEntry {
    let entry = entry(number)
    counts.entries -= 1
    counts.bytes -= entry.bytes
    counts.changes += 1
    unlinkName(number)
    unlinkURL(number)
    records.unlink(number, .recency)
    records.unlink(number, .expiry)
    records.free(number)
    return entry
  }

  /// As `remove`, of a record whose file is still to be removed.
  mutating func dismiss(_ number: UInt32) -> DiskEntry {
    let entry = remove(number)
    counts.leavingBytes += entry.bytes
    return entry
  }

  /// Notes a use at `clock` or before.
  func touch(_ number: UInt32, at second: UInt32, hits: UInt32) {
    let (sum, isOver) = records[number].hits.addingReportingOverflow(hits)
    records[number].hits = isOver ? .max : sum
    let lastUse = records[number].lastUse
    guard second > lastUse, second - lastUse >= IndexState.touchInterval else { return }
    records[number].lastUse = second
    records.unlink(number, .recency)
    records.link(number, after: IndexState.recency, .recency)
  }

  func setUsefulUntil(_ number: UInt32, _ second: CacheSeconds) {
    records[number].usefulUntil = UInt32(clamping: second)
    records.unlink(number, .expiry)
    expiry.place(number, records)
  }

  mutating func setBlocks(_ number: UInt32, _ blocks: UInt32) {
    counts.bytes += (Int(blocks) - Int(records[number].blocks)) * 512
    records[number].blocks = blocks
  }

  /// The least recently used record; 0: there is none.
  var oldest: UInt32 {
    var number = records.previous(IndexState.recency, .recency)
    while number == IndexState.startMarker || number == IndexState.checkpointMarker {
      number = records.previous(number, .recency)
    }
    return number
  }
}
