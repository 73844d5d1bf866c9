import Glibc

/// One file of the store in 96 bytes. Guarded by the index's lock.
struct IndexRecord {
  var name: EntryName
  var urlHash: UInt64
  var born: UInt64
  var blocks: UInt32
  /// Seconds since 1970; saturating, as `usefulUntil`.
  var lastUse: UInt32
  var usefulUntil: UInt32
  var hits: UInt32
  /// The next of the same bucket of names; of a free record: the next free one.
  var nextInBucket: UInt32 = 0
  /// The next of the same URL.
  var nextOfURL: UInt32 = 0
  /// The one before of the same URL; of the first one (`headsURL`): the first one of the bucket's next URL.
  var previousOfURL: UInt32 = 0
  var links: InlineArray<2, RecordLinks> = .init(repeating: RecordLinks())
  var flags: DiskEntry.Flags
  /// The scan that has seen the file.
  var scan: UInt8 = 0
  var isUsed = false
  var headsURL = false
}

struct RecordLinks {
  var previous: UInt32 = 0
  var next: UInt32 = 0
}

/// The circular chains that a record is on. Their ends are records of no file, with the first numbers, so
/// that taking out a record needs no knowledge of where it is, and whole chains are moved at once.
enum RecordChain: Int {
  /// From the most to the least recently used.
  case recency
  case expiry
}

/// Records by number, in segments that never move. Number 0 is no file's and stands for none.
@safe struct IndexRecords: ~Copyable {
  static let segmentBits: UInt32 = 13
  private static let segmentCount = 1 << Int(segmentBits)

  private var segments: [UnsafeMutablePointer<IndexRecord>] = unsafe []
  private var firstFree: UInt32 = 0
  /// The lowest number that was never used.
  private(set) var end: UInt32 = 0

  deinit {
    for i in unsafe segments.indices { unsafe unmapPages(segments[i], IndexRecords.segmentBytes) }
  }

  private static var segmentBytes: Int { segmentCount * MemoryLayout<IndexRecord>.stride }

  var memoryBytes: Int {
    unsafe segments.count * IndexRecords.segmentBytes + segments.capacity * MemoryLayout<Int>.stride
  }

  subscript(_ number: UInt32) -> IndexRecord {
    // SAFETY: the segments' array checks its bounds, the mask keeps within the segment; all numbers below
    // `end` are initialised.
    @inline(__always) unsafeAddress { unsafe UnsafePointer(address(number)) }
    @inline(__always) nonmutating unsafeMutableAddress { unsafe address(number) }
  }

  @inline(__always) private func address(_ number: UInt32) -> UnsafeMutablePointer<IndexRecord> {
    unsafe segments[Int(number >> IndexRecords.segmentBits)]
      + Int(number & (1 << IndexRecords.segmentBits - 1))
  }

  /// A number for a new record; `nil`: there are four thousand million.
  mutating func add(_ record: IndexRecord) -> UInt32? {
    if firstFree != 0 {
      let number = firstFree
      firstFree = self[number].nextInBucket
      self[number] = record
      return number
    }
    guard end < UInt32.max else { return nil }
    let number = end
    if unsafe Int(number >> IndexRecords.segmentBits) == segments.count {
      let pages = unsafe mapPages(IndexRecords.segmentBytes)
      unsafe segments.append(
        pages.bindMemory(to: IndexRecord.self, capacity: IndexRecords.segmentCount))
    }
    unsafe address(number).initialize(to: record)
    end += 1
    return number
  }

  mutating func free(_ number: UInt32) {
    self[number].isUsed = false
    self[number].nextInBucket = firstFree
    firstFree = number
  }

  // MARK: Chains

  func next(_ number: UInt32, _ chain: RecordChain) -> UInt32 { self[number].links[chain.rawValue].next }

  func previous(_ number: UInt32, _ chain: RecordChain) -> UInt32 {
    self[number].links[chain.rawValue].previous
  }

  /// Makes a record the one of an empty chain.
  func makeEnd(_ number: UInt32, _ chain: RecordChain) {
    self[number].links[chain.rawValue] = RecordLinks(previous: number, next: number)
  }

  func link(_ number: UInt32, after other: UInt32, _ chain: RecordChain) {
    let next = next(other, chain)
    self[number].links[chain.rawValue] = RecordLinks(previous: other, next: next)
    self[other].links[chain.rawValue].next = number
    self[next].links[chain.rawValue].previous = number
  }

  func link(_ number: UInt32, before other: UInt32, _ chain: RecordChain) {
    link(number, after: previous(other, chain), chain)
  }

  func unlink(_ number: UInt32, _ chain: RecordChain) {
    let links = self[number].links[chain.rawValue]
    self[links.previous].links[chain.rawValue].next = links.next
    self[links.next].links[chain.rawValue].previous = links.previous
  }

  /// Moves all of the chain that ends at `source` to the back of the one that ends at `target`.
  func moveAll(from source: UInt32, to target: UInt32, _ chain: RecordChain) {
    let first = next(source, chain)
    guard first != source else { return }
    let last = previous(source, chain)
    let back = previous(target, chain)
    self[back].links[chain.rawValue].next = first
    self[first].links[chain.rawValue].previous = back
    self[last].links[chain.rawValue].next = target
    self[target].links[chain.rawValue].previous = last
    makeEnd(source, chain)
  }
}

/// Zeroed memory that counts only when touched, so that a table grows by much in little time.
func mapPages(_ bytes: Int) -> UnsafeMutableRawPointer {
  let pages = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
  guard let pages = unsafe pages, Int(bitPattern: pages) != -1 else { fatalError("out of memory") }
  return unsafe pages
}

func unmapPages(_ pages: UnsafeMutableRawPointer, _ bytes: Int) { unsafe _ = munmap(pages, bytes) }
