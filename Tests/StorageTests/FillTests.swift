import Bytes
import Testing

@testable import Storage

@Suite("Fill, L3 and L12")
struct FillTests {
  @Test func `readers on all workers see what is published, in order, across blocks`() throws {
    let larder = Larder()
    let fill = try #require(larder.join("k").started)
    #expect(fill.enter(worker: 0))
    #expect(fill.enter(worker: 1))
    #expect(fill.head == nil)
    larder.head(fill)
    #expect(fill.head != nil)
    var random = SeededRandom(5)
    var sent: [UInt8] = []
    var received: [UInt8] = []
    while sent.count < 300_000 {
      let chunk = (0..<random.below(20_000)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      #expect(fill.append(chunk.span) == chunk.count)
      sent += chunk
      received += fill.bytes(from: received.count, limit: 1 + random.below(30_000))
    }
    received += fill.bytes(from: received.count, limit: .max)
    #expect(received == sent)
    #expect(fill.published == sent.count)
    #expect(fill.bytes(from: 12_345, limit: 100) == Array(sent[12_345..<12_445]))
    #expect(fill.bytes(from: sent.count, limit: 1).isEmpty)
  }

  @Test(arguments: [1, 64, 1000, 1024, 8192, 8193, 70_000, 200_001])
  func `a body of known length gets exactly the memory that it needs, and is stored without a copy`(
    _ length: Int
  )
    throws
  {
    let larder = Larder()
    let fill = try #require(larder.join("k").started)
    larder.head(fill, length: length)
    let before = larder.store.arena.statistics.allocatedBytes
    let body = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    #expect(fill.append(body.span) == length)
    #expect(fill.append(body.span) == 0)
    let used = larder.store.arena.statistics.allocatedBytes - before
    #expect(used >= length && used <= max(64, length + length / 8))
    let first = unsafe fill.address(of: 0)
    fill.complete()
    #expect(larder.commit(fill) == .stored)
    larder.store.end(fill)
    guard let handle = larder.handle("k") else { throw LookUpTests.Missing() }
    #expect(handle.wholeBody == body)
    let isSame = unsafe handle.bodySegment(0).0 == first
    #expect(isSame)
  }

  @Test(arguments: [0, 1, 700, 4096, 5000, 21_000, 100_000, 300_000])
  func `a body of unknown length is trimmed to its class, and readers keep what they have`(_ length: Int)
    throws
  {
    let larder = Larder()
    let before = larder.store.arena.statistics.allocatedBytes
    var fill = larder.join("k").started
    #expect(fill?.enter(worker: 0) == true)
    larder.head(try #require(fill))
    let body = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    #expect(fill?.append(body.span) == length)
    fill?.complete()
    #expect(larder.commit(try #require(fill)) == .stored)
    larder.store.end(try #require(fill))
    #expect(fill?.bytes(from: 0, limit: .max) == body)
    fill = nil
    _ = larder.wakers[0].takeAdvanced()
    let overhead = larder.entryOverhead(length)
    let used = larder.store.arena.statistics.allocatedBytes - before
    #expect(used <= max(64, length + length / 8) + overhead)
    #expect(larder.lookUp("k") == .body(String(decoding: body, as: UTF8.self)))
  }

  @Test func `bytes can be read straight from memory at a range of the stored body`() throws {
    let larder = Larder()
    let fill = try #require(larder.join("k").started)
    larder.head(fill, length: 200_000)
    let body = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    #expect(fill.append(body.span) == body.count)
    fill.complete()
    #expect(larder.commit(fill) == .stored)
    guard let handle = larder.handle("k") else { throw LookUpTests.Missing() }
    for (start, end) in [(0, 10), (65_530, 65_540), (131_071, 131_073), (199_999, 200_000), (0, 200_000)] {
      var part: [UInt8] = []
      while part.count < end - start,
        let (bytes, count) = unsafe handle.bodyBytes(at: start + part.count, max: end - start - part.count)
      {
        unsafe part.append(contentsOf: UnsafeBufferPointer(start: bytes, count: count))
      }
      #expect(part == Array(body[start..<end]))
    }
    #expect(unsafe handle.bodyBytes(at: 200_000, max: 1) == nil)
  }

  @Test func `at most one wake-up is outstanding for each worker, and none without readers, L3`() throws {
    let larder = Larder(workers: 3)
    let fill = try #require(larder.join("k", worker: 2).started)
    #expect(fill.enter(worker: 1))
    larder.head(fill)
    for _ in 0..<10 { #expect(fill.append([1].span) == 1) }
    #expect(larder.wakers[0].takeAdvanced().isEmpty)
    #expect(larder.wakers[1].takeAdvanced().count == 1)
    #expect(larder.wakers[2].takeAdvanced().isEmpty)
    fill.clearPending(worker: 1)
    #expect(fill.published == 10)
    fill.complete()
    #expect(larder.wakers[1].takeAdvanced().count == 1)
    fill.leave(worker: 1)
    #expect(fill.readerCount == 0)
  }

  @Test func `a failure wakes those who wait, and comes once`() throws {
    let larder = Larder()
    let fill = try #require(larder.join("k").started)
    #expect(fill.enter(worker: 0))
    fill.fail(9)
    fill.fail(10)
    #expect(fill.status == .failed)
    #expect(fill.failureReason == 9)
    #expect(larder.wakers[0].takeAdvanced().count == 1)
  }

  @Test func `readers that share a fill that is not kept share a window, L12`() throws {
    let larder = Larder { $0.windowBytes = 100_000 }
    let fill = try #require(larder.join("k").started)
    #expect(fill.enter(worker: 0))
    #expect(fill.enter(worker: 1))
    fill.stopKeeping()
    larder.head(fill)
    let chunk = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    var sent = fill.send(chunk.span)
    #expect(sent >= 100_000 && sent < 100_000 + 2 * 65_536)
    #expect(unsafe fill.withRoom() == nil)

    // The quicker reader alone makes no room.
    fill.report(worker: 0, consumed: sent)
    #expect(larder.wakers[0].takeDrained().isEmpty)
    var read = 0
    while sent < 1_000_000 {
      let part = fill.bytes(from: read, limit: 50_000)
      #expect(part == Array(chunk[read..<(read + part.count)]))
      read += part.count
      fill.report(worker: 1, consumed: read)
      fill.report(worker: 0, consumed: sent)
      if larder.wakers[0].takeDrained().count == 1 { fill.clearDrained() }
      sent += fill.send(chunk.span.extracting(sent..<1_000_000))
      #expect(fill.heldBytes <= 100_000 + 3 * 65_536)
    }
    #expect(larder.wakers[1].takeDrained().isEmpty)
  }

  @Test func `the last reader to leave lets a paused owner go on`() throws {
    let larder = Larder { $0.windowBytes = 1000 }
    let fill = larder.startPrivate("k", mayStore: false)
    #expect(fill.enter(worker: 1))
    larder.head(fill)
    #expect(!fill.enter(worker: 1))
    let chunk = [UInt8](repeating: 1, count: 10_000)
    let sent = fill.send(chunk.span)
    #expect(sent < 10_000)
    fill.leave(worker: 1)
    #expect(larder.wakers[0].takeDrained().count == 1)
    fill.clearDrained()
    #expect(fill.send(chunk.span.extracting(sent..<10_000)) == 10_000 - sent)
  }

  @Test func `what has been read is taken over the window, and the owner stays paused`() throws {
    let larder = Larder { $0.windowBytes = 1000 }
    let fill = larder.startPrivate("k", mayStore: false)
    #expect(fill.enter(worker: 1))
    larder.head(fill)
    let chunk = [UInt8](repeating: 1, count: 10_000)
    #expect(fill.append(chunk.span) == 10_000)
    #expect(unsafe fill.withRoom() == nil)
    #expect(fill.append(chunk.span) == 10_000)
    #expect(fill.isPaused)
    fill.report(worker: 1, consumed: 20_000)
    #expect(larder.wakers[0].takeDrained().count == 1)
  }

  @Test func `the owner hears when the last reader has gone, unless all is over, L13`() throws {
    let larder = Larder()
    let fill = try #require(larder.join("k", worker: 1).started)
    #expect(fill.enter(worker: 0))
    #expect(fill.enter(worker: 1))
    fill.leave(worker: 0)
    #expect(larder.wakers[1].takeDrained().isEmpty)
    fill.leave(worker: 1)
    #expect(larder.wakers[1].takeDrained().count == 1)
    fill.clearDrained()
    #expect(fill.readerCount == 0)
    #expect(fill.enter(worker: 0))
    fill.fail(1)
    fill.leave(worker: 0)
    #expect(larder.wakers[1].takeDrained().isEmpty)
  }

  @Test func `bodies that pass through a full arena use memory outside, and give it back`() throws {
    let larder = Larder(budget: 1 << 20) { $0.windowBytes = 200_000 }
    var held: [TestBlock] = []
    while let block = larder.store.arena.take(4096) { held.append(block) }
    let charged = larder.store.arena.statistics.chargedBytes
    do {
      let fill = larder.startPrivate("k", mayStore: false)
      larder.head(fill)
      let chunk = [UInt8](repeating: 1, count: 100_000)
      for _ in 0..<20 { #expect(fill.append(chunk.span) == chunk.count) }
      #expect(larder.store.arena.statistics.chargedBytes > charged)
      fill.complete()
      larder.store.end(fill)
    }
    #expect(larder.store.arena.statistics.chargedBytes == charged)
    for block in held { larder.store.arena.giveBack(block) }
  }
}

extension Fill {
  /// As an upstream connection does it: as much of `bytes` as the window lets. Returns how much that was.
  func send(_ bytes: Span<UInt8>) -> Int {
    var done = 0
    while done < bytes.count, let room = unsafe withRoom() {
      let count = min(room.count, bytes.count - done)
      for i in 0..<count { unsafe room[i] = bytes[done + i] }
      advance(by: count)
      done += count
    }
    return done
  }

  func bytes(from start: Int, limit: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < limit,
      let (pointer, count) = unsafe segment(at: start + bytes.count, max: limit - bytes.count)
    {
      unsafe bytes.append(contentsOf: UnsafeBufferPointer(start: pointer, count: count))
    }
    return bytes
  }

  func address(of offset: Int) -> UnsafePointer<UInt8>? { unsafe segment(at: offset, max: 1)?.0 }
}

extension Larder {
  /// What node, record and list of blocks may take beside the body.
  func entryOverhead(_ length: Int) -> Int { 1024 + (length / 65_536 + 8) * 16 }
}
