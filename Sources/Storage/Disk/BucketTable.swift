/// The buckets of a hash table, each with the number of its chain's first record. Grows by one bucket at a
/// time (linear hashing), so that no step takes long: bucket n is made by dividing bucket n - 2^k, where 2^k
/// is the greatest power of two up to n.
///
/// Source: Litwin, "Linear Hashing: A New Tool for File and Table Addressing" (1980).
@safe struct BucketTable: ~Copyable {
  private static let segmentBits = 16
  private static let segmentBytes = 1 << segmentBits * MemoryLayout<UInt32>.stride
  private static let leastCount = 256

  private var segments: [UnsafeMutablePointer<UInt32>] = unsafe []
  private(set) var count = BucketTable.leastCount
  /// The greatest power of two up to `count`.
  private var round = BucketTable.leastCount

  init() { addSegment() }

  deinit {
    for i in unsafe segments.indices { unsafe unmapPages(segments[i], BucketTable.segmentBytes) }
  }

  var memoryBytes: Int {
    unsafe segments.count * BucketTable.segmentBytes + segments.capacity * MemoryLayout<Int>.stride
  }

  @inline(__always) func bucket(_ hash: UInt64) -> Int {
    let wide = Int(truncatingIfNeeded: hash) & (round &* 2 &- 1)
    return wide < count ? wide : wide &- round
  }

  /// The first record of a bucket; 0: none.
  subscript(_ bucket: Int) -> UInt32 {
    // SAFETY: the segments' array checks its bounds, the mask keeps within the segment, all of which is zero
    // from the start.
    get { unsafe segments[bucket >> BucketTable.segmentBits][bucket & (1 << BucketTable.segmentBits - 1)] }
    nonmutating set {
      unsafe segments[bucket >> BucketTable.segmentBits][bucket & (1 << BucketTable.segmentBits - 1)] =
        newValue
    }
  }

  /// Adds a bucket, which is empty. What is in bucket `divided` must be put where `bucket` says now.
  mutating func grow() -> (divided: Int, added: Int) {
    let added = count
    if unsafe added >> BucketTable.segmentBits == segments.count { addSegment() }
    let divided = added - round
    count += 1
    if count == round * 2 { round = count }
    return (divided, added)
  }

  private mutating func addSegment() {
    let pages = unsafe mapPages(BucketTable.segmentBytes)
    unsafe segments.append(pages.bindMemory(to: UInt32.self, capacity: 1 << BucketTable.segmentBits))
  }
}
