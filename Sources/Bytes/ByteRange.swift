// Bytes: what bytes are called and kept in, for all other modules: ranges, ASCII classes, output buffers, the
// keyed hash and the lock. It imports CLinux only. It is small, and whatever is called per byte or per
// request from another module is inlinable, since a call that is not costs a nanosecond.

/// Half-open range of byte offsets into some buffer. Offsets, unlike spans, can be stored and survive the
/// buffer being moved. 8 bytes.
public struct ByteRange: Equatable, Sendable {
  public var start: UInt32
  public var end: UInt32

  @inlinable public init(_ start: Int, _ end: Int) {
    self.start = UInt32(truncatingIfNeeded: start)
    self.end = UInt32(truncatingIfNeeded: end)
  }

  @inlinable public static var empty: ByteRange { ByteRange(0, 0) }
  @inlinable public var count: Int { Int(end) &- Int(start) }
  @inlinable public var isEmpty: Bool { start == end }
  @inlinable public var lower: Int { Int(start) }
  @inlinable public var upper: Int { Int(end) }
}
