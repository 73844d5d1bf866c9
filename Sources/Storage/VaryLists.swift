import Bytes

/// What the responses under one key vary on, newest first, and the key's variants. A key has this only once
/// one of its responses had a `Vary`; then the absence of `Vary` is a list too, the empty one, and the
/// response without it is the key's own node (L8).
@safe struct VaryLists {
  static let limit = 4

  var lists = InlineArray<4, FieldNames>(repeating: FieldNames())
  var count = 0
  /// Variants worth keeping, oldest first.
  var siblings = NodeList()
  var siblingCount = 0
  /// All variants in the table, those with nothing but a fill in flight included.
  var children = 0
}

/// One list of field names, lower-case, sorted, joined with commas; the empty list has hash 0.
@safe struct FieldNames {
  var hash: UInt64 = 0
  var bytes: UnsafeMutablePointer<UInt8>?
  var byteCount = 0

  static func hash(of names: Span<UInt8>, seed: HashSeed) -> UInt64 {
    names.isEmpty ? 0 : seed.hash(names).low | 1
  }

  /// Runs `body` on the names. SAFETY: the stripe's lock is held, so the list stays.
  func withNames<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
    guard let bytes = unsafe bytes else { return body(Span<UInt8>()) }
    return body(unsafe Span<UInt8>(_unsafeStart: bytes, count: byteCount))
  }
}

/// The address of a key's vary lists. Same rules as `NodeRef`.
@safe struct VaryListsRef: @unchecked Sendable {
  private let pointer: UnsafeMutablePointer<VaryLists>

  var it: VaryLists {
    unsafeAddress { unsafe UnsafePointer(pointer) }
    nonmutating unsafeMutableAddress { unsafe pointer }
  }

  init(in arena: SlabArena) {
    let block = unsafe arena.allocateSomewhere(MemoryLayout<VaryLists>.stride)
    unsafe pointer = block.pointer.bindMemory(to: VaryLists.self, capacity: 1)
    unsafe pointer.initialize(to: VaryLists())
  }

  func free(in arena: SlabArena) {
    for i in 0..<it.count { drop(it.lists[i], in: arena) }
    unsafe pointer.deinitialize(count: 1)
    unsafe arena.free(pointer)
  }

  /// Makes `names` the newest list. Returns the hash of a list that had to go for it.
  func makeNewest(_ names: Span<UInt8>, hash: UInt64, in arena: SlabArena) -> UInt64? {
    var list = unsafe FieldNames(hash: hash)
    var dropped: UInt64?
    if let known = index(of: hash) {
      list = it.lists[known]
      for i in stride(from: known, to: 0, by: -1) { it.lists[i] = it.lists[i - 1] }
    } else {
      if !names.isEmpty {
        let block = unsafe arena.allocateSomewhere(names.count)
        let bytes = unsafe block.pointer.bindMemory(to: UInt8.self, capacity: names.count)
        for i in names.indices { unsafe (bytes + i).initialize(to: names[i]) }
        unsafe list.bytes = bytes
        list.byteCount = names.count
      }
      if it.count == VaryLists.limit {
        let oldest = it.lists[it.count - 1]
        dropped = oldest.hash
        drop(oldest, in: arena)
        it.count -= 1
      }
      for i in stride(from: it.count, to: 0, by: -1) { it.lists[i] = it.lists[i - 1] }
      it.count += 1
    }
    it.lists[0] = list
    return dropped
  }

  func index(of hash: UInt64) -> Int? {
    for i in 0..<it.count where it.lists[i].hash == hash { return i }
    return nil
  }

  private func drop(_ list: FieldNames, in arena: SlabArena) {
    if let bytes = unsafe list.bytes { unsafe arena.free(bytes) }
  }
}
