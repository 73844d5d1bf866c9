import Testing

@testable import Storage

@Suite("Slab arena, L31")
struct SlabArenaTests {
  @Test func `classes rise from 64 bytes to a span, eight to a doubling`() {
    #expect(SizeClass.bytes(0) == 64)
    #expect(SizeClass.bytes(SizeClass.count - 1) == SizeClass.largest)
    for i in 1..<SizeClass.count { #expect(SizeClass.bytes(i) > SizeClass.bytes(i - 1)) }
    #expect((1...8).map(SizeClass.bytes) == [72, 80, 88, 96, 104, 112, 120, 128])
  }

  @Test
  func `every size above 64 bytes gets the smallest class that holds it, with less than an eighth wasted`() {
    for bytes in 65...SizeClass.largest {
      let index = SizeClass.index(for: bytes)
      let capacity = SizeClass.bytes(index)
      let fits = capacity >= bytes && SizeClass.bytes(index - 1) < bytes
      let isTight = (capacity - bytes) * 8 <= bytes
      if !fits || !isTight { Issue.record("\(bytes) bytes got \(capacity)") }
    }
  }

  @Test func `a chain wastes at most an eighth in all`() {
    for length in stride(from: 64, to: 400_000, by: 37) {
      var left = length
      var allocated = 0
      while left > 0 {
        let capacity = SizeClass.bytes(SizeClass.index(for: SizeClass.chunk(for: left)))
        allocated += capacity
        left -= min(left, capacity)
      }
      if (allocated - length) * 8 > length { Issue.record("\(length) bytes took \(allocated)") }
    }
  }

  @Test func `each class is counted by its size, to the byte, and its spans return`() throws {
    let arena = SlabArena(budget: 8 << 20)
    for index in 0..<SizeClass.count {
      let bytes = SizeClass.bytes(index)
      var blocks: [TestBlock] = []
      for _ in 0..<(3 * SlabArena.spanBytes / bytes) { blocks.append(try #require(arena.take(bytes))) }
      #expect(arena.statistics.allocatedBytes == blocks.count * bytes)
      for block in blocks.reversed() { arena.giveBack(block) }
      #expect(arena.statistics.allocatedBytes == 0)
      #expect(arena.statistics.spansInUse == 0)
    }
  }

  @Test(arguments: [UInt64(1), 2, 3, UInt64.random(in: 0...UInt64.max)])
  func `blocks never overlap, in any order of allocation and release`(_ seed: UInt64) throws {
    print("slab arena: seed \(seed)")
    var random = SeededRandom(seed)
    let arena = SlabArena(budget: 4 << 20)
    var live: [(block: TestBlock, tag: UInt64)] = []
    var counted = 0
    for step in 0..<20_000 {
      if random.below(100) < 55 || live.isEmpty {
        let wanted = random.below(10) == 0 ? random.below(65_536) + 1 : random.below(2000) + 8
        guard let block = arena.take(wanted) else { continue }
        try #require(block.capacity >= wanted)
        let tag = UInt64(step) &* 0x9e37_79b9_7f4a_7c15
        block.write(tag)
        live.append((block, tag))
        counted += block.capacity
      } else {
        let (block, tag) = live.remove(at: random.below(live.count))
        try #require(block.holds(tag), "overwritten, seed \(seed), step \(step)")
        arena.giveBack(block)
        counted -= block.capacity
      }
      try #require(arena.statistics.allocatedBytes == counted)
    }
    for (block, _) in live { arena.giveBack(block) }
    #expect(arena.statistics.allocatedBytes == 0)
    #expect(arena.statistics.spansInUse == 0)
  }

  @Test func `the budget is a limit: charges count, and what is freed can be had again`() throws {
    let arena = SlabArena(budget: 1 << 20)
    arena.charge(1 << 19)
    var blocks: [TestBlock] = []
    while let block = arena.take(65_536) { blocks.append(block) }
    #expect(blocks.count == 8)
    #expect(arena.statistics.countedBytes == 1 << 20)
    #expect(arena.take(64) == nil)
    arena.giveBack(blocks.removeLast())
    blocks.append(try #require(arena.take(65_536)))
    for block in blocks { arena.giveBack(block) }
    arena.charge(-(1 << 19))
    #expect(arena.statistics.countedBytes == 0)
  }

  @Test func `a block from outside is charged to the budget and freed like any other`() {
    let arena = SlabArena(budget: 1 << 20)
    let block = unsafe TestBlock(unsafe arena.allocateOutside(200_000))
    #expect(block.capacity == 200_000)
    #expect(arena.statistics.chargedBytes == 200_016)
    arena.giveBack(block)
    #expect(arena.statistics.chargedBytes == 0)
  }

  @Test func `more than a span is refused`() {
    #expect(SlabArena(budget: 1 << 20).take(SizeClass.largest + 1) == nil)
  }

  @Test func `empty spans keep their pages only up to a limit`() throws {
    let arena = SlabArena(budget: 32 << 20)
    var blocks: [TestBlock] = []
    while let block = arena.take(65_536) { blocks.append(block) }
    #expect(arena.statistics.spansResident == 512)
    for block in blocks { arena.giveBack(block) }
    #expect(arena.statistics.spansResident == Slabs.sparesKept)
    let block = try #require(arena.take(100))
    #expect(arena.statistics.spansInUse == 1)
    arena.giveBack(block)
  }
}

/// A block as tests use it: written and read at both ends.
@safe struct TestBlock: Equatable {
  private let pointer: UnsafeMutableRawPointer
  let capacity: Int

  init(_ block: SlabBlock) {
    unsafe pointer = block.pointer
    unsafe capacity = block.capacity
  }

  static func == (left: TestBlock, right: TestBlock) -> Bool { unsafe left.pointer == right.pointer }

  var address: UnsafeMutableRawPointer { unsafe pointer }

  func write(_ tag: UInt64) {
    unsafe pointer.storeBytes(of: tag, as: UInt64.self)
    unsafe (pointer + capacity - 8).storeBytes(of: tag, as: UInt64.self)
  }

  func holds(_ tag: UInt64) -> Bool {
    let first = unsafe pointer.load(as: UInt64.self)
    let last = unsafe (pointer + capacity - 8).load(as: UInt64.self)
    return first == tag && last == tag
  }
}

extension SlabArena {
  func take(_ count: Int) -> TestBlock? {
    guard let block = unsafe allocate(count) else { return nil }
    return unsafe TestBlock(block)
  }

  func giveBack(_ block: TestBlock) { unsafe free(block.address) }
}
