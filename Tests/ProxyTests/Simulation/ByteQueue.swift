import Glibc

/// Bytes that go out in the order they came in. Plain memory: it carries megabytes in debug builds.
@safe final class ByteQueue {
  private var memory: UnsafeMutableRawPointer
  private var capacity = 256
  private var start = 0
  private(set) var count = 0

  init() { unsafe memory = .allocate(byteCount: capacity, alignment: 16) }

  deinit { unsafe memory.deallocate() }

  var isEmpty: Bool { count == 0 }

  func append(_ bytes: UnsafeRawPointer, count more: Int) {
    guard more > 0 else { return }
    reserve(more)
    unsafe memcpy(memory + start + count, bytes, more)
    count += more
  }

  func append(_ bytes: [UInt8]) {
    unsafe bytes.withUnsafeBytes { if let base = $0.baseAddress { unsafe append(base, count: bytes.count) } }
  }

  /// Moves the first `most` bytes, or all there are, into `target`. Returns how many.
  func take(_ most: Int, into target: UnsafeMutableRawPointer) -> Int {
    let taken = min(most, count)
    unsafe memcpy(target, memory + start, taken)
    drop(taken)
    return taken
  }

  func move(_ most: Int, to other: ByteQueue) {
    let moved = min(most, count)
    unsafe other.append(memory + start, count: moved)
    drop(moved)
  }

  func takeAll(most: Int = .max) -> [UInt8] {
    let taken = min(most, count)
    let bytes = unsafe [UInt8](UnsafeRawBufferPointer(start: memory + start, count: taken))
    drop(taken)
    return bytes
  }

  func removeAll() { drop(count) }

  private func drop(_ dropped: Int) {
    start += dropped
    count -= dropped
    if count == 0 { start = 0 }
  }

  private func reserve(_ more: Int) {
    guard start + count + more > capacity else { return }
    if count + more > capacity / 2 { capacity = (count + more) * 2 }
    let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
    unsafe memcpy(larger, memory + start, count)
    unsafe memory.deallocate()
    unsafe memory = larger
    start = 0
  }
}
