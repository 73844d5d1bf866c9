import Bytes
import Storage

/// Received bytes that could not be used at once: part of a head, a body the origin has no room for,
/// pipelined requests. Only connections that hold such bytes have one.
@safe final class ReceiveBuffer {
  private var memory: UnsafeMutablePointer<UInt8>
  private(set) var capacity: Int
  private(set) var start = 0
  private(set) var end = 0
  private let inFlight: InFlightMemory

  init(capacity: Int, countedIn inFlight: InFlightMemory) {
    unsafe memory = .allocate(capacity: capacity)
    self.capacity = capacity
    self.inFlight = inFlight
    inFlight.add(capacity)
  }

  deinit {
    unsafe memory.deallocate()
    inFlight.add(-capacity)
  }

  var count: Int { end - start }
  var isEmpty: Bool { start == end }
  var room: Int { capacity - end }

  /// The first byte not yet used. Valid until the next change.
  var base: UnsafePointer<UInt8> { unsafe UnsafePointer(memory + start) }

  /// Where a read may put `room` bytes.
  var free: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(memory + end) }

  func filled(_ count: Int) { end += count }

  func use(_ count: Int) {
    start += count
    if start == end {
      start = 0
      end = 0
    }
  }

  /// Makes room for `more` bytes behind the last, by moving bytes to the front or into larger memory.
  func reserve(_ more: Int) {
    guard room < more else { return }
    if capacity - count >= more {
      unsafe memory.update(from: memory + start, count: count)
    } else {
      let wanted = max(capacity * 2, count + more)
      let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: wanted)
      unsafe larger.update(from: memory + start, count: count)
      unsafe memory.deallocate()
      unsafe memory = larger
      inFlight.add(wanted - capacity)
      capacity = wanted
    }
    end = count
    start = 0
  }

  func append(_ bytes: UnsafePointer<UInt8>, count: Int) {
    reserve(count)
    unsafe (memory + end).update(from: bytes, count: count)
    end += count
  }
}
